import type { CutOffRow } from '@rescind/revocation';
import type { Changes, RowKey } from './table.ts';

/**
 * Rows that were found lately. Most tokens find none; but those of a person whose password was changed find that one at
 * each request until it expires, those of everybody a cut-off of everybody, and a revoked token may be shown again and
 * again.
 */
export interface RowCache {
  find(iss: string, claim: string, value: string): CutOffRow | undefined;
  put(row: CutOffRow): void;
  /** Forgets what a transaction has changed: in the tick that has committed. */
  committed(changes: Changes): void;
}

/** Half a megabyte. */
const MAX_ROWS = 2_048;

export function createRowCache(): RowCache {
  // By value alone, so that no key has to be put together: of two rows of one value the later is kept.
  const rows = new Map<string, CutOffRow>();

  function forget(keys: readonly RowKey[]): void {
    if (rows.size > 0) for (const { value } of keys) rows.delete(value);
  }

  return {
    find(iss, claim, value) {
      const row = rows.get(value);
      return row !== undefined && row.claim === claim && row.iss === iss ? row : undefined;
    },
    put(row) {
      if (rows.size >= MAX_ROWS) rows.clear();
      rows.set(row.value, row);
    },
    committed({ changed, removed }) {
      forget(changed);
      forget(removed);
    },
  };
}
