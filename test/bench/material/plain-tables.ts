import Database from 'better-sqlite3';
import { newId } from './rows.ts';

/** The claims that are looked up for each token. */
export const CLAIMS = ['jti', 'sid', 'sub', 'client_id'];

/** Makes one table for each claim, its values as text, without any optimization. */
export function makePlainTables(path: string, entries: number): void {
  const database = new Database(path);
  database.pragma('journal_mode = WAL');
  for (const claim of CLAIMS) database.exec(`CREATE TABLE ${claim} (value TEXT PRIMARY KEY) WITHOUT ROWID`);
  const insert = new Map(CLAIMS.map((claim) => [claim, database.prepare(`INSERT INTO ${claim} VALUES (?)`)]));
  database.transaction(() => {
    const values = Array.from({ length: entries }, newId).sort();
    for (const [at, value] of values.entries()) insert.get(at % 100 < 3 ? String(CLAIMS[at % 3]) : 'sid')?.run(value);
  })();
  database.close();
}

export function openPlainTables(path: string) {
  const database = new Database(path);
  const selects = CLAIMS.map((claim) => database.prepare(`SELECT 1 FROM ${claim} WHERE value = ?`));
  const union = database.prepare(
    `${CLAIMS.map((claim) => `SELECT 1 FROM ${claim} WHERE value = ?`).join(' UNION ALL ')} LIMIT 1`,
  );
  return {
    four: (values: readonly unknown[]) => selects.some((select, at) => select.get(values[at]) !== undefined),
    union: (values: readonly unknown[]) => union.get(...values) !== undefined,
    [Symbol.dispose]: () => database.close(),
  };
}
