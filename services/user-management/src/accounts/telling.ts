import type { EpochMillis } from '@rescind/revocation';
import type { Account, AccountClaims } from './account.ts';
import { CONTACT_CLAIMS } from './history.ts';
import type { AccountRoom } from './room.ts';

/** What was changed by somebody who had proved to be the owner. */
export type ChangedThing = 'password' | 'phone_number' | 'email' | 'second_factor' | 'recovery_codes';

/**
 * Inside a transaction: tells the owner that it has happened, with the means to say "this was not me". Nothing is
 * written where there is nobody to bring it.
 * @param account as it was before: a new phone number may be a thief's
 */
export function tellOwner(
  room: AccountRoom,
  account: Account,
  type: 'login.new_device' | 'account.changed' | 'account.deleted',
  data: Readonly<Record<string, string | null>>,
  at: EpochMillis,
): void {
  const { links, history, notices, notMeTtlMs } = room;
  if (notices === undefined) return;
  const { sub } = account;
  const expiresAt = at + notMeTtlMs;
  const notMe = {
    not_me: links.issue({ sub, purpose: 'not_me', at, expiresAt, position: history.position(sub, at) }),
    not_me_expires_at: new Date(expiresAt).toISOString(),
  };
  notices.add({ sub, type, data: { ...contactOf(account), ...data, ...notMe } }, at);
}

/** The same of a change of the account, before it is made: how the account is now can be gone back to. */
export function tellChange(room: AccountRoom, before: Account, what: ChangedThing, at: EpochMillis): void {
  tellOwner(room, before, 'account.changed', { what }, at);
  // A password is reset in any case.
  if (room.notices !== undefined && what !== 'password') room.history.append(before, at);
}

/** The same, where a change of claims is one of the contact: the owner is reached where they were before it. */
export function tellContactChange(room: AccountRoom, before: Account, { claims }: { claims?: AccountClaims }): void {
  const changed = CONTACT_CLAIMS.find((name) => claims !== undefined && claims[name] !== before.claims[name]);
  if (changed !== undefined) tellChange(room, before, changed, room.clock.now());
}

/** By what a notifier may find the owner, if it has no list of its own. */
export function contactOf({ username, claims }: Account): Record<string, string | null> {
  const { phone_number: phone, email } = claims;
  const textOrNull = (value: unknown) => (typeof value === 'string' ? value : null);
  return { username, phone_number: textOrNull(phone), email: textOrNull(email) };
}
