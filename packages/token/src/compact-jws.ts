import { RescindError } from '@rescind/revocation';
import { option, optionsOf } from '@rescind/revocation/options';
import type { SignedParts } from './signature.ts';
import type { JsonObject, StrictObject } from './strict-json.ts';
import { parseStrictObject } from './strict-json.ts';

/** A JOSE header (RFC 7515 section 4.1). The named members have an effect; others are ignored. */
export interface JoseHeader {
  /** The algorithm of the signature, such as `RS256`. */
  readonly alg: string;
  /** The id of the key that signed. */
  readonly kid?: string;
  /** The type of the whole object, such as `at+jwt` (RFC 9068 section 2.1). */
  readonly typ?: string;
  /** Members that have no effect. */
  readonly [member: string]: unknown;
}

/** A well-formed JWS in compact serialization. Nothing about it has been verified. */
export interface CompactJws {
  /** Its compact serialization: the only spelling of these bytes. */
  readonly text: string;
  readonly header: JoseHeader;
  readonly payload: Readonly<Record<string, unknown>>;
  /**
   * Names of the claims that hold a number which JSON parsers read differently: with a fraction or an exponent, beyond
   * 2^53 - 1, or `-0` (RFC 7493 section 2.2). Undefined: there is none.
   */
  readonly inexact: readonly string[] | undefined;
}

/** A parsed JWS with its signing input and its signature. */
export interface CompactJwsParts extends CompactJws, SignedParts {}

/** Limits of `parseCompactJws`. */
export interface CompactJwsLimits {
  /** Longest token that is parsed, in bytes. Default 8 192: HTTP servers accept hardly more in a request's headers. */
  readonly maxBytes?: number;
}

export const DEFAULT_MAX_TOKEN_BYTES = 8_192;

/**
 * Parsed headers by their encoded text: all tokens of one key have the same header. It holds only headers whose members are all
 * strings, frozen. An attacker who fills it causes one more parse of the next token's header, and nothing else.
 */
const headerCache = createHeaderCache({ entries: 64, longestKey: 512 });

const NO_LIMITS: CompactJwsLimits = Object.freeze({});
const compactJwsLimits = optionsOf<CompactJwsLimits>('parseCompactJws', { maxBytes: option.count({ min: 1 }) });

/** Callers give limits with every token: the usual object, with one valid member, is not copied. */
function checkedLimits(limits: CompactJwsLimits): CompactJwsLimits {
  if (limits === NO_LIMITS) return limits;
  const [name, ...others] = typeof limits === 'object' && limits !== null ? Object.keys(limits) : [];
  const isUsual = name === 'maxBytes' && others.length === 0 && Number.isSafeInteger(limits.maxBytes);
  return isUsual && Number(limits.maxBytes) > 0 ? limits : compactJwsLimits(limits);
}

/**
 * Parses a JWS in compact serialization (RFC 7515 section 7.1). It accepts only the canonical encoding, with a JSON object as
 * header and as payload, and checks the length before anything else. It verifies no signature.
 *
 * @throws RescindError `token_malformed`, and nothing else, whatever the text; its detail quotes nothing of it
 * @throws TypeError for wrong limits
 */
export function parseCompactJws(text: string, limits: CompactJwsLimits = NO_LIMITS): CompactJws {
  const { header, payload, inexact } = parseParts(text, checkedLimits(limits));
  return { text, header, payload, inexact };
}

/** Parses like `parseCompactJws`, and returns the signing input and the signature too. @throws RescindError `token_malformed` */
export function parseParts(text: string, limits: CompactJwsLimits): CompactJwsParts {
  const { header, headerEnd, signedLength } = parseHeader(text, limits);
  const { members: payload, inexact } = parseObject(text.slice(headerEnd + 1, signedLength), 'payload');
  const signature = decode(text.slice(signedLength + 1), 'signature');
  return { text, header, payload, inexact, signedLength, signature };
}

/** The parsed header of a token whose payload and signature have not been parsed. */
export interface ParsedHeader {
  readonly header: JoseHeader;
  /** Index of the dot after the header. */
  readonly headerEnd: number;
  /** Length of the signing input: index of the dot before the signature (RFC 7515 section 5.2). */
  readonly signedLength: number;
}

/** @throws RescindError `token_malformed` */
export function parseHeader(text: string, limits: CompactJwsLimits): ParsedHeader {
  if (typeof text !== 'string') throw malformed('not text');
  if (text.length > (limits.maxBytes ?? DEFAULT_MAX_TOKEN_BYTES)) throw malformed('too long');
  const headerEnd = text.indexOf('.');
  const signedLength = text.indexOf('.', headerEnd + 1);
  // A fourth part would leave a dot in the third, which is not base64url.
  if (headerEnd < 0 || signedLength < 0) throw malformed('not three parts');
  return { header: cachedHeader(text, headerEnd), headerEnd, signedLength };
}

function cachedHeader(text: string, end: number): JoseHeader {
  const known = headerCache.getStart(text, end);
  if (known !== undefined) return known;
  const part = text.slice(0, end);
  const header = Object.freeze(toJoseHeader(parseObject(part, 'header').members));
  if (Object.values(header).every((member) => typeof member === 'string')) headerCache.set(part, header);
  return header;
}

function parseObject(part: string, name: string): StrictObject {
  const object = parseStrictObject(decode(part, name));
  if (typeof object === 'string') throw malformed(`${name}: ${object}`);
  return object;
}

/**
 * Decodes base64url strictly. Node's decoder skips foreign characters, so that several texts decode to the same bytes. Only the
 * text to which the bytes are encoded is accepted: no padding, no foreign character, no spare bits (RFC 4648 section 3.5, RFC 7515
 * section 2).
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

interface HeaderCache {
  /** The header cached for the first `length` characters of `text`. The entry found last is compared without a copy. */
  getStart(text: string, length: number): JoseHeader | undefined;
  set(key: string, header: JoseHeader): void;
}

interface HeaderCacheLimits {
  /** A full cache is cleared: that is cheaper than an order of eviction, and a flood gains nothing. */
  readonly entries: number;
  /** Longer keys are not cached, in characters. */
  readonly longestKey: number;
}

function createHeaderCache({ entries, longestKey }: HeaderCacheLimits): HeaderCache {
  const headers = new Map<string, JoseHeader>();
  let last: { readonly key: string; readonly header: JoseHeader } | undefined;
  return {
    getStart(text, length) {
      if (last !== undefined && last.key.length === length && text.startsWith(last.key)) return last.header;
      const key = text.slice(0, length);
      const header = headers.get(key);
      if (header !== undefined) last = { key, header };
      return header;
    },
    set(key, header) {
      if (key.length > longestKey) return;
      if (headers.size >= entries) headers.clear();
      headers.set(key, header);
    },
  };
}
