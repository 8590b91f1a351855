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
  const members = countMembers(value, 1);
  if (typeof members === 'string') return members;
  // A reader that keeps the last of two equal names has fewer members than the text has colons outside of strings.
  return members === countColons(text) ? (value as JsonObject) : 'a member name twice';
}

/** How many members an object or array has, all depths together; or what is wrong with it. */
function countMembers(value: object, depth: number): number | string {
  if (depth > MAX_DEPTH) return 'nested too deep';
  const isArray = Array.isArray(value);
  let count = 0;
  for (const name of Object.keys(value)) {
    if (name === '__proto__') return 'a member named __proto__';
    if (!name.isWellFormed()) return 'half a surrogate pair';
    const member = (value as JsonObject)[name];
    if (!isArray) count += 1;
    if (typeof member === 'string') {
      if (!member.isWellFormed()) return 'half a surrogate pair';
    } else if (typeof member === 'object' && member !== null) {
      const inside = countMembers(member, depth + 1);
      if (typeof inside === 'string') return inside;
      count += inside;
    }
  }
  return count;
}

/** Colons outside of strings, in text known to be JSON: one for each member. */
function countColons(text: string): number {
  let count = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) inString = !inString;
    else if (inString && char === BACKSLASH) at += 1;
    else if (!inString && char === COLON) count += 1;
  }
  return count;
}
