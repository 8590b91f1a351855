import { isUtf8 } from 'node:buffer';

/** A JSON object as its sender wrote it: own members only, no `__proto__` at any depth. */
export type JsonObject = Record<string, unknown>;

/** Claims nest three or four deep (RFC 9396 in RFC 7519); whoever nests deeper wants a stack to overflow. */
const MAX_DEPTH = 32;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/**
 * Reads bytes that must be one JSON object in UTF-8 (RFC 8259 section 8.1, no byte order mark), and refuses what readers
 * of JSON are known to disagree about: a member name given twice (RFC 7519 section 4), `__proto__`, half a surrogate
 * pair (RFC 7493 section 2.1), nesting deeper than 32.
 *
 * @returns the object, or what is wrong with it in words that quote nothing of it
 */
export function parseStrictObject(bytes: Buffer): JsonObject | string {
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
  // A reader that keeps the last of two equal names has fewer members than the text has colons outside of strings.
  if (members !== countColons(bytes)) return 'a member name twice';
  // Only an escape can make half a pair out of valid UTF-8, and only then is each string looked at.
  return text.includes('\\') && hasHalfPair(value) ? 'half a surrogate pair' : (value as JsonObject);
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

/** Colons outside of strings, in bytes known to be JSON: one for each member. No byte of a longer character is ASCII. */
function countColons(json: Buffer): number {
  let count = 0;
  let inString = false;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at];
    if (byte === QUOTE) inString = !inString;
    else if (inString && byte === BACKSLASH) at += 1;
    else if (!inString && byte === COLON) count += 1;
  }
  return count;
}
