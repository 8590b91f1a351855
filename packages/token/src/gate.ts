import { RescindError } from '@rescind/revocation';
import type { JsonObject } from './strict-json.ts';
import { parseStrictObject } from './strict-json.ts';

/** The members of a JOSE header (RFC 7515 section 4.1) that are acted on. All others are there and ignored. */
export interface JoseHeader {
  readonly alg: string;
  readonly kid?: string;
  readonly typ?: string;
  readonly [member: string]: unknown;
}

/** A token that is well formed. Nothing about it has been verified. */
export interface GatedToken {
  /** Its compact serialization: the only spelling of these bytes. */
  readonly text: string;
  readonly header: JoseHeader;
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface GateLimits {
  /** Longest token that is looked into, in bytes. Default 8 192, which a request's headers hardly carry anyway. */
  readonly maxBytes?: number;
}

export const DEFAULT_MAX_TOKEN_BYTES = 8_192;

const THREE_PARTS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** Last characters that leave no spare bits set (RFC 4648 section 3.5), by length modulo 4. */
const CANONICAL_END: readonly (RegExp | undefined)[] = [/./, undefined, /[AQgw]$/, /[AEIMQUYcgkosw048]$/];

/**
 * Lets through what is a JWS in compact serialization (RFC 7515 section 7.1) in its one canonical spelling, with a JSON
 * object as header and as payload. The length is looked at before anything else.
 *
 * @throws RescindError `token_malformed`, and nothing else, whatever is given; its detail quotes nothing of the token
 */
export function gate(text: string, limits: GateLimits = {}): GatedToken {
  if (typeof text !== 'string') throw malformed('not text');
  if (text.length > (limits.maxBytes ?? DEFAULT_MAX_TOKEN_BYTES)) throw malformed('too long');
  if (!THREE_PARTS.test(text)) throw malformed('not three parts of base64url');
  const headerEnd = text.indexOf('.');
  const payloadEnd = text.indexOf('.', headerEnd + 1);
  const header = decodeObject(text.slice(0, headerEnd), 'header');
  const payload = decodeObject(text.slice(headerEnd + 1, payloadEnd), 'payload');
  requireCanonical(text.slice(payloadEnd + 1), 'signature');
  return { text, header: toJoseHeader(header), payload };
}

function decodeObject(part: string, name: string): JsonObject {
  requireCanonical(part, name);
  const object = parseStrictObject(Buffer.from(part, 'base64url'));
  if (typeof object === 'string') throw malformed(`${name}: ${object}`);
  return object;
}

function requireCanonical(part: string, name: string): void {
  if (!CANONICAL_END[part.length % 4]?.test(part)) throw malformed(`${name}: not canonical base64url`);
}

function toJoseHeader(header: JsonObject): JoseHeader {
  const { alg, kid, typ } = header;
  if (typeof alg !== 'string') throw malformed('header: alg is not text');
  if (kid !== undefined && typeof kid !== 'string') throw malformed('header: kid is not text');
  if (typ !== undefined && typeof typ !== 'string') throw malformed('header: typ is not text');
  return header as JoseHeader;
}

function malformed(detail: string): RescindError {
  return new RescindError('token_malformed', { detail });
}
