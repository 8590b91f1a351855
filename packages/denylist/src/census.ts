import type { Changes, RowCount, RowKey } from './table.ts';

/** How many rows there are of each claim of each issuer, in memory: changed only in the tick that has committed. */
export interface RowCounts {
  names(iss: string): readonly string[];
  count(): number;
  countByClaim(): Record<string, number>;
  /** @returns the claims whose numbers have changed */
  committed(changes: Changes): ReadonlySet<string>;
}

const NO_NAMES: readonly string[] = [];

export function createRowCounts(start: readonly RowCount[]): RowCounts {
  const counts = new Map<string, Map<string, number>>();
  const names = new Map<string, readonly string[]>();
  let total = 0;

  function add(iss: string, claim: string, rows: number): void {
    const ofIssuer = counts.get(iss) ?? new Map<string, number>();
    counts.set(iss, ofIssuer);
    const before = ofIssuer.get(claim) ?? 0;
    const after = before + rows;
    total += rows;
    if (after === 0) ofIssuer.delete(claim);
    else ofIssuer.set(claim, after);
    if ((before === 0) !== (after === 0)) names.set(iss, [...ofIssuer.keys()]);
  }

  for (const { iss, claim, rows } of start) add(iss, claim, rows);

  function addAll(keys: readonly RowKey[], rows: number, touched: Set<string>): void {
    for (const { iss, claim } of keys) {
      add(iss, claim, rows);
      touched.add(claim);
    }
  }

  function countByClaim(): Record<string, number> {
    const byClaim = new Map<string, number>();
    for (const ofIssuer of counts.values()) {
      for (const [claim, rows] of ofIssuer) byClaim.set(claim, (byClaim.get(claim) ?? 0) + rows);
    }
    return Object.fromEntries(byClaim);
  }

  return {
    committed({ added, removed }) {
      const touched = new Set<string>();
      addAll(added, 1, touched);
      addAll(removed, -1, touched);
      return touched;
    },
    countByClaim,
    names: (iss) => names.get(iss) ?? NO_NAMES,
    count: () => total,
  };
}
