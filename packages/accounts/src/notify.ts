import type { Account, AccountClaims } from './account.ts';
import type { AccountContext, AccountTransaction } from './context.ts';
import { CONTACT_CLAIMS } from './rows/history.ts';

/** What an authenticated user changed. */
export type ChangedThing = 'password' | 'phone_number' | 'email' | 'second_factor' | 'recovery_codes';

/**
 * Inside a transaction: writes a notice to the owner, with the link by which they say "this was not me". Without a receiver
 * nothing is written.
 * @param account as it was before: a new phone number may be a thief's
 */
export function notifyOwner(
  { hasReceiver, notMeTtlMs }: AccountContext,
  { oneTimeTokens, history, now, notify }: AccountTransaction,
  account: Account,
  type: 'login.new_device' | 'account.changed' | 'account.deleted',
  data: Readonly<Record<string, string | null>>,
): void {
  if (!hasReceiver) return;
  const { sub } = account;
  const expiresAt = now + notMeTtlMs;
  const notMe = {
    not_me: oneTimeTokens.issue({ sub, purpose: 'not_me', at: now, expiresAt, position: history.position(sub, now) }),
    not_me_expires_at: new Date(expiresAt).toISOString(),
  };
  notify({ sub, type, data: { ...contactOf(account), ...data, ...notMe } });
}

/** The same of a change of the account, before it is made: the owner can go back to how the account is now. */
export function notifyChange(
  context: AccountContext,
  tx: AccountTransaction,
  before: Account,
  what: ChangedThing,
): void {
  notifyOwner(context, tx, before, 'account.changed', { what });
  // A password is reset in any case.
  if (context.hasReceiver && what !== 'password') tx.history.append(before, tx.now);
}

/** The same, where a change of claims is one of the contact: the notice goes to the contact of before. */
export function notifyContactChange(
  context: AccountContext,
  tx: AccountTransaction,
  before: Account,
  { claims }: { readonly claims?: AccountClaims },
): void {
  const changed = CONTACT_CLAIMS.find((name) => claims !== undefined && claims[name] !== before.claims[name]);
  if (changed !== undefined) notifyChange(context, tx, before, changed);
}

/** By what the receiver of notices may find the owner, if it has no list of its own. */
export function contactOf({ username, claims }: Account): Record<string, string | null> {
  const { phone_number: phone, email } = claims;
  const textOrNull = (value: unknown) => (typeof value === 'string' ? value : null);
  return { username, phone_number: textOrNull(phone), email: textOrNull(email) };
}
