import { isUtf8 } from 'node:buffer';

/** A JSON object as its sender wrote it: own members only, no `__proto__` at any depth. */
export type JsonObject = Record<string, unknown>;

export interface StrictObject {
  readonly members: JsonObject;
  /**
   * The members in which some number is not a plain integer of at most 2^53 - 1: with a fraction or an exponent, larger, or
   * `-0`. Readers of JSON make different numbers and different text of those (RFC 7493 section 2.2). Undefined: none.
   */
  readonly inexact: readonly string[] | undefined;
}

/** Claims nest three or four deep (RFC 9396 in RFC 7519); whoever nests deeper wants a stack to overflow. */
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
/** Integers of so many digits are exact, whatever they are. */
const EXACT_DIGITS = 15;

/**
 * Reads bytes that must be one JSON object in UTF-8 (RFC 8259 section 8.1, no byte order mark), and refuses what readers
 * of JSON are known to disagree about: a member name given twice (RFC 7519 section 4), `__proto__`, half a surrogate
 * pair (RFC 7493 section 2.1), nesting deeper than 32.
 *
 * @returns the object, or what is wrong with it in words that quote nothing of it
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
  // A reader that keeps the last of two equal names has fewer members than the text has colons outside of strings.
  if (members !== scanned.colons) return 'a member name twice';
  // Only an escape can make half a pair out of valid UTF-8, and only then is each string looked at.
  if (text.includes('\\') && hasHalfPair(value)) return 'half a surrogate pair';
  return { members: value as JsonObject, inexact: scanned.mayBeInexact ? inexactMembers(text) : undefined };
}

function hasHalfPair(value: unknown): boolean {
  if (typeof value === 'string') return !value.isWellFormed();
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, member]) => hasHalfPair(name) || hasHalfPair(member));
}

/** How many members an object or array has, all depths together; or what is wrong with it. */
function countMembers(value: JsonObject | readonly unknown[], depth: number): number | string {
  if (depth > MAX_DEPTH) return 'nested too deep';
  let count = 0;
  if (Array.isArray(value)) {
    for (const element of value) {
      const inside = countInside(element, depth);
      if (typeof inside === 'string') return inside;
      count += inside;
    }
    return count;
  }
  // Not `for … in`: on objects that were never walked before it costs several µs, more than reading their text.
  for (const name of Object.keys(value)) {
    if (name === '__proto__') return 'a member named __proto__';
    const inside = countInside((value as JsonObject)[name], depth);
    if (typeof inside === 'string') return inside;
    count += 1 + inside;
  }
  return count;
}

function countInside(value: unknown, depth: number): number | string {
  return typeof value === 'object' && value !== null ? countMembers(value as JsonObject, depth + 1) : 0;
}

interface Scan {
  /** Outside of strings: one for each member. */
  readonly colons: number;
  /** Whether some number may be inexact: rare, and only then are they looked at one by one. */
  readonly mayBeInexact: boolean;
}

/** Looks at each byte, once, of what is known to be JSON. No byte of a longer character is ASCII. */
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
      // Not that of `true` and `false`.
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

/** The pieces of JSON that matter here: strings, numbers and what opens, closes and separates. */
const PIECES = /"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|[[\]{}:,]/g;

function inexactMembers(json: string): readonly string[] | undefined {
  const found = new Set<string>();
  let depth = 0;
  let member = '';
  let isName = true;
  for (const [piece] of json.matchAll(PIECES)) {
    if (piece === '{' || piece === '[') depth += 1;
    else if (piece === '}' || piece === ']') depth -= 1;
    else if (depth === 1 && (piece === ':' || piece === ',')) isName = piece === ',';
    else if (depth === 1 && isName && piece.startsWith('"')) member = piece;
    else if (/^[-0-9]/.test(piece) && !isExact(piece)) found.add(member);
  }
  return found.size === 0 ? undefined : Object.freeze([...found].map(unescaped));
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** The name that a piece in quotes is (RFC 8259 section 7). It is known to be JSON, which is not parsed a second time. */
function unescaped(piece: string): string {
  return piece
    .slice(1, -1)
    .replaceAll(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, code: string | undefined, char: string) =>
      code === undefined ? (ESCAPES[char] ?? char) : String.fromCharCode(Number.parseInt(code, 16)),
    );
}

const isExact = (number: string) => /^(?:0|-?[1-9][0-9]*)$/.test(number) && Number.isSafeInteger(Number(number));
