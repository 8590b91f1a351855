import type { CutOffRow } from '@rescind/revocation/cut-off';
import { mergeRows, toRow } from '@rescind/revocation/cut-off';
import type { Find } from '@rescind/revocation/judge';
import fc from 'fast-check';
import type { CutOffEntry } from '../../support/cut-offs.ts';
import { toCutOff } from '../../support/cut-offs.ts';

export const ISS = 'https://login.example';

/** A row with defaults; a test gives the members that matter to it. */
export function row(entry: Partial<CutOffEntry> & Pick<CutOffEntry, 'claim' | 'value'>, seq = 1): CutOffRow {
  const full = { iss: ISS, expiresAt: 10_000_000, endsSession: false, ...entry };
  return toRow(toCutOff(full), { txn: `txn-${seq}`, reason: `reason-${seq}`, epoch: '0001-a', seq });
}

/** Rows, merged, as `judge` asks for them. */
export function findIn(...rows: readonly CutOffRow[]): Find {
  const table = new Map<string, CutOffRow>();
  const key = (iss: string, claim: string, value: string) => JSON.stringify([iss, claim, value]);
  for (const one of rows) {
    const at = key(one.iss, one.claim, one.value);
    const held = table.get(at);
    table.set(at, held === undefined ? one : mergeRows(held, one));
  }
  return {
    names: (iss) => new Set(rows.filter((one) => one.iss === iss).map((one) => one.claim)),
    row: (iss, claim, value) => table.get(key(iss, claim, value)),
  };
}

const time = fc.integer({ min: 0, max: 20 });

/** Rows of one key, of few times and places: ties are the rule. */
export const rowOfOneKey: fc.Arbitrary<CutOffRow> = fc
  .record({
    issuedUntil: fc.option(time, { nil: undefined }),
    expiresAt: time,
    endsSession: fc.boolean(),
    epoch: fc.constantFrom('0001-a', '0002-a', '0002-b'),
    seq: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ issuedUntil, expiresAt, endsSession, epoch, seq }) => {
    const entry = { iss: ISS, claim: 'sid', value: 's', issuedUntil, expiresAt, endsSession };
    const origin = { txn: `txn-${epoch}-${seq}`, reason: 'logout', epoch, seq };
    return toRow(toCutOff(entry), origin);
  });
