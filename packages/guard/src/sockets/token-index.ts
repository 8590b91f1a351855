import type { CutOffRow } from '@rescind/revocation/cut-off';
import { comparableValues } from '@rescind/revocation/judge';
import type { IndexedToken } from '../cache/invalidation-index.ts';

/** Claims with one entry for each value. A cut-off of any other claim concerns so many tokens that all are examined. */
const CLAIMS = ['sid', 'sub', 'jti'] as const;

/** Live tokens by the claims that could end them. */
export interface TokenIndex<T> {
  add(token: IndexedToken, entry: T): void;
  delete(token: IndexedToken, entry: T): void;
  /** The entries that a cut-off may concern, without a scan. Undefined: it may concern all of them. */
  find(cutoff: Pick<CutOffRow, 'iss' | 'claim' | 'value'>): Iterable<T> | undefined;
}

/** One entry, or several: most sessions have one token. */
type Entries<T> = T | Set<T>;

interface IssuerIndex<T> {
  readonly byClaim: Readonly<Record<(typeof CLAIMS)[number], Map<string, Entries<T>>>>;
  /** Entries with a value that no cut-off can be compared with: every cut-off of these claims concerns them. */
  readonly incomparable: Set<T>;
}

export function createTokenIndex<T extends object>(): TokenIndex<T> {
  const issuers = new Map<string, IssuerIndex<T>>();

  function indexOf(iss: string): IssuerIndex<T> {
    const known = issuers.get(iss);
    if (known !== undefined) return known;
    const made = { byClaim: { sid: new Map(), sub: new Map(), jti: new Map() }, incomparable: new Set<T>() };
    issuers.set(iss, made);
    return made;
  }

  return {
    add(token, entry) {
      const { byClaim, incomparable } = indexOf(token.iss);
      for (const claim of CLAIMS) {
        const values = valuesOf(token, claim);
        if (values === undefined) incomparable.add(entry);
        else for (const value of values) addEntry(byClaim[claim], value, entry);
      }
    },
    delete(token, entry) {
      const { byClaim, incomparable } = indexOf(token.iss);
      incomparable.delete(entry);
      for (const claim of CLAIMS) {
        for (const value of valuesOf(token, claim) ?? []) deleteEntry(byClaim[claim], value, entry);
      }
    },
    find({ iss, claim, value }) {
      const index = issuers.get(iss);
      if (index === undefined) return [];
      const name = CLAIMS.find((one) => one === claim);
      if (name === undefined) return undefined;
      const found = index.byClaim[name].get(value);
      const entries = found === undefined ? [] : found instanceof Set ? found : [found];
      return index.incomparable.size === 0 ? entries : [...entries, ...index.incomparable];
    },
  };
}

function valuesOf({ payload, inexact }: IndexedToken, claim: string): readonly string[] | undefined {
  if (inexact?.includes(claim)) return undefined;
  return comparableValues(Object.hasOwn(payload, claim) ? payload[claim] : undefined);
}

function addEntry<T extends object>(map: Map<string, Entries<T>>, value: string, entry: T): void {
  const found = map.get(value);
  if (found === undefined) map.set(value, entry);
  else if (found instanceof Set) found.add(entry);
  else if (found !== entry) map.set(value, new Set([found, entry]));
}

function deleteEntry<T extends object>(map: Map<string, Entries<T>>, value: string, entry: T): void {
  const found = map.get(value);
  if (found instanceof Set) {
    found.delete(entry);
    if (found.size === 0) map.delete(value);
  } else if (found === entry) map.delete(value);
}
