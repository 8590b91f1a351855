import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';
import type { Sealer } from '../sealer.ts';

interface EnrolledFactor {
  readonly secret: Buffer;
  /** Null: nobody has shown yet that an application has it. */
  readonly confirmedAt: EpochMillis | null;
  /** The step of the last code that was taken. */
  readonly lastStep: number;
}

/** A confirmed factor, with the recovery codes that are good. */
export interface FactorState {
  readonly secret: Buffer;
  readonly confirmedAt: EpochMillis;
  readonly lastStep: number;
  /** Hashes. */
  readonly codes: readonly Buffer[];
}

/** Second factors by account, the secret sealed. Writes are inside transactions. */
export interface FactorTable {
  find(sub: string): EnrolledFactor | undefined;
  /** Not confirmed; in place of one that is not either. */
  enrol(sub: string, secret: Buffer): void;
  confirm(sub: string, at: EpochMillis, step: number): void;
  /** @returns whether the step was later than the last one */
  use(sub: string, step: number): boolean;
  /** The recovery codes that are good from now on, as hashes. */
  setRecoveryCodes(sub: string, hashes: readonly Buffer[]): void;
  /** @returns whether there was such a code; it is good no more, whatever is gone back to */
  useRecoveryCode(sub: string, hash: Buffer, at: EpochMillis): boolean;
  /** Whether it was one of those that there are, and has been used. */
  isUsedRecoveryCode(sub: string, hash: Buffer): boolean;
  recoveryCodesLeft(sub: string): number;
  /** The factor and its recovery codes. */
  remove(sub: string): void;
  /** A secret that nobody has confirmed. */
  dropUnconfirmed(sub: string): void;
  /** The factor as it is; undefined: none is confirmed. */
  state(sub: string): FactorState | undefined;
  /** Makes the factor what it was. */
  restore(sub: string, state: FactorState): void;
}

/** What a sealed secret is; whose follows. */
export const FACTOR_CONTEXT = 'totp ';
const contextOf = (sub: string) => FACTOR_CONTEXT + sub;

export function createFactorTable(sql: HostSql, sealer: Sealer): FactorTable {
  const find = sql.prepare<[string], { secret: Buffer; confirmedAt: number | null; lastStep: number }>(
    'SELECT secret, confirmed_at AS confirmedAt, last_step AS lastStep FROM account_second_factors WHERE sub = ?',
  );
  const enrol = sql.prepare(
    `INSERT INTO account_second_factors (sub, secret) VALUES (?, ?)
     ON CONFLICT (sub) DO UPDATE SET secret = excluded.secret WHERE confirmed_at IS NULL`,
  );
  const confirm = sql.prepare('UPDATE account_second_factors SET confirmed_at = ?, last_step = ? WHERE sub = ?');
  const use = sql.prepare('UPDATE account_second_factors SET last_step = @step WHERE sub = @sub AND last_step < @step');
  const addCode = sql.prepare('INSERT INTO account_recovery_codes (sub, hash) VALUES (?, ?)');
  const useCode = sql.prepare(
    'UPDATE account_recovery_codes SET used_at = @at WHERE sub = @sub AND hash = @hash AND used_at IS NULL',
  );
  const useFormerCode = sql.prepare('DELETE FROM account_history_codes WHERE sub = ? AND hash = ?');
  const usedCode = sql.prepare(
    'SELECT 1 FROM account_recovery_codes WHERE sub = ? AND hash = ? AND used_at IS NOT NULL',
  );
  const goodCodes = sql
    .prepare<[string], Buffer>('SELECT hash FROM account_recovery_codes WHERE sub = ? AND used_at IS NULL')
    .pluck();
  const dropCodes = sql.prepare('DELETE FROM account_recovery_codes WHERE sub = ?');
  const countCodes = sql
    .prepare<[string], number>('SELECT count(*) FROM account_recovery_codes WHERE sub = ? AND used_at IS NULL')
    .pluck();
  const remove = sql.prepare('DELETE FROM account_second_factors WHERE sub = ?');
  const dropUnconfirmed = sql.prepare('DELETE FROM account_second_factors WHERE sub = ? AND confirmed_at IS NULL');
  const restore = sql.prepare(
    `INSERT OR REPLACE INTO account_second_factors (sub, secret, confirmed_at, last_step) VALUES (?, ?, ?, ?)`,
  );

  const seal = (sub: string, secret: Buffer) => sealer.seal(secret.toString('base64url'), contextOf(sub));
  const findFactor = (sub: string): EnrolledFactor | undefined => {
    const row = find.get(sub);
    if (row === undefined) return undefined;
    return { ...row, secret: Buffer.from(sealer.open(row.secret, contextOf(sub)), 'base64url') };
  };
  const setCodes = (sub: string, hashes: readonly Buffer[]) => {
    dropCodes.run(sub);
    for (const hash of hashes) addCode.run(sub, hash);
  };

  return {
    find: findFactor,
    enrol(sub, secret) {
      enrol.run(sub, seal(sub, secret));
    },
    confirm(sub, at, step) {
      confirm.run(at, step, sub);
    },
    use: (sub, step) => use.run({ sub, step }).changes === 1,
    setRecoveryCodes: setCodes,
    useRecoveryCode(sub, hash, at) {
      useFormerCode.run(sub, hash);
      return useCode.run({ sub, hash, at }).changes === 1;
    },
    isUsedRecoveryCode: (sub, hash) => usedCode.get(sub, hash) !== undefined,
    recoveryCodesLeft: (sub) => countCodes.get(sub) ?? 0,
    remove(sub) {
      dropCodes.run(sub);
      remove.run(sub);
    },
    dropUnconfirmed(sub) {
      dropUnconfirmed.run(sub);
    },
    state(sub) {
      const { secret, confirmedAt = null, lastStep } = findFactor(sub) ?? {};
      if (secret === undefined || confirmedAt === null || lastStep === undefined) return undefined;
      return { secret, confirmedAt, lastStep, codes: goodCodes.all(sub) };
    },
    restore(sub, { secret, confirmedAt, lastStep, codes }) {
      restore.run(sub, seal(sub, secret), confirmedAt, lastStep);
      setCodes(sub, codes);
    },
  };
}
