import type { Tally } from './table.ts';

/** How many rows there are of each claim of each issuer, in memory: changed only in the tick that has committed. */
export interface Census {
  names(iss: string): readonly string[];
  count(): number;
  countByClaim(): Record<string, number>;
  committed(tallies: readonly Tally[]): void;
}

const NO_NAMES: readonly string[] = [];

export function createCensus(start: readonly Tally[]): Census {
  const counts = new Map<string, Map<string, number>>();
  const names = new Map<string, readonly string[]>();

  function add({ iss, claim, rows }: Tally): void {
    const ofIssuer = counts.get(iss) ?? new Map<string, number>();
    counts.set(iss, ofIssuer);
    const before = ofIssuer.get(claim) ?? 0;
    const after = before + rows;
    if (after === 0) ofIssuer.delete(claim);
    else ofIssuer.set(claim, after);
    if ((before === 0) !== (after === 0)) names.set(iss, [...ofIssuer.keys()]);
  }

  const committed = (tallies: readonly Tally[]) => {
    for (const tally of tallies) add(tally);
  };
  committed(start);

  function countByClaim(): Record<string, number> {
    const total = new Map<string, number>();
    for (const ofIssuer of counts.values()) {
      for (const [claim, rows] of ofIssuer) total.set(claim, (total.get(claim) ?? 0) + rows);
    }
    return Object.fromEntries(total);
  }

  return {
    committed,
    countByClaim,
    names: (iss) => names.get(iss) ?? NO_NAMES,
    count: () => Object.values(countByClaim()).reduce((sum, rows) => sum + rows, 0),
  };
}
