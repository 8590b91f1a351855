import { join } from 'node:path';
import type { Issuer } from '@rescind/issuer';
import type { HostSql } from '@rescind/issuer-sqlite';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { NoticeOutbox } from '../notices/outbox.ts';
import { createNoticeOutbox } from '../notices/outbox.ts';
import { eraseDeleted } from './deletion.ts';
import { createKnownDevices } from './devices.ts';
import { createAccountHistory, HISTORY_CONTEXT } from './history.ts';
import { createLinks } from './links.ts';
import { createPasswords } from './passwords.ts';
import type { AccountRoom, Notices } from './room.ts';
import type { Sealer } from './sealer.ts';
import { createSealer, readSealingKey } from './sealer.ts';
import { createFactorTable, FACTOR_CONTEXT } from './second-factor/table.ts';
import type { AccountTable } from './table.ts';

export interface AccountStoreOptions {
  readonly issuer: Issuer;
  /** The host's rows in the issuer's store. */
  readonly sql: HostSql;
  readonly table: AccountTable;
  /** The directory of private keys. */
  readonly keysPath: string;
  readonly resetTtlMs: DurationMs;
  readonly notMeTtlMs: DurationMs;
  readonly accessTokenTtlMs: DurationMs;
  /** Whether there is somebody to bring notices to. */
  readonly notified: boolean;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

export interface AccountStore extends AsyncDisposable {
  readonly room: AccountRoom;
  readonly outbox: NoticeOutbox;
  /** Called whenever a notice has been written, and may have been committed. */
  onNotice(listener: () => void): void;
}

/** Beside the private keys, as precious as they are. */
const KEY_FILE = 'account-secrets.key';
const HOUR_MS: DurationMs = 3_600_000;
/** After a start: one that is restarted each half hour tidies, too. */
const SOON_MS: DurationMs = 60_000;
/** What did not arrive is kept for whoever looks into it, and not longer: it is personal. */
const DEAD_NOTICES_KEPT_MS: DurationMs = 30 * 24 * HOUR_MS;

/** Everything that accounts keep in the issuer's file, and the key that seals some of it. */
export function openAccountStore(options: AccountStoreOptions): AccountStore {
  const { issuer, sql, keysPath, notified, clock, telemetry } = options;
  const sealer = openSealer(sql, join(keysPath, KEY_FILE));
  const outbox = createNoticeOutbox(sql, sealer);
  const links = createLinks(sql);
  const factors = createFactorTable(sql, sealer);
  const history = createAccountHistory(sql, sealer, factors);
  const listeners = new Set<() => void>();

  const notices: Notices = {
    add(notice, at) {
      outbox.add(notice, at);
      // After the transaction that it is written in, which is synchronous.
      for (const listener of listeners) queueMicrotask(listener);
    },
    forget: (sub) => outbox.forget(sub),
  };

  const room: AccountRoom = {
    issuer,
    table: options.table,
    passwords: createPasswords(),
    links,
    factors,
    history,
    devices: createKnownDevices(sql, sealer),
    notices: notified ? notices : undefined,
    resetTtlMs: options.resetTtlMs,
    notMeTtlMs: options.notMeTtlMs,
    accessTokenTtlMs: options.accessTokenTtlMs,
    clock,
    telemetry,
  };

  const tidy = () => {
    issuer
      .transaction((tx) => {
        const now = clock.now();
        eraseDeleted(room, tx, now);
        links.prune(now);
        history.prune(now);
        outbox.prune(now - DEAD_NOTICES_KEPT_MS);
      })
      .catch((error: unknown) => {
        const code = error instanceof RescindError ? error.code : 'internal';
        telemetry.log('warn', 'accounts_not_tidied', { code });
      });
  };
  const timers = [setTimeout(tidy, SOON_MS).unref(), setInterval(tidy, HOUR_MS).unref()];

  return {
    room,
    outbox,
    onNotice: (listener) => void listeners.add(listener),
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearInterval(timer);
    },
  };
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
