import type { EpochMillis } from '@rescind/revocation';
import type { Account } from './account.ts';
import type { AccountRoom } from './room.ts';

/** What was changed by somebody who had proved to be the owner. */
export type ChangedThing = 'password' | 'phone_number' | 'second_factor' | 'recovery_codes';

/**
 * Inside a transaction: tells the owner that it has happened, with the means to say "this was not me". Nothing is
 * written where there is nobody to bring it.
 * @param account as it was before: a new phone number may be a thief's
 */
export function tellOwner(
  room: AccountRoom,
  account: Account,
  type: 'login.new_device' | 'account.changed',
  data: Readonly<Record<string, string | null>>,
  at: EpochMillis,
): void {
  const { links, notices, notMeTtlMs } = room;
  if (notices === undefined) return;
  const { sub } = account;
  const expiresAt = at + notMeTtlMs;
  const notMe = {
    not_me: links.issue(sub, 'not_me', at, expiresAt),
    not_me_expires_at: new Date(expiresAt).toISOString(),
  };
  notices.add({ sub, type, data: { ...contactOf(account), ...data, ...notMe } }, at);
}

/** The same of a change of the account. */
export function tellChange(room: AccountRoom, before: Account, what: ChangedThing, at: EpochMillis): void {
  tellOwner(room, before, 'account.changed', { what }, at);
}

/** By what a notifier may find the owner, if it has no list of its own. */
export function contactOf({ username, claims }: Account): Record<string, string | null> {
  const phone = claims.phone_number;
  return { username, phone_number: typeof phone === 'string' ? phone : null };
}
