import type { IssuerTransaction, RevocationRecord } from '@rescind/issuer';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import type { Account } from './account.ts';
import { REASON } from './account.ts';
import type { Link } from './links.ts';
import type { AccountRoom } from './room.ts';

export interface Reset {
  /** Sets another password, once. */
  readonly resetToken: string;
  readonly expiresAt: EpochMillis;
  readonly revocation: RevocationRecord | undefined;
}

/**
 * Inside a transaction: every session ends, the password is good for nothing, and no device is known any more. A second
 * factor stays: who could reset it by way of the password would not need it.
 * @param options.recoversBy the link of "this was not me" that the account goes back to: setting the password spends it, and
 *   later ones that were issued before
 */
export function resetPassword(
  { table, links, devices, clock, resetTtlMs }: AccountRoom,
  tx: IssuerTransaction,
  { sub, credentialVersion }: Account,
  {
    reason = REASON.passwordReset as string,
    ttlMs = resetTtlMs,
    recoversBy,
  }: { reason?: string | undefined; ttlMs?: DurationMs | undefined; recoversBy?: Pick<Link, 'position'> },
): Reset {
  table.update(sub, { resetReason: reason, credentialVersion: credentialVersion + 1 });
  devices.forget(sub);
  links.forget(sub, 'password_reset');
  const now = clock.now();
  const expiresAt = now + ttlMs;
  const resetToken = links.issue({
    ...{ sub, purpose: 'password_reset', at: now, expiresAt },
    ...(recoversBy !== undefined && { recovers: true, position: recoversBy.position }),
  });
  const revocation = tx.endAllSessions({ sub, reason: REASON.passwordReset });
  return { resetToken, expiresAt, revocation };
}
