import type { Denial } from '@rescind/revocation';

/** The entries of one event, as JSON: as text of the event it grows by a third, and readers take 64 kB of that. */
const MAX_DENY_BYTES = 40_000;

/** Splits what one revocation denies into as many events as it takes. */
export function inParts(deny: readonly Denial[]): Denial[][] {
  const parts: Denial[][] = [];
  let room = 0;
  for (const denial of deny) {
    const size = Buffer.byteLength(JSON.stringify(denial)) + 1;
    room -= size;
    if (room < 0 || parts.length === 0) {
      parts.push([]);
      room = MAX_DENY_BYTES - size;
    }
    parts.at(-1)?.push(denial);
  }
  return parts;
}
