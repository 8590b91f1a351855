import { randomBytes } from 'node:crypto';
import type { EpochMillis } from './clock.ts';

const BYTES = 16;
const TIME_BYTES = 6;
const VERSION_AT = 6;
const VARIANT_AT = 8;

/**
 * Makes the id of a revocation, its `txn`: the bits of a UUID of version 7 (RFC 9562 section 5.7) as base64url. It begins with the
 * time, so whoever holds a row can say since when, also of a row that denies whatever was issued.
 */
export function createRevocationId(at: EpochMillis): string {
  const bits = randomBytes(BYTES);
  bits.writeUIntBE(at, 0, TIME_BYTES);
  bits[VERSION_AT] = 0x70 | ((bits[VERSION_AT] ?? 0) & 0x0f);
  bits[VARIANT_AT] = 0x80 | ((bits[VARIANT_AT] ?? 0) & 0x3f);
  return bits.toString('base64url');
}

/** The time that a revocation's id begins with; undefined where it has none, such as in the logs of others. */
export function revokedAt(txn: string): EpochMillis | undefined {
  const bits = bitsOf(txn);
  if (bits?.length !== BYTES) return undefined;
  if ((bits[VERSION_AT] ?? 0) >> 4 !== 7 || (bits[VARIANT_AT] ?? 0) >> 6 !== 2) return undefined;
  const at = bits.readUIntBE(0, TIME_BYTES);
  return at > EARLIEST && at < LATEST ? at : undefined;
}

/** One random id of 64 looks like one of version 7; of these one in a hundred has a time in between. */
const EARLIEST = Date.UTC(2020);
const LATEST = Date.UTC(2100);

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const BASE64URL = /^[\w-]{22}$/;

function bitsOf(txn: string): Buffer | undefined {
  if (BASE64URL.test(txn)) return Buffer.from(txn, 'base64url');
  return UUID.test(txn) ? Buffer.from(txn.replaceAll('-', ''), 'hex') : undefined;
}
