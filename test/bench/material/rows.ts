import { randomBytes } from 'node:crypto';
import type { Denylist } from '@rescind/denylist';
import { openDenylist } from '@rescind/denylist';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { toRow } from '@rescind/revocation/cut-off';
import type { LogState } from '@rescind/revocation/log-state';
import { toCutOff } from '../../support/cut-offs.ts';
import type { Setting } from '../case.ts';

export const ISSUER = 'https://login.example';
const HOUR_MS = 3_600_000;
/** The number of rows that the follower commits at once. */
export const BATCH = 500;

export const newId = () => randomBytes(16).toString('base64url');

/** An id that sorts by its place, so that a large file is made quickly. The order has no effect on the use of memory. */
function orderedId(place: number): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(place, 0, 6);
  return bytes.toString('base64url');
}

export function logout(value: string, seq: number, claim = 'sid'): CutOffRow {
  const issuedUntil = claim === 'sid' || claim === 'jti' ? undefined : Date.now();
  const entry = { iss: ISSUER, claim, value, issuedUntil, expiresAt: Date.now() + HOUR_MS, endsSession: true };
  return toRow(toCutOff(entry), { txn: newId(), reason: 'logout', epoch: '0000000001-aaaaaaaaaaaaaaaa', seq });
}

export function stateAt(seq: number): LogState {
  const now = Date.now();
  const place = { log: ISSUER, epoch: '0000000001-aaaaaaaaaaaaaaaa', seq, id: seq === 0 ? null : `event-${seq}` };
  return {
    ...place,
    head: seq,
    floor: 1,
    logTime: now,
    wholeAt: now,
    savedAt: now,
    suspect: null,
    proof: null,
    hint: null,
  };
}

/**
 * Fills a denylist with rows about sessions, and one in a hundred about a token, a user and a client, so that every
 * token is looked up by all four.
 */
function fill(denylist: Denylist, entries: number): void {
  const claims = ['jti', 'sub', 'client_id'];
  for (let from = 0; from < entries; from += BATCH) {
    const cutoffs = Array.from({ length: Math.min(BATCH, entries - from) }, (_, index) => {
      const place = from + index;
      return logout(orderedId(place), place + 1, place % 100 < claims.length ? claims[place % 100] : 'sid');
    });
    // The state of a log without further events: the view of a guard over it is complete at the first heartbeat.
    denylist.commit({ state: stateAt(0), cutoffs });
  }
}

/** The numbers of entries that are compared, to see how a time grows with them. */
export const sizesOf = ({ quick }: Pick<Setting, 'quick'>): number[] =>
  quick ? [1_000, 100_000, 1_000_000] : [1_000, 1_000_000, 10_000_000];

/** Makes a file with this number of entries. */
export function fillFile(path: string, entries: number): void {
  const denylist = openDenylist({ path });
  fill(denylist, entries);
  denylist.close();
}

export async function untilInMemory(lookups: () => unknown): Promise<void> {
  while (lookups() !== 'memory') await new Promise((resolve) => setTimeout(resolve, 20));
}
