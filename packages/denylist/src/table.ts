import type { Cutoff, EpochMillis } from '@rescind/revocation';
import { mergeCutoffs, UNBOUNDED } from '@rescind/revocation';
import type { Database } from 'better-sqlite3';
import type { StoredText } from './text.ts';
import { restoreText, storeText } from './text.ts';
import { createWords } from './words.ts';

/** What a transaction did to the number of rows of one (issuer, claim). */
export interface Tally {
  readonly iss: string;
  readonly claim: string;
  readonly rows: number;
}

/** The rows in the file. `apply` and `remove` run inside the caller's transaction. */
export interface Table {
  row(iss: string, claim: string, value: string): Cutoff | undefined;
  /** Merges rows into those there are, and says how many are new. */
  apply(cutoffs: readonly Cutoff[]): Tally[];
  /** Removes at most `most` rows of an issuer that expired before a time, and says which. */
  remove(iss: string, before: EpochMillis, most: number): Tally[];
  tally(): Tally[];
  /** To be called when a transaction was rolled back. */
  rolledBack(): void;
}

interface StoredRow {
  readonly issued_until: number | null;
  readonly expires_at: number | null;
  readonly session_until: number | null;
  readonly txn: StoredText;
  readonly reason: number;
  readonly epoch: number;
  readonly seq: number;
}

type Key = [iss: number, claim: number, value: StoredText];

const storeTime = (at: EpochMillis) => (at === UNBOUNDED ? null : at);
const restoreTime = (stored: number | null) => stored ?? UNBOUNDED;

export function createTable(database: Database): Table {
  const words = createWords(database);
  const select = database.prepare<Key, StoredRow>(
    `SELECT issued_until, expires_at, session_until, txn, reason, epoch, seq
       FROM cutoff WHERE iss = ? AND claim = ? AND value = ?`,
  );
  const upsert = database.prepare(
    `INSERT OR REPLACE INTO cutoff
       (iss, claim, value, issued_until, expires_at, session_until, txn, reason, epoch, seq)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const expired = database.prepare<[number, number, number], { claim: number; value: StoredText }>(
    'SELECT claim, value FROM cutoff WHERE iss = ? AND expires_at < ? LIMIT ?',
  );
  const erase = database.prepare<Key>('DELETE FROM cutoff WHERE iss = ? AND claim = ? AND value = ?');
  const counts = database.prepare<[], { iss: number; claim: number; rows: number }>(
    'SELECT iss, claim, count(*) AS rows FROM cutoff GROUP BY iss, claim',
  );

  function row(iss: string, claim: string, value: string): Cutoff | undefined {
    const issId = words.find(iss);
    const claimId = words.find(claim);
    if (issId === undefined || claimId === undefined) return undefined;
    const stored = select.get(issId, claimId, storeText(value));
    if (stored === undefined) return undefined;
    return {
      iss,
      claim,
      value,
      issuedUntil: restoreTime(stored.issued_until),
      expiresAt: restoreTime(stored.expires_at),
      sessionUntil: restoreTime(stored.session_until),
      txn: restoreText(stored.txn),
      reason: words.word(stored.reason),
      epoch: words.word(stored.epoch),
      seq: stored.seq,
    };
  }

  function write(cutoff: Cutoff): void {
    upsert.run(
      words.add(cutoff.iss),
      words.add(cutoff.claim),
      storeText(cutoff.value),
      storeTime(cutoff.issuedUntil),
      storeTime(cutoff.expiresAt),
      storeTime(cutoff.sessionUntil),
      storeText(cutoff.txn),
      words.add(cutoff.reason),
      words.add(cutoff.epoch),
      cutoff.seq,
    );
  }

  return {
    row,
    apply(cutoffs) {
      const added: Tally[] = [];
      for (const cutoff of cutoffs) {
        const held = row(cutoff.iss, cutoff.claim, cutoff.value);
        const merged = held === undefined ? cutoff : mergeCutoffs(held, cutoff);
        if (held === undefined) added.push({ iss: cutoff.iss, claim: cutoff.claim, rows: 1 });
        else if (sameRow(held, merged)) continue;
        write(merged);
      }
      return added;
    },
    remove(iss, before, most) {
      const id = words.find(iss);
      if (id === undefined) return [];
      const rows = expired.all(id, before, most);
      for (const { claim, value } of rows) erase.run(id, claim, value);
      return rows.map(({ claim }) => ({ iss, claim: words.word(claim), rows: -1 }));
    },
    tally: () => counts.all().map(({ iss, claim, rows }) => ({ iss: words.word(iss), claim: words.word(claim), rows })),
    rolledBack: () => words.reload(),
  };
}

/** Whether two rows of one key are the same: what comes again is not written again. */
function sameRow(a: Cutoff, b: Cutoff): boolean {
  return (
    a.issuedUntil === b.issuedUntil &&
    a.expiresAt === b.expiresAt &&
    a.sessionUntil === b.sessionUntil &&
    a.txn === b.txn &&
    a.reason === b.reason &&
    a.epoch === b.epoch &&
    a.seq === b.seq
  );
}
