import { writeCutOff } from '@rescind/feed';
import type { CutOff, Revocation } from '@rescind/revocation';
import type { RevocationRecord } from '../issuer-revocations.ts';
import type { Unit } from '../transactions.ts';

/** The cut-offs of one event, as JSON: as text of the event it grows by a third, and readers take 64 kB of that. */
const MAX_BYTES = 40_000;

/** A revocation as so many events as it takes. */
export function inParts({ cutOffs, ...revocation }: Revocation): Revocation[] {
  const parts: CutOff[][] = [];
  let left = 0;
  for (const cutOff of cutOffs) {
    const size = Buffer.byteLength(JSON.stringify(writeCutOff(cutOff))) + 1;
    left -= size;
    if (left < 0 || parts.length === 0) {
      parts.push([]);
      left = MAX_BYTES - size;
    }
    parts.at(-1)?.push(cutOff);
  }
  return parts.map((part) => ({ ...revocation, cutOffs: part }));
}

/** @throws TypeError when it denies nothing */
export function appendRevocation(unit: Unit, revocation: Revocation): RevocationRecord {
  const record = inParts(revocation)
    .map((part) => unit.append(part))
    .at(-1);
  if (record === undefined) throw new TypeError('revoke: at least one cut-off must be given');
  return record;
}
