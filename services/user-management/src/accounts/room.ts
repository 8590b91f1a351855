import type { Issuer } from '@rescind/issuer';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Notice } from '../notices/outbox.ts';
import type { Account } from './account.ts';
import type { KnownDevices } from './devices.ts';
import type { AccountHistory } from './history.ts';
import type { Links } from './links.ts';
import type { Passwords } from './passwords.ts';
import type { FactorTable } from './second-factor/table.ts';
import type { AccountTable } from './table.ts';

/** Where notices go, inside the transaction of what they tell. */
export interface Notices {
  add(notice: Notice, at: number): void;
  forget(sub: string): void;
}

/** What everything about accounts works with. */
export interface AccountRoom {
  readonly issuer: Issuer;
  readonly table: AccountTable;
  readonly passwords: Passwords;
  readonly links: Links;
  readonly factors: FactorTable;
  readonly devices: KnownDevices;
  readonly history: AccountHistory;
  /** Absent: nobody is told. */
  readonly notices: Notices | undefined;
  /** How long a password may be set anew after a reset. */
  readonly resetTtlMs: DurationMs;
  /** How long "this was not me" may be said. */
  readonly notMeTtlMs: DurationMs;
  readonly accessTokenTtlMs: DurationMs;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** The same, or one that its owner has deleted and that is not erased yet. @throws RescindError `subject_unknown` */
export function requireErasable(table: AccountTable, sub: string): Account {
  const account = table.bySub(sub);
  if (account === undefined || (account.state === 'deleted' && account.eraseAt === null)) {
    throw new RescindError('subject_unknown');
  }
  return account;
}

/** The account, if it is there and not deleted. @throws RescindError `subject_unknown` */
export function requireAccount(table: AccountTable, sub: string): Account {
  const account = table.bySub(sub);
  if (account === undefined || account.state === 'deleted') throw new RescindError('subject_unknown');
  return account;
}
