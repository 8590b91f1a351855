import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { hashRecoveryCode } from './recovery-codes.ts';
import type { FactorTable } from './table.ts';
import { findTotpStep } from './totp.ts';

/** What somebody shows beside the password. */
export interface FactorProof {
  /** Six digits of now. */
  readonly totp?: string | undefined;
  /** One of those that were shown at the enrolment; good once. */
  readonly recoveryCode?: string | undefined;
}

/** How somebody was authenticated, as tokens say it. */
export interface Authentication {
  /** RFC 8176. */
  readonly amr: readonly string[];
  /** Assurance as NIST SP 800-63B counts it: `aal1` a password, `aal2` a one-time code beside it. */
  readonly acr: string;
}

export const PASSWORD_ALONE: Authentication = { amr: ['pwd'], acr: 'aal1' };
export const WITH_SECOND_FACTOR: Authentication = { amr: ['pwd', 'otp', 'mfa'], acr: 'aal2' };

/**
 * Takes the proof of an account's second factor, if it has one, inside a transaction: what was taken is good no more.
 * @throws RescindError `second_factor_required`, `second_factor_wrong`
 */
export function takeProof(factors: FactorTable, sub: string, proof: FactorProof, now: EpochMillis): Authentication {
  const factor = factors.find(sub);
  if (factor === undefined || factor.confirmedAt === null) return PASSWORD_ALONE;
  if (proof.totp === undefined && proof.recoveryCode === undefined) throw new RescindError('second_factor_required');
  const right =
    proof.totp === undefined
      ? factors.useRecoveryCode(sub, hashRecoveryCode(proof.recoveryCode ?? ''), now)
      : isTaken(factors, sub, findTotpStep(factor.secret, proof.totp, now, factor.lastStep));
  if (!right) throw new RescindError('second_factor_wrong');
  return WITH_SECOND_FACTOR;
}

function isTaken(factors: FactorTable, sub: string, step: number | undefined): boolean {
  return step !== undefined && factors.use(sub, step);
}
