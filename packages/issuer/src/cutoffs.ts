import type { Find, JudgedToken } from '@rescind/revocation';
import { comparableValues } from '@rescind/revocation';
import type { RevocationReads } from './store/log.ts';

const NONE: Find = { names: () => [], row: () => undefined };

/**
 * Fetches the cut-offs that may be about a token, for `judge`, which is synchronous: those of its issuer by the values that it has in
 * the claims that any cut-off is about.
 */
export async function fetchCutoffs(reads: RevocationReads, { kid, payload }: JudgedToken): Promise<Find> {
  const { iss } = payload;
  if (typeof iss !== 'string') return NONE;
  const held = (claim: string) => {
    if (claim === 'kid') return kid;
    return Object.hasOwn(payload, claim) ? payload[claim] : undefined;
  };
  // What has no comparable values is refused by its name alone.
  const { names, rows } = await reads.about(iss, (claim) => comparableValues(held(claim)) ?? []);
  return {
    names: (of) => (of === iss ? names : []),
    row: (of, claim, value) => rows.find((row) => row.iss === of && row.claim === claim && row.value === value),
  };
}
