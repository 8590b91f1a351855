import type { IssuerTransaction } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import type { Account } from './account.ts';
import { inactiveReason } from './account.ts';
import type { AccountRoom } from './room.ts';
import type { Authentication, FactorProof } from './second-factor/proof.ts';
import { takeProof } from './second-factor/proof.ts';

/** What somebody shows to be who they are. */
export interface Credentials extends FactorProof {
  readonly password: string;
}

/** An account whose owner has just proved to be it; read again in the transaction. */
export interface Proved {
  readonly account: Account;
  readonly authentication: Authentication;
  readonly tx: IssuerTransaction;
}

/**
 * Verifies the password, and then, in one transaction, the second factor (where there is one) and does `work`.
 * @param find whose password it should be; nobody's takes as long
 * @param require what the account must be, looked at before the second factor is taken
 * @throws RescindError `credentials_wrong`, `credentials_changed`; `subject_inactive`, with its reason;
 *   `second_factor_required`, `second_factor_wrong`, `totp_used`, `recovery_code_used`, `busy`, and whatever `work` throws
 */
export async function proving<T>(
  room: AccountRoom,
  find: () => Account | undefined,
  credentials: Credentials,
  work: (proved: Proved) => T,
  require?: (account: Account) => void,
): Promise<T> {
  const proved = await requirePassword(room, find(), credentials.password);
  await strengthen(room, proved, credentials.password);
  return await within(room, proved, credentials, work, require);
}

/** The transaction of `proving`, when the password has been verified. */
export async function within<T>(
  { issuer, table, factors, clock }: AccountRoom,
  { sub, credentialVersion }: Account,
  proof: FactorProof,
  work: (proved: Proved) => T,
  require?: (account: Account) => void,
): Promise<T> {
  return await issuer.transaction((tx) => {
    const account = table.bySub(sub);
    // Changed since: what was proved here is the password of before, which was no wrong guess.
    if (account?.credentialVersion !== credentialVersion) throw new RescindError('credentials_changed');
    const reason = inactiveReason(account);
    if (reason !== undefined) throw new RescindError('subject_inactive', { reason });
    require?.(account);
    return work({ account, authentication: takeProof(factors, sub, proof, clock.now()), tx });
  });
}

/** @throws RescindError `credentials_wrong`, `busy` */
export async function requirePassword(
  { passwords }: AccountRoom,
  account: Account | undefined,
  password: string,
): Promise<Account> {
  const living = account?.state === 'deleted' ? undefined : account;
  const right = await passwords.verify(password, living?.password);
  if (living === undefined || !right) throw new RescindError('credentials_wrong');
  return living;
}

/** A hash of yesterday's cost is replaced while the password is at hand; if that fails it is the next login's. */
async function strengthen(room: AccountRoom, account: Account, password: string): Promise<void> {
  const { issuer, table, passwords, telemetry } = room;
  if (!passwords.isOutdated(account.password)) return;
  try {
    const hash = await passwords.rehash(password);
    await issuer.transaction(() => table.update(account.sub, { password: hash }, account.credentialVersion));
  } catch (error) {
    const code = error instanceof RescindError ? error.code : 'internal';
    telemetry.log('warn', 'password_not_rehashed', { sub: account.sub, code });
  }
}
