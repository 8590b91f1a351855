import type { RevocationRecord } from '@rescind/issuer';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Account } from './account.ts';
import { REASON } from './account.ts';
import type { AccountContext, AccountTransaction } from './context.ts';
import { requireAccount } from './context.ts';
import { contactOf } from './notify.ts';
import type { PastState } from './rows/history.ts';
import { CONTACT_CLAIMS, contactClaims } from './rows/history.ts';
import type { OneTimeToken } from './rows/one-time-tokens.ts';
import { compareOneTimeTokens } from './rows/one-time-tokens.ts';

interface Reset {
  /** Sets another password, once. */
  readonly resetToken: string;
  readonly expiresAt: EpochMillis;
  readonly revocation: RevocationRecord | undefined;
}

interface ResetOptions {
  /** Why login refuses the account meanwhile. Default `password_reset`. */
  readonly reason?: string | undefined;
  /** How long another password may be set. Default: as configured. */
  readonly ttlMs?: DurationMs | undefined;
  /**
   * The link of "this was not me" that the account goes back to: setting the password spends it, and later ones that were
   * issued before. Default: none.
   */
  readonly recoversBy?: Pick<OneTimeToken, 'position'>;
}

/**
 * Inside a transaction: every session ends, login refuses the account until another password is set, and no device is known any
 * more. The second factor remains: otherwise a reset of the password would bypass it.
 */
export async function resetPassword(
  { resetTtlMs }: AccountContext,
  tx: AccountTransaction,
  sub: string,
  { reason = REASON.passwordReset, ttlMs = resetTtlMs, recoversBy }: ResetOptions,
): Promise<Reset> {
  const { users, devices, oneTimeTokens, now } = tx;
  users.update(sub, { resetReason: reason }, { newCredential: true });
  devices.remove(sub);
  oneTimeTokens.remove(sub, 'password_reset');
  const expiresAt = now + ttlMs;
  const resetToken = oneTimeTokens.issue({
    ...{ sub, purpose: 'password_reset', at: now, expiresAt },
    ...(recoversBy !== undefined && { recovers: true, position: recoversBy.position }),
  });
  await tx.issuer.recordEvent({ type: 'account_changed', sub, reason: REASON.passwordReset });
  const revocation = await tx.issuer.endAllSessions({ sub, reason: REASON.passwordReset });
  return { resetToken, expiresAt, revocation };
}

/**
 * Inside a transaction: sets the password with the token of a reset, whose link is used up.
 * @returns the subject
 * @throws RescindError `link_invalid`
 */
export async function setPassword(
  tx: AccountTransaction,
  resetToken: string,
  password: string,
): Promise<{ readonly sub: string }> {
  const { users, oneTimeTokens, history, now } = tx;
  const oneTimeToken = oneTimeTokens.consume(resetToken, 'password_reset', now);
  if (oneTimeToken === undefined) throw new RescindError('link_invalid');
  const { sub } = requireAccount(users, oneTimeToken.sub);
  // The owner has recovered the account: earlier links are used up.
  if (oneTimeToken.recovers) {
    oneTimeTokens.removeRecovered(oneTimeToken);
    history.prune(now, sub);
  }
  // Its sessions ended with the reset, and none could begin since.
  users.update(sub, { password, resetReason: null }, { newCredential: true });
  await tx.issuer.recordEvent({ type: 'account_changed', sub, reason: REASON.passwordChanged });
  return { sub };
}

/**
 * "This was not me", inside a transaction. An attacker can create links, change the account, and use links that the attacker receives.
 * So whichever link is used, the account is restored to its state at the oldest live link: later changes of second factors,
 * recovery codes and the contact are undone, a deletion too. Every session ends, the password is
 * reset, and the reset token is sent to the contact of that state.
 * Links from before the account had a contact are ignored unless the used link is of that time.
 * The used link and every later one are consumed. The oldest one, if another was used, is valid until
 * the password has been set, because it was sent to the owner.
 * @throws RescindError `link_invalid`
 */
export async function recoverAccount(
  context: AccountContext,
  tx: AccountTransaction,
  token: string,
): Promise<{ readonly sub: string }> {
  const { users, oneTimeTokens, history, now } = tx;
  const used = oneTimeTokens.consume(token, 'not_me', now);
  const account = used && users.bySub(used.sub);
  if (used === undefined || account === undefined) throw new RescindError('link_invalid');
  const { sub } = account;
  const first = oldestDelivered(tx, account, used);
  const states = history.after(sub, first.position);
  const owner = revertTo(tx, restored(tx, account, states), states);
  oneTimeTokens.removeLater(first);
  history.prune(now, sub);
  const { resetToken, expiresAt } = await resetPassword(context, tx, sub, { recoversBy: first });
  const data = {
    ...contactOf(owner),
    reset_token: resetToken,
    reset_token_expires_at: new Date(expiresAt).toISOString(),
  };
  tx.notify({ sub, type: 'account.password_reset', data });
  return { sub };
}

/**
 * The oldest live link that could be delivered. Links from before the account had a telephone number or an address were sent to no
 * contact, and restoring that state would lock the owner out. If a link of that time is used
 * (a receiver may know the owner by other means), the account is restored to its oldest link.
 * @param used was live, and is now consumed
 */
function oldestDelivered(
  { oneTimeTokens, history, now }: AccountTransaction,
  account: Account,
  used: OneTimeToken,
): OneTimeToken {
  const { sub, claims } = account;
  const live = [used, ...oneTimeTokens.live(sub, 'not_me', now)].sort(compareOneTimeTokens);
  const hasContact = ({ position }: OneTimeToken) => {
    const [then] = history.after(sub, position);
    return Object.keys(then === undefined ? contactClaims(claims) : then.contact).length > 0;
  };
  return (hasContact(used) ? live.find(hasContact) : live[0]) ?? used;
}

/** The account as it is, or as it was before its deletion. */
function restored({ users }: AccountTransaction, account: Account, states: readonly PastState[]): Account {
  if (account.state !== 'deleted') return account;
  const kept = states.findLast((state) => state.account !== null)?.account;
  const undeleted = kept && users.undelete(account.sub, kept);
  // The account has been erased.
  if (!undeleted) throw new RescindError('link_invalid');
  return undeleted;
}

/** Undoes what was changed since the first of these states; without one nothing was changed. */
function revertTo({ users, factors }: AccountTransaction, account: Account, states: readonly PastState[]): Account {
  const { sub } = account;
  const [then] = states;
  if (then === undefined) {
    factors.removeUnconfirmed(sub);
    return account;
  }
  if (then.factor === null) factors.remove(sub);
  else {
    const { secret } = then.factor;
    // Codes of the restored secret that were used since stay used.
    const since = [...states.map(({ factor }) => factor), factors.state(sub) ?? null];
    const steps = since.flatMap((factor) => (factor?.secret.equals(secret) ? [factor.lastStep] : []));
    factors.restore(sub, { ...then.factor, lastStep: Math.max(...steps) });
  }
  const others = Object.entries(account.claims).filter(([name]) => !CONTACT_CLAIMS.some((contact) => contact === name));
  users.update(sub, { claims: { ...Object.fromEntries(others), ...contactClaims(then.contact) } });
  return users.bySub(sub) ?? account;
}
