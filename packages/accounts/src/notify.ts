import { RescindError } from '@rescind/revocation';
import type { Account, AccountClaims } from './account.ts';
import type { AccountContext, AccountTransaction } from './context.ts';
import { coarseAddress } from './rows/devices.ts';
import { CONTACT_CLAIMS } from './rows/history.ts';

/** What an authenticated user changed. */
export type ChangedThing = 'password' | 'phone_number' | 'email' | 'second_factor' | 'recovery_codes';

/**
 * Inside a transaction: writes a notice to the owner, with the link that reports "this was not me". Without a receiver
 * nothing is written.
 * @param account as it was before the change: a new phone number may be an attacker's
 */
export function notifyOwner(
  { hasReceiver, notMeTtlMs }: AccountContext,
  { oneTimeTokens, history, now, notify }: AccountTransaction,
  account: Account,
  type: 'login.new_device' | 'account.changed' | 'account.deleted' | 'session.recovered',
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

/** Notifies the owner of a change of the account, and stores its present state, which the owner can restore. Call it before the change. */
export function notifyChange(
  context: AccountContext,
  tx: AccountTransaction,
  before: Account,
  what: ChangedThing,
): void {
  notifyOwner(context, tx, before, 'account.changed', { what });
  // A password is not restored: "this was not me" always resets it.
  if (context.hasReceiver && what !== 'password') tx.history.append(before, tx.now);
}

/** As `notifyChange`, if claims of the contact change. The notice goes to the former contact. */
export function notifyContactChange(
  context: AccountContext,
  tx: AccountTransaction,
  before: Account,
  { claims }: { readonly claims?: AccountClaims },
): void {
  const changed = CONTACT_CLAIMS.find((name) => claims !== undefined && claims[name] !== before.claims[name]);
  if (changed !== undefined) notifyChange(context, tx, before, changed);
}

/** A session whose refresh token got its successor again, after the grace. */
export interface RecoveredSession {
  readonly sid: string;
  readonly sub: string;
  /** The network of its login; null: unknown. */
  readonly address: string | null;
}

/**
 * Notifies the owner of a session that was recovered from another network than that of its login: an attacker may have the token. Never
 * rejects; a failure is logged.
 * @param sender the address of the request
 */
export async function notifyRecovery(
  context: AccountContext,
  { sid, sub, address }: RecoveredSession,
  sender: string | undefined,
): Promise<void> {
  const place = coarseAddress(sender);
  if (!context.hasReceiver || place === undefined || address === null || place === address) return;
  try {
    await context.transact((tx) => {
      const account = tx.users.bySub(sub);
      if (account !== undefined) notifyOwner(context, tx, account, 'session.recovered', { sid, place });
    });
  } catch (error) {
    const code = error instanceof RescindError ? error.code : 'internal';
    context.telemetry.log('warn', 'recovery_notice_failed', { sid, code });
  }
}

/** The name and the addresses by which the receiver of notices finds the owner, if it has no list of its own. */
export function contactOf({ username, claims }: Account): Record<string, string | null> {
  const { phone_number: phone, email } = claims;
  const textOrNull = (value: unknown) => (typeof value === 'string' ? value : null);
  return { username, phone_number: textOrNull(phone), email: textOrNull(email) };
}
