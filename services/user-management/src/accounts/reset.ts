import type { IssuerTransaction, RevocationRecord } from '@rescind/issuer';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import type { Account } from './account.ts';
import { REASON } from './account.ts';
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
 */
export function resetPassword(
  { table, links, devices, clock, resetTtlMs }: AccountRoom,
  tx: IssuerTransaction,
  { sub, credentialVersion }: Account,
  {
    reason = REASON.passwordReset as string,
    ttlMs = resetTtlMs,
  }: { reason?: string | undefined; ttlMs?: DurationMs | undefined },
): Reset {
  table.update(sub, { resetReason: reason, credentialVersion: credentialVersion + 1 });
  devices.forget(sub);
  links.forget(sub, 'password_reset');
  const now = clock.now();
  const expiresAt = now + ttlMs;
  const resetToken = links.issue(sub, 'password_reset', now, expiresAt);
  const revocation = tx.endAllSessions({ sub, reason: REASON.passwordReset });
  return { resetToken, expiresAt, revocation };
}
