import { join } from 'node:path';
import type { Issuer, SubjectRecord } from '@rescind/issuer';
import type { HostSql } from '@rescind/issuer-sqlite';
import type { Clock, DurationMs, HealthCheck, Telemetry } from '@rescind/revocation';
import { RescindError, standardErrorTelemetry, systemClock } from '@rescind/revocation';
import { isSecureUrl } from '@rescind/revocation/http';
import { option, optionError, optionsOf, required } from '@rescind/revocation/options';
import type { CommonScopes } from './account.ts';
import { subjectOf } from './account.ts';
import type { AccountAdministration } from './administration.ts';
import { createAccountAdministration } from './administration.ts';
import { withCheckedAdministration, withCheckedFactors, withCheckedOwn } from './checked-calls.ts';
import type { AccountContext } from './context.ts';
import { createAccountRows, createTransact } from './context.ts';
import { eraseDeleted } from './deletion.ts';
import type { RecoveredSession } from './notify.ts';
import { notifyRecovery } from './notify.ts';
import type { OwnAccounts } from './own-account.ts';
import { createOwnAccounts } from './own-account.ts';
import { createPasswords } from './passwords.ts';
import { FACTOR_CONTEXT } from './rows/factors.ts';
import { HISTORY_CONTEXT } from './rows/history.ts';
import { prepareAccountTables } from './schema.ts';
import type { Sealer } from './sealer.ts';
import { createSealer, readSealingKey } from './sealer.ts';
import type { SecondFactors } from './second-factors.ts';
import { createSecondFactors } from './second-factors.ts';
import type { Webhook, WebhookSender } from './webhook-sender.ts';
import { openWebhookSender } from './webhook-sender.ts';

/** The options of `openAccounts`. */
export interface AccountsOptions {
  /** Accounts change in its transactions. */
  readonly issuer: Issuer;
  /** The host's rows in the store of the issuer: `store.sql` of `sqliteStore`, once the issuer is open. */
  readonly sql: HostSql;
  /** The directory of private keys: the key that seals second factors, notices and history is in it. */
  readonly keysPath: string;
  /** The scopes that an account may have. */
  readonly scopes: CommonScopes;
  /** The name of the service that an authenticator application shows, such as a host name. */
  readonly totpIssuer: string;
  /** How long a password may be set after a reset. Default 24 h. */
  readonly resetTtlMs?: DurationMs | undefined;
  /** How long the "this was not me" link of a notice is valid. Default 7 d. */
  readonly notMeTtlMs?: DurationMs | undefined;
  /** The life of the session that a change of the password begins. Default 15 min. */
  readonly accessTokenTtlMs?: DurationMs | undefined;
  /** Where notices to owners go. Without it none are written, and a deleted account is erased at once. */
  readonly webhook?: Webhook | undefined;
  /** Default: that of the system. */
  readonly clock?: Clock | undefined;
  /** Default: warnings and errors are written to standard error. */
  readonly telemetry?: Telemetry | undefined;
}

/** Users, passwords, second factors, known devices and notices, in the store and the transactions of an issuer. */
export interface Accounts extends AsyncDisposable {
  /** What `IssuerOptions.subject` returns of an account. */
  subject(sub: string): SubjectRecord | undefined;
  /** What people do with their own accounts. */
  readonly own: OwnAccounts;
  /** Enrolment and verification of second factors. */
  readonly secondFactors: SecondFactors;
  /** What administrators do with the accounts of others. */
  readonly administration: AccountAdministration;
  /** Notifies the owner of a session that was recovered from another network than that of its login. Never rejects. */
  notifyRecovery(recovered: RecoveredSession, sender: string | undefined): Promise<void>;
  /** Notices that wait or were given up; empty without a webhook. */
  health(): HealthCheck[];
}

const HOUR_MS: DurationMs = 3_600_000;
const DAY_MS: DurationMs = 24 * HOUR_MS;
const DEFAULTS = { resetTtlMs: DAY_MS, notMeTtlMs: 7 * DAY_MS, accessTokenTtlMs: 900_000 } as const;
const TTL_BOUNDS = { min: 1, max: 30 * DAY_MS } as const;

const checkOptions = optionsOf<AccountsOptions>('openAccounts', {
  issuer: required(option.having<Issuer>('an issuer', 'transaction', 'refusingWrites', 'canWrite')),
  sql: required(option.having<HostSql>('the SQL of a store', 'prepare', 'exec')),
  keysPath: required(option.filePath('the path of the directory of private keys')),
  scopes: required(
    optionsOf<CommonScopes>('scopes', {
      defaults: required(option.list(option.text(), { min: 0 })),
      always: required(option.list(option.text(), { min: 0 })),
    }),
  ),
  totpIssuer: required(option.text()),
  resetTtlMs: option.duration(TTL_BOUNDS),
  notMeTtlMs: option.duration(TTL_BOUNDS),
  accessTokenTtlMs: option.duration(TTL_BOUNDS),
  webhook: optionsOf<Webhook>('webhook', {
    url: required((value, path) => {
      const url = option.url({ query: true })(value, path);
      if (isSecureUrl(url)) return url;
      throw optionError(path, 'https, or http on this machine: notices are personal', value);
    }),
    secret: required(option.callable<Webhook['secret']>('a function that returns the secret')),
    attempts: required(option.count({ min: 1 })),
    retryMs: required(option.duration()),
  }),
  clock: option.clock,
  telemetry: option.telemetry,
});

/** The file of the sealing key, beside the private keys, and as secret as they are. */
const KEY_FILE = 'account-secrets.key';
/** The first clean-up comes this soon after a start, so that a process which is restarted each half hour cleans up, too. */
const FIRST_CLEANUP_MS: DurationMs = 60_000;
/** A notice that was given up is kept for an investigation, and not longer: it is personal. */
const DEAD_NOTICES_KEPT_MS: DurationMs = 30 * DAY_MS;

/**
 * Opens the accounts in the store of an issuer, and takes the tables of earlier versions to the present one.
 * @throws TypeError for options
 * @throws RescindError `database_newer`; `configuration_invalid`: the sealing key is missing, another one, or open to others
 */
export function openAccounts(given: AccountsOptions): Accounts {
  const options = { ...DEFAULTS, clock: systemClock, telemetry: standardErrorTelemetry, ...checkOptions(given) };
  const { issuer, sql, scopes, webhook, clock, telemetry } = options;
  prepareAccountTables(sql);
  const rows = createAccountRows(sql, openSealer(sql, join(options.keysPath, KEY_FILE)));
  const hasReceiver = webhook !== undefined;
  let webhookSender: WebhookSender | undefined;
  const onNotice = () => webhookSender?.wake();
  const context: AccountContext = {
    rows,
    transact: createTransact({ issuer, rows, hasReceiver, clock, onNotice }),
    passwords: createPasswords(),
    userEvents: issuer.userEvents,
    hasReceiver,
    resetTtlMs: options.resetTtlMs,
    notMeTtlMs: options.notMeTtlMs,
    accessTokenTtlMs: options.accessTokenTtlMs,
    clock,
    telemetry,
  };
  if (webhook !== undefined) webhookSender = openWebhookSender({ issuer, context, webhook, clock, telemetry });
  const cleanUp = () => void removeExpired(context);
  const timers = [setTimeout(cleanUp, FIRST_CLEANUP_MS).unref(), setInterval(cleanUp, HOUR_MS).unref()];

  return {
    subject: (sub) => subjectOf(rows.users.bySub(sub), scopes),
    own: withCheckedOwn(createOwnAccounts(context)),
    secondFactors: withCheckedFactors(createSecondFactors(context, options.totpIssuer)),
    administration: withCheckedAdministration(createAccountAdministration(context)),
    notifyRecovery: (recovered, sender) => notifyRecovery(context, recovered, sender),
    health: () => webhookSender?.health() ?? [],
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearInterval(timer);
      await webhookSender?.[Symbol.asyncDispose]();
    },
  };
}

/** Removes expired rows. Never rejects: after an error the next call removes the rest. */
async function removeExpired(context: AccountContext): Promise<void> {
  try {
    await context.transact(async (tx) => {
      const { oneTimeTokens, history, notices, now } = tx;
      await eraseDeleted(context, tx);
      oneTimeTokens.prune(now);
      history.prune(now);
      notices.prune(now - DEAD_NOTICES_KEPT_MS);
    });
  } catch (error) {
    const code = error instanceof RescindError ? error.code : 'internal';
    context.telemetry.log('warn', 'accounts_not_tidied', { code });
  }
}

/** The sealer that opens what is sealed already. @throws RescindError `configuration_invalid` */
function openSealer(sql: HostSql, path: string): Sealer {
  const sample = sql
    .prepare<[], { sealed: Buffer; context: string }>(
      `SELECT secret AS sealed, '${FACTOR_CONTEXT}' || sub AS context FROM account_second_factors
       UNION ALL SELECT sealed, id FROM notices
       UNION ALL SELECT sealed, '${HISTORY_CONTEXT}' || sub FROM account_history LIMIT 1`,
    )
    .get();
  const sealer = createSealer(readSealingKey(path, sample !== undefined));
  try {
    if (sample !== undefined) sealer.open(sample.sealed, sample.context);
  } catch (error) {
    throw new RescindError('configuration_invalid', { detail: `${path} holds another key`, cause: error });
  }
  return sealer;
}
