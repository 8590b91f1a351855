import type { EpochMillis } from './clock.ts';
import type { CutOffRow } from './cut-off.ts';
import { NEVER, UNBOUNDED } from './cut-off.ts';
import type { Find, Verdict } from './judge.ts';

/** A row that refuses a token, as whoever runs this is told of it. */
export interface DenyingRow extends Omit<CutOffRow, 'issuedUntil' | 'expiresAt' | 'sessionUntil'> {
  /** Whether the session has ended too, or only tokens. */
  readonly endsSession: boolean;
  /** It refuses what was issued up to then, ms. Null: whatever was issued. */
  readonly issuedUntil: EpochMillis | null;
  /** When it will be forgotten, ms. Null: never. */
  readonly expiresAt: EpochMillis | null;
}

/** @param issued when the token counts as issued, ms: decides whether the row ends its session */
export function toDenyingRow(row: CutOffRow, issued: EpochMillis): DenyingRow {
  const { issuedUntil, expiresAt, sessionUntil, ...named } = row;
  return {
    ...named,
    endsSession: issued <= sessionUntil,
    issuedUntil: issuedUntil === UNBOUNDED ? null : issuedUntil,
    expiresAt: expiresAt === NEVER ? null : expiresAt,
  };
}

/** Of the rows only those that count. */
export function filterRows(find: Find, counts: (row: CutOffRow) => boolean): Find {
  return {
    names: (iss) => find.names(iss),
    row(iss, claim, value) {
      const row = find.row(iss, claim, value);
      return row !== undefined && counts(row) ? row : undefined;
    },
  };
}

/**
 * Every row that denies a token, the one that the verdict goes by first: it is judged again without those that were named,
 * until none is left.
 * @param judgeBy the judgement, by the rows that count
 */
export function* denyingRows(judgeBy: (counts: (row: CutOffRow) => boolean) => Verdict): Generator<CutOffRow> {
  const named = new Set<string>();
  for (;;) {
    const verdict = judgeBy((row) => !named.has(keyOf(row)));
    if (!verdict.denied || verdict.why !== 'revoked') return;
    named.add(keyOf(verdict.cutoff));
    yield verdict.cutoff;
  }
}

const keyOf = ({ iss, claim, value }: CutOffRow) => JSON.stringify([iss, claim, value]);
