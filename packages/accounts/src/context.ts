import { randomBytes } from 'node:crypto';
import type { Issuer, IssuerTransaction } from '@rescind/issuer';
import type { HostSql } from '@rescind/issuer-sqlite';
import type { Clock, DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Account } from './account.ts';
import type { Passwords } from './passwords.ts';
import type { DeviceRows } from './rows/devices.ts';
import { createDeviceRows } from './rows/devices.ts';
import type { FactorRows } from './rows/factors.ts';
import { createFactorRows } from './rows/factors.ts';
import type { HistoryRows } from './rows/history.ts';
import { createHistoryRows } from './rows/history.ts';
import type { Notice, NoticeRows } from './rows/notices.ts';
import { createNoticeRows } from './rows/notices.ts';
import type { OneTimeTokenRows } from './rows/one-time-tokens.ts';
import { createOneTimeTokenRows } from './rows/one-time-tokens.ts';
import type { UserRows } from './rows/users.ts';
import { createUserRows } from './rows/users.ts';
import type { Sealer } from './sealer.ts';

/** Every row of accounts, for a transaction. */
export interface AccountRows {
  readonly users: UserRows;
  readonly factors: FactorRows;
  readonly oneTimeTokens: OneTimeTokenRows;
  readonly devices: DeviceRows;
  readonly history: HistoryRows;
  readonly notices: NoticeRows;
}

/** The reads outside a transaction. */
interface AccountReads {
  readonly users: Pick<UserRows, 'bySub' | 'byName' | 'isTaken' | 'list' | 'withScopes'>;
  readonly factors: Pick<FactorRows, 'recoveryCodesLeft'>;
  readonly oneTimeTokens: Pick<OneTimeTokenRows, 'find'>;
  readonly devices: Pick<DeviceRows, 'find'>;
  readonly notices: Pick<NoticeRows, 'due' | 'nextAt' | 'counts'>;
}

/** What every write of accounts works with: rows, and the issuer in the same transaction. */
export interface AccountTransaction extends AccountRows {
  readonly issuer: IssuerTransaction;
  /** The time of everything that the transaction writes. */
  readonly now: EpochMillis;
  /** Writes a notice, which is sent after the commit. Without a receiver nothing is written. */
  notify(notice: Notice): void;
}

/** What everything about accounts works with. */
export interface AccountContext {
  readonly rows: AccountReads;
  /**
   * The only function that writes: runs `work` in one transaction of the issuer. `work` may be called again when the transaction has to
   * wait for the clock, so it only reads and writes rows.
   * @throws RescindError as `Issuer.transaction`
   */
  transact<T>(work: (tx: AccountTransaction) => T | Promise<T>): Promise<T>;
  readonly passwords: Passwords;
  /** Where refused logins are recorded. */
  readonly userEvents: Pick<Issuer['userEvents'], 'refused'>;
  /** Whether notices have a receiver. */
  readonly hasReceiver: boolean;
  /** How long a password may be set after a reset. */
  readonly resetTtlMs: DurationMs;
  /** How long the owner may use "this was not me". */
  readonly notMeTtlMs: DurationMs;
  readonly accessTokenTtlMs: DurationMs;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/**
 * Creates the queries of the tables of accounts.
 * @param sql the rows in the store of the issuer
 * @param sealer encrypts the columns that are secret
 */
export function createAccountRows(sql: HostSql, sealer: Sealer): AccountRows {
  const factors = createFactorRows(sql, sealer);
  return {
    users: createUserRows(sql),
    factors,
    oneTimeTokens: createOneTimeTokenRows(sql),
    devices: createDeviceRows(sql, sealer),
    history: createHistoryRows(sql, sealer, factors),
    notices: createNoticeRows(sql, sealer),
  };
}

interface TransactOptions {
  readonly issuer: Pick<Issuer, 'transaction'>;
  readonly rows: AccountRows;
  readonly hasReceiver: boolean;
  readonly clock: Clock;
  /** Called after a commit that wrote a notice. */
  onNotice(): void;
}

export function createTransact({
  issuer,
  rows,
  hasReceiver,
  clock,
  onNotice,
}: TransactOptions): AccountContext['transact'] {
  return async (work) => {
    let isNotified = false;
    const result = await issuer.transaction((tx) => {
      isNotified = false;
      const now = clock.now();
      const notify = (notice: Notice) => {
        if (!hasReceiver) return;
        rows.notices.add(notice, now);
        isNotified = true;
      };
      return work({ ...rows, issuer: tx, now, notify });
    });
    if (isNotified) onNotice();
    return result;
  };
}

/** Creates the `sub` of a user, a pseudonym of 128 random bits. */
export const newSub = (): string => randomBytes(16).toString('base64url');

type UserReads = Pick<UserRows, 'bySub'>;

/** The account, or one that its owner has deleted and that is not erased yet. @throws RescindError `subject_unknown` */
export function requireErasable(users: UserReads, sub: string): Account {
  const account = users.bySub(sub);
  if (account === undefined || (account.state === 'deleted' && account.eraseAt === null)) {
    throw new RescindError('subject_unknown');
  }
  return account;
}

/** The account, unless it is deleted. @throws RescindError `subject_unknown` */
export function requireAccount(users: UserReads, sub: string): Account {
  const account = users.bySub(sub);
  if (account === undefined || account.state === 'deleted') throw new RescindError('subject_unknown');
  return account;
}
