import type { Issuer } from '@rescind/issuer';
import type { EpochMillis } from '@rescind/revocation';
import type { Sealer } from '../sealer.ts';

interface EnrolledFactor {
  readonly secret: Buffer;
  /** Null: nobody has shown yet that an application has it. */
  readonly confirmedAt: EpochMillis | null;
  /** The step of the last code that was taken. */
  readonly lastStep: number;
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
  /** @returns whether there was such a code; it is good no more */
  useRecoveryCode(sub: string, hash: Buffer): boolean;
  recoveryCodesLeft(sub: string): number;
  /** The factor and its recovery codes. */
  remove(sub: string): void;
}

/** What a sealed secret is; whose follows. */
export const FACTOR_CONTEXT = 'totp ';
const contextOf = (sub: string) => FACTOR_CONTEXT + sub;

export function createFactorTable(database: Issuer['database'], sealer: Sealer): FactorTable {
  const find = database.prepare<[string], { secret: Buffer; confirmedAt: number | null; lastStep: number }>(
    'SELECT secret, confirmed_at AS confirmedAt, last_step AS lastStep FROM account_second_factors WHERE sub = ?',
  );
  const enrol = database.prepare(
    `INSERT INTO account_second_factors (sub, secret) VALUES (?, ?)
     ON CONFLICT (sub) DO UPDATE SET secret = excluded.secret WHERE confirmed_at IS NULL`,
  );
  const confirm = database.prepare('UPDATE account_second_factors SET confirmed_at = ?, last_step = ? WHERE sub = ?');
  const use = database.prepare(
    'UPDATE account_second_factors SET last_step = @step WHERE sub = @sub AND last_step < @step',
  );
  const addCode = database.prepare('INSERT INTO account_recovery_codes (sub, hash) VALUES (?, ?)');
  const useCode = database.prepare('DELETE FROM account_recovery_codes WHERE sub = ? AND hash = ?');
  const dropCodes = database.prepare('DELETE FROM account_recovery_codes WHERE sub = ?');
  const countCodes = database
    .prepare<[string], number>('SELECT count(*) FROM account_recovery_codes WHERE sub = ?')
    .pluck();
  const remove = database.prepare('DELETE FROM account_second_factors WHERE sub = ?');

  return {
    find(sub) {
      const row = find.get(sub);
      if (row === undefined) return undefined;
      return { ...row, secret: Buffer.from(sealer.open(row.secret, contextOf(sub)), 'base64url') };
    },
    enrol(sub, secret) {
      enrol.run(sub, sealer.seal(secret.toString('base64url'), contextOf(sub)));
    },
    confirm(sub, at, step) {
      confirm.run(at, step, sub);
    },
    use: (sub, step) => use.run({ sub, step }).changes === 1,
    setRecoveryCodes(sub, hashes) {
      dropCodes.run(sub);
      for (const hash of hashes) addCode.run(sub, hash);
    },
    useRecoveryCode: (sub, hash) => useCode.run(sub, hash).changes === 1,
    recoveryCodesLeft: (sub) => countCodes.get(sub) ?? 0,
    remove(sub) {
      dropCodes.run(sub);
      remove.run(sub);
    },
  };
}
