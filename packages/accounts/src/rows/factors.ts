import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';
import type { Sealer } from '../sealer.ts';

interface EnrolledFactor {
  readonly secret: Buffer;
  /** The secret as it is stored: differs with each enrolment. */
  readonly sealed: Buffer;
  /** Null: no code of it has been used yet. */
  readonly confirmedAt: EpochMillis | null;
  /** The step of the last code that was used. */
  readonly lastStep: number;
}

/** A confirmed factor, with the unused recovery codes. */
export interface FactorState {
  readonly secret: Buffer;
  readonly confirmedAt: EpochMillis;
  readonly lastStep: number;
  /** Hashes. */
  readonly codes: readonly Buffer[];
}

/** Second factors by account, the secret sealed. Writes are inside transactions. */
export interface FactorRows {
  find(sub: string): EnrolledFactor | undefined;
  /** Stores a secret, not confirmed, in place of one that is not either. @returns false: there is a confirmed one */
  enrol(sub: string, secret: Buffer): boolean;
  /** @returns false: it is confirmed already, or another was enrolled meanwhile */
  confirm(sub: string, factor: Pick<EnrolledFactor, 'sealed'>, at: EpochMillis, step: number): boolean;
  /** Uses up a step and every earlier one. @returns false: it is no later than the last one, or the factor is another */
  use(sub: string, factor: Pick<EnrolledFactor, 'sealed'>, step: number): boolean;
  /** Replaces the recovery codes by these, as hashes. */
  setRecoveryCodes(sub: string, hashes: readonly Buffer[]): void;
  /** Uses up a recovery code, also in states that the account may go back to. @returns false: there is none such */
  useRecoveryCode(sub: string, hash: Buffer, at: EpochMillis): boolean;
  /** Whether it is one of the present codes, and has been used. */
  isUsedRecoveryCode(sub: string, hash: Buffer): boolean;
  recoveryCodesLeft(sub: string): number;
  /** Removes the factor and its recovery codes. @returns whether there was a factor */
  remove(sub: string): boolean;
  /** Removes a secret that is not confirmed. */
  removeUnconfirmed(sub: string): void;
  /** The factor as it is; undefined: none is confirmed. */
  state(sub: string): FactorState | undefined;
  /** Makes the factor what it was. */
  restore(sub: string, state: FactorState): void;
}

/** The context of a sealed secret; the `sub` follows. */
export const FACTOR_CONTEXT = 'totp ';
const contextOf = (sub: string) => FACTOR_CONTEXT + sub;

export function createFactorRows(sql: HostSql, sealer: Sealer): FactorRows {
  const find = sql.prepare<[string], { sealed: Buffer; confirmedAt: number | null; lastStep: number }>(
    `SELECT secret AS sealed, confirmed_at AS confirmedAt, last_step AS lastStep
     FROM account_second_factors WHERE sub = ?`,
  );
  const enrol = sql.prepare(
    `INSERT INTO account_second_factors (sub, secret) VALUES (?, ?)
     ON CONFLICT (sub) DO UPDATE SET secret = excluded.secret WHERE confirmed_at IS NULL`,
  );
  const confirm = sql.prepare(
    `UPDATE account_second_factors SET confirmed_at = @at, last_step = @step
     WHERE sub = @sub AND secret = @sealed AND confirmed_at IS NULL`,
  );
  const use = sql.prepare(
    `UPDATE account_second_factors SET last_step = @step
     WHERE sub = @sub AND secret = @sealed AND confirmed_at IS NOT NULL AND last_step < @step`,
  );
  const addCode = sql.prepare('INSERT INTO account_recovery_codes (sub, hash) VALUES (?, ?)');
  const useCode = sql.prepare(
    'UPDATE account_recovery_codes SET used_at = @at WHERE sub = @sub AND hash = @hash AND used_at IS NULL',
  );
  const useFormerCode = sql.prepare('DELETE FROM account_history_codes WHERE sub = ? AND hash = ?');
  const usedCode = sql.prepare(
    'SELECT 1 FROM account_recovery_codes WHERE sub = ? AND hash = ? AND used_at IS NOT NULL',
  );
  const validCodes = sql
    .prepare<[string], Buffer>('SELECT hash FROM account_recovery_codes WHERE sub = ? AND used_at IS NULL')
    .pluck();
  const removeCodes = sql.prepare('DELETE FROM account_recovery_codes WHERE sub = ?');
  const countCodes = sql
    .prepare<[string], number>('SELECT count(*) FROM account_recovery_codes WHERE sub = ? AND used_at IS NULL')
    .pluck();
  const remove = sql.prepare('DELETE FROM account_second_factors WHERE sub = ?');
  const removeUnconfirmed = sql.prepare('DELETE FROM account_second_factors WHERE sub = ? AND confirmed_at IS NULL');
  const restore = sql.prepare(
    `INSERT OR REPLACE INTO account_second_factors (sub, secret, confirmed_at, last_step) VALUES (?, ?, ?, ?)`,
  );

  const seal = (sub: string, secret: Buffer) => sealer.seal(secret.toString('base64url'), contextOf(sub));
  const findFactor = (sub: string): EnrolledFactor | undefined => {
    const row = find.get(sub);
    return row && { ...row, secret: Buffer.from(sealer.open(row.sealed, contextOf(sub)), 'base64url') };
  };
  const setCodes = (sub: string, hashes: readonly Buffer[]) => {
    removeCodes.run(sub);
    for (const hash of hashes) addCode.run(sub, hash);
  };

  return {
    find: findFactor,
    enrol: (sub, secret) => enrol.run(sub, seal(sub, secret)).changes === 1,
    confirm: (sub, { sealed }, at, step) => confirm.run({ sub, sealed, at, step }).changes === 1,
    use: (sub, { sealed }, step) => use.run({ sub, sealed, step }).changes === 1,
    setRecoveryCodes: setCodes,
    useRecoveryCode(sub, hash, at) {
      useFormerCode.run(sub, hash);
      return useCode.run({ sub, hash, at }).changes === 1;
    },
    isUsedRecoveryCode: (sub, hash) => usedCode.get(sub, hash) !== undefined,
    recoveryCodesLeft: (sub) => countCodes.get(sub) ?? 0,
    remove(sub) {
      removeCodes.run(sub);
      return remove.run(sub).changes === 1;
    },
    removeUnconfirmed: (sub) => void removeUnconfirmed.run(sub),
    state(sub) {
      const { secret, confirmedAt = null, lastStep } = findFactor(sub) ?? {};
      if (secret === undefined || confirmedAt === null || lastStep === undefined) return undefined;
      return { secret, confirmedAt, lastStep, codes: validCodes.all(sub) };
    },
    restore(sub, { secret, confirmedAt, lastStep, codes }) {
      restore.run(sub, seal(sub, secret), confirmedAt, lastStep);
      setCodes(sub, codes);
    },
  };
}
