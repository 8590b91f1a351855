import type { CutOffRow, Find } from '@rescind/revocation';
import { mergeRows } from '@rescind/revocation';
import type { Rows } from '../parts.ts';

/** Rows in memory, for tests: no file, and nothing is ever forgotten. */
export interface MemoryRows extends Rows {
  add(cutoff: CutOffRow): void;
}

export function createMemoryRows(): MemoryRows {
  const issuers = new Map<string, Map<string, Map<string, CutOffRow>>>();
  const claimsOf = (iss: string) => issuers.get(iss) ?? new Map<string, Map<string, CutOffRow>>();
  const find: Find = {
    names: (iss) => claimsOf(iss).keys(),
    row: (iss, claim, value) => claimsOf(iss).get(claim)?.get(value),
  };
  return {
    ...find,
    add(cutoff) {
      const { iss, claim, value } = cutoff;
      const claims = claimsOf(iss);
      const rows = claims.get(claim) ?? new Map<string, CutOffRow>();
      const before = rows.get(value);
      rows.set(value, before === undefined ? cutoff : mergeRows(before, cutoff));
      issuers.set(iss, claims.set(claim, rows));
    },
    load: () => undefined,
    prune: () => 0,
    prunePending: () => undefined,
    health: () => [{ name: 'denylist', status: 'pass' }],
    close: () => undefined,
  };
}
