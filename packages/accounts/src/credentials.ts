import { RescindError } from '@rescind/revocation';
import type { Account } from './account.ts';
import { inactiveReason } from './account.ts';
import { findTotpStep, hashRecoveryCode, isUsedTotp } from './codes.ts';
import type { AccountContext, AccountTransaction } from './context.ts';

/** The second factor, presented together with the password. */
export interface FactorProof {
  /** The present one-time code: six digits. */
  readonly totp?: string | undefined;
  /** One of those returned at the enrolment; valid once. */
  readonly recoveryCode?: string | undefined;
}

/** The password, and the second factor of an account that has one. */
export interface Credentials extends FactorProof {
  readonly password: string;
}

/** The authentication of the user, in the claims of tokens. */
export interface Authentication {
  /** RFC 8176. */
  readonly amr: readonly string[];
  /** Assurance as NIST SP 800-63B counts it: `aal1` a password, `aal2` a one-time code beside it. */
  readonly acr: string;
}

export const PASSWORD_ALONE: Authentication = { amr: ['pwd'], acr: 'aal1' };
export const WITH_SECOND_FACTOR: Authentication = { amr: ['pwd', 'otp', 'mfa'], acr: 'aal2' };

/** An account whose credentials were verified just now; read again in the transaction. */
export interface Verified {
  readonly account: Account;
  readonly authentication: Authentication;
  readonly tx: AccountTransaction;
}

/**
 * Verifies the password, and then, in one transaction, the second factor (where there is one) and does `work`.
 * @param find finds the account; an unknown one takes as long
 * @param require checks the account before the second factor is used up
 * @throws RescindError `credentials_wrong`, `credentials_changed`; `subject_inactive`, with its reason;
 *   `second_factor_required`, `second_factor_wrong`, `totp_used`, `recovery_code_used`, `busy`, and whatever `work` throws
 */
export async function verifyCredentials<T>(
  context: AccountContext,
  find: () => Account | undefined,
  credentials: Credentials,
  work: (verified: Verified) => T | Promise<T>,
  require?: (account: Account) => void,
): Promise<T> {
  const account = await verifyPassword(context, find(), credentials.password);
  await upgradeHash(context, account, credentials.password);
  return await verifyFactor(context, account, credentials, work, require);
}

/** The transaction of `verifyCredentials`, when the password has been verified. */
export async function verifyFactor<T>(
  { transact }: AccountContext,
  { sub, credentialVersion }: Account,
  proof: FactorProof,
  work: (verified: Verified) => T | Promise<T>,
  require?: (account: Account) => void,
): Promise<T> {
  return await transact((tx) => {
    const account = tx.users.bySub(sub);
    // The password has changed since its verification. The former password is no wrong guess.
    if (account?.credentialVersion !== credentialVersion) throw new RescindError('credentials_changed');
    const reason = inactiveReason(account);
    if (reason !== undefined) throw new RescindError('subject_inactive', { reason });
    require?.(account);
    return work({ account, authentication: acceptFactor(tx, sub, proof), tx });
  });
}

/** @throws RescindError `credentials_wrong`, `busy` */
export async function verifyPassword(
  { passwords }: AccountContext,
  account: Account | undefined,
  password: string,
): Promise<Account> {
  const living = account?.state === 'deleted' ? undefined : account;
  const isValid = await passwords.verify(password, living?.password);
  if (living === undefined || !isValid) throw new RescindError('credentials_wrong');
  return living;
}

/** Replaces a hash of a former cost, because the password is known now. If that fails the next login does it. */
async function upgradeHash(context: AccountContext, account: Account, password: string): Promise<void> {
  const { transact, passwords, telemetry } = context;
  if (!passwords.isOutdated(account.password)) return;
  const { sub, credentialVersion: ifCredentialVersion } = account;
  try {
    const hash = await passwords.rehash(password);
    await transact((tx) => tx.users.update(sub, { password: hash }, { ifCredentialVersion }));
  } catch (error) {
    const code = error instanceof RescindError ? error.code : 'internal';
    telemetry.log('warn', 'password_not_rehashed', { sub, code });
  }
}

/**
 * Consumes the code of an account's second factor, if it has one. A code that was already used has an error code of its own, because
 * it is a repeated request and no guess.
 * @throws RescindError `second_factor_required`, `second_factor_wrong`, `totp_used`, `recovery_code_used`
 */
function acceptFactor({ factors, now }: AccountTransaction, sub: string, proof: FactorProof): Authentication {
  const { totp, recoveryCode } = proof;
  const factor = factors.find(sub);
  if (factor === undefined || factor.confirmedAt === null) return PASSWORD_ALONE;
  const { secret, lastStep } = factor;
  if (totp !== undefined) {
    const step = findTotpStep(secret, totp, now, lastStep);
    if (step !== undefined && factors.use(sub, factor, step)) return WITH_SECOND_FACTOR;
    throw new RescindError(isUsedTotp(secret, totp, now, lastStep) ? 'totp_used' : 'second_factor_wrong');
  }
  if (recoveryCode === undefined) throw new RescindError('second_factor_required');
  const hash = hashRecoveryCode(recoveryCode);
  if (factors.useRecoveryCode(sub, hash, now)) return WITH_SECOND_FACTOR;
  throw new RescindError(factors.isUsedRecoveryCode(sub, hash) ? 'recovery_code_used' : 'second_factor_wrong');
}
