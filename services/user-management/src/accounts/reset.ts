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
 * @param options.recovers whether setting the password spends the links of "this was not me" that were issued before
 */
export function resetPassword(
  { table, links, devices, clock, resetTtlMs }: AccountRoom,
  tx: IssuerTransaction,
  { sub, credentialVersion }: Account,
  {
    reason = REASON.passwordReset as string,
    ttlMs = resetTtlMs,
    recovers = false,
  }: { reason?: string | undefined; ttlMs?: DurationMs | undefined; recovers?: boolean },
): Reset {
  table.update(sub, { resetReason: reason, credentialVersion: credentialVersion + 1 });
  devices.forget(sub);
  links.forget(sub, 'password_reset');
  const now = clock.now();
  const expiresAt = now + ttlMs;
  const resetToken = links.issue({ sub, purpose: 'password_reset', at: now, expiresAt, recovers });
  const revocation = tx.endAllSessions({ sub, reason: REASON.passwordReset });
  return { resetToken, expiresAt, revocation };
}
