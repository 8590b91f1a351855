import { isUtf8 } from 'node:buffer';

/** A parsed JSON object: own members only, no `__proto__` at any depth. */
export type JsonObject = Record<string, unknown>;

export interface StrictObject {
  readonly members: JsonObject;
  /**
   * Names of the members that contain a number with a fraction or an exponent, beyond 2^53 - 1, or `-0`. JSON parsers differ in the
   * number and the text that they make of these (RFC 7493 section 2.2). Undefined: there is none.
   */
  readonly inexact: readonly string[] | undefined;
}

/** Greatest nesting. Claims nest three or four deep (RFC 9396 in RFC 7519); deeper nesting is an attack on the stack. */
const MAX_DEPTH = 32;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const LOWER_E = 0x65;
const UPPER_E = 0x45;
/** All integers with this many digits are exact. */
const EXACT_DIGITS = 15;

/**
 * Parses one JSON object in UTF-8 (RFC 8259 section 8.1, no byte order mark). It refuses what JSON parsers treat differently: a
 * duplicate member name (RFC 7519 section 4), `__proto__`, a lone surrogate (RFC 7493 section 2.1), nesting deeper than 32.
 *
 * @returns the object, or a description of the error that quotes nothing of the input
 */
export function parseStrictObject(bytes: Buffer): StrictObject | string {
  if (!isUtf8(bytes)) return 'not UTF-8';
  const text = bytes.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'not JSON';
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'not a JSON object';
  const members = countMembers(value as JsonObject, 1);
  if (typeof members === 'string') return members;
  const scanned = scan(bytes);
  // JSON.parse keeps the last of two equal names: the object has fewer members than the text has colons outside of strings.
  if (members !== scanned.colons) return 'a member name twice';
  // In valid UTF-8 only an escape can make a lone surrogate.
  if (text.includes('\\') && hasLoneSurrogate(value)) return 'a lone surrogate';
  return { members: value as JsonObject, inexact: scanned.mayBeInexact ? inexactMembers(text) : undefined };
}

function hasLoneSurrogate(value: unknown): boolean {
  if (typeof value === 'string') return !value.isWellFormed();
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, member]) => hasLoneSurrogate(name) || hasLoneSurrogate(member));
}

/** The number of members of an object or array, at all depths; or a description of the error. */
function countMembers(value: JsonObject | readonly unknown[], depth: number): number | string {
  if (depth > MAX_DEPTH) return 'nested too deep';
  let count = 0;
  if (Array.isArray(value)) {
    for (const element of value) {
      const nested = countNested(element, depth);
      if (typeof nested === 'string') return nested;
      count += nested;
    }
    return count;
  }
  // Not `for … in`: on objects of a new shape it takes several µs, more than parsing their text.
  for (const name of Object.keys(value)) {
    if (name === '__proto__') return 'a member named __proto__';
    const nested = countNested((value as JsonObject)[name], depth);
    if (typeof nested === 'string') return nested;
    count += 1 + nested;
  }
  return count;
}

function countNested(value: unknown, depth: number): number | string {
  return typeof value === 'object' && value !== null ? countMembers(value as JsonObject, depth + 1) : 0;
}

interface Scan {
  /** Number of colons outside of strings: one for each member. */
  readonly colons: number;
  /** Whether a number may be inexact. Only then is each number examined, which is rare. */
  readonly mayBeInexact: boolean;
}

/** Scans valid JSON byte by byte. In UTF-8 no byte of a longer character is ASCII. */
function scan(json: Buffer): Scan {
  let colons = 0;
  let digits = 0;
  let mayBeInexact = false;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at] as number;
    if (byte === QUOTE) {
      at = endOfString(json, at);
      digits = 0;
    } else if (byte >= ZERO && byte <= NINE) {
      digits += 1;
      if (digits > EXACT_DIGITS) mayBeInexact = true;
    } else {
      if (byte === COLON) colons += 1;
      else if (byte === DOT || (byte === MINUS && json[at + 1] === ZERO)) mayBeInexact = true;
      // Not the `e` of `true` and `false`.
      else if (digits > 0 && (byte === LOWER_E || byte === UPPER_E)) mayBeInexact = true;
      digits = 0;
    }
  }
  return { colons, mayBeInexact };
}

function endOfString(json: Buffer, start: number): number {
  let at = start + 1;
  while (json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1;
  return at;
}

/** Tokens of JSON: strings, numbers and structural characters. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|[[\]{}:,]/g;

function inexactMembers(json: string): readonly string[] | undefined {
  const found = new Set<string>();
  let depth = 0;
  let member = '';
  let isName = true;
  for (const [token] of json.matchAll(TOKENS)) {
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    else if (depth === 1 && (token === ':' || token === ',')) isName = token === ',';
    else if (depth === 1 && isName && token.startsWith('"')) member = token;
    else if (/^[-0-9]/.test(token) && !isExact(token)) found.add(member);
  }
  return found.size === 0 ? undefined : Object.freeze([...found].map(unescapeString));
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** Unescapes a string token (RFC 8259 section 7). */
function unescapeString(token: string): string {
  return token
    .slice(1, -1)
    .replaceAll(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, code: string | undefined, char: string) =>
      code === undefined ? (ESCAPES[char] ?? char) : String.fromCharCode(Number.parseInt(code, 16)),
    );
}

const isExact = (number: string) => /^(?:0|-?[1-9][0-9]*)$/.test(number) && Number.isSafeInteger(Number(number));
