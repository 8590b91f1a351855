import { RescindError } from '@rescind/revocation';
import { option, optionsOf } from '@rescind/revocation/options';
import type { SignedParts } from './signature.ts';
import type { JsonObject, StrictObject } from './strict-json.ts';
import { parseStrictObject } from './strict-json.ts';
import { createTextCache } from './text-cache.ts';

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
  /**
   * Claims with a number that readers of JSON disagree about: one with a fraction or an exponent, beyond 2^53 - 1, or `-0` (RFC 7493
   * section 2.2). Undefined: none.
   */
  readonly inexact: readonly string[] | undefined;
}

/** Of a token: the part of it that is signed, and the signature's bytes. */
export interface GatedParts extends GatedToken, SignedParts {}

export interface GateLimits {
  /** Longest token that is looked into, in bytes. Default 8 192, which a request's headers hardly carry anyway. */
  readonly maxBytes?: number;
}

export const DEFAULT_MAX_TOKEN_BYTES = 8_192;

/**
 * Headers read before: all tokens of one key begin with the same text. Only such as hold nothing but text are shared, and
 * frozen. What a stranger puts in costs the next reader no more than reading again.
 */
const headersRead = createTextCache<JoseHeader>({ entries: 64, longestKey: 512 });

const NO_LIMITS: GateLimits = Object.freeze({});
const gateLimits = optionsOf<GateLimits>('gate', { maxBytes: option.count({ least: 1 }) });

/** Limits are given with every token: the usual object, with one right member, is not copied. */
function checkedLimits(limits: GateLimits): GateLimits {
  if (limits === NO_LIMITS) return limits;
  const [name, ...others] = typeof limits === 'object' && limits !== null ? Object.keys(limits) : [];
  const isUsual = name === 'maxBytes' && others.length === 0 && Number.isSafeInteger(limits.maxBytes);
  return isUsual && Number(limits.maxBytes) > 0 ? limits : gateLimits(limits);
}

/**
 * Lets through what is a JWS in compact serialization (RFC 7515 section 7.1) in its one canonical spelling, with a JSON
 * object as header and as payload. The length is looked at before anything else.
 *
 * @throws RescindError `token_malformed`, and nothing else, whatever the text; its detail quotes nothing of it
 * @throws TypeError for wrong limits
 */
export function gate(text: string, limits: GateLimits = NO_LIMITS): GatedToken {
  const { header, payload, inexact } = takeApart(text, checkedLimits(limits));
  return { text, header, payload, inexact };
}

/** The same, with what its signature is about. */
export function takeApart(text: string, limits: GateLimits): GatedParts {
  const { header, headerEnd, signedLength } = takeStart(text, limits);
  const { members: payload, inexact } = readObject(text.slice(headerEnd + 1, signedLength), 'payload');
  const signature = decode(text.slice(signedLength + 1), 'signature');
  return { text, header, payload, inexact, signedLength, signature };
}

/** Of a token: all that it takes to have its signature computed. The rest has not been looked into. */
export interface TokenStart {
  readonly header: JoseHeader;
  readonly headerEnd: number;
  /** Where what is signed ends, and a dot is, and the signature begins. */
  readonly signedLength: number;
}

/** @throws RescindError `token_malformed` */
export function takeStart(text: string, limits: GateLimits): TokenStart {
  if (typeof text !== 'string') throw malformed('not text');
  if (text.length > (limits.maxBytes ?? DEFAULT_MAX_TOKEN_BYTES)) throw malformed('too long');
  const headerEnd = text.indexOf('.');
  const signedLength = text.indexOf('.', headerEnd + 1);
  // A fourth part would leave a dot in the third, which is not base64url.
  if (headerEnd < 0 || signedLength < 0) throw malformed('not three parts');
  return { header: readHeader(text, headerEnd), headerEnd, signedLength };
}

function readHeader(text: string, end: number): JoseHeader {
  const known = headersRead.getStart(text, end);
  if (known !== undefined) return known;
  const part = text.slice(0, end);
  const header = Object.freeze(toJoseHeader(readObject(part, 'header').members));
  if (Object.values(header).every((member) => typeof member === 'string')) headersRead.set(part, header);
  return header;
}

function readObject(part: string, name: string): StrictObject {
  const object = parseStrictObject(decode(part, name));
  if (typeof object === 'string') throw malformed(`${name}: ${object}`);
  return object;
}

/**
 * Node's decoder skips what is not base64url, and there are several texts for the same bytes. Only the one that the
 * bytes are encoded to is taken: no padding, no foreign character, no spare bits (RFC 4648 section 3.5, RFC 7515 section 2).
 */
function decode(part: string, name: string): Buffer {
  const bytes = Buffer.from(part, 'base64url');
  if (bytes.length === 0 || bytes.toString('base64url') !== part) throw malformed(`${name}: not base64url`);
  return bytes;
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
