import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { hashRecoveryCode } from './recovery-codes.ts';
import type { FactorTable } from './table.ts';
import { findTotpStep, isUsedTotp } from './totp.ts';

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
 * Takes the proof of an account's second factor, if it has one, inside a transaction: what was taken is good no more. What was
 * good once is told from what never was: who sends it again has clicked twice, or was not answered, and has guessed nothing.
 * @throws RescindError `second_factor_required`, `second_factor_wrong`, `totp_used`, `recovery_code_used`
 */
export function takeProof(factors: FactorTable, sub: string, proof: FactorProof, now: EpochMillis): Authentication {
  const { totp, recoveryCode } = proof;
  const factor = factors.find(sub);
  if (factor === undefined || factor.confirmedAt === null) return PASSWORD_ALONE;
  if (totp !== undefined) {
    const step = findTotpStep(factor.secret, totp, now, factor.lastStep);
    if (step !== undefined && factors.use(sub, step)) return WITH_SECOND_FACTOR;
    throw new RescindError(isUsedTotp(factor.secret, totp, now, factor.lastStep) ? 'totp_used' : 'second_factor_wrong');
  }
  if (recoveryCode === undefined) throw new RescindError('second_factor_required');
  const hash = hashRecoveryCode(recoveryCode);
  if (factors.useRecoveryCode(sub, hash, now)) return WITH_SECOND_FACTOR;
  throw new RescindError(factors.isUsedRecoveryCode(sub, hash) ? 'recovery_code_used' : 'second_factor_wrong');
}
