import type { IncomingMessage } from 'node:http';
import { RequestRefused } from '@rescind/revocation/errors';
import { readText } from '@rescind/revocation/http';
import type { Request } from 'express';
import { z } from 'zod';

/** Longest accepted body, in bytes: many times the longest password with a few names. */
const MAX_BODY_BYTES = 16_384;
/** A longer body is read and dropped up to this size. */
const MAX_DROPPED_BYTES = 1_048_576;
/** Deepest accepted nesting of a JSON body: all schemas here are nearly flat. */
const MAX_JSON_DEPTH = 8;

/**
 * Reads the JSON body of a request (RFC 8259) and validates it. A duplicate member is refused, at any depth: JSON parsers differ in
 * which one they keep (RFC 7493 section 2.3).
 * @throws RescindError `media_type_wrong`, `body_too_large`, `request_invalid`
 */
export async function readJson<T>(request: IncomingMessage, schema: z.ZodType<T>): Promise<T> {
  const text = await readText(request.rawHeaders, request, {
    type: 'application/json',
    maxBytes: MAX_BODY_BYTES,
    maxDroppedBytes: MAX_DROPPED_BYTES,
  });
  if (jsonDepth(text) > MAX_JSON_DEPTH) throw requestRefused(`must not be nested deeper than ${MAX_JSON_DEPTH}`);
  const value = parseJson(text);
  if (hasMemberTwice(text, value)) throw requestRefused('must not have a member twice');
  return validated(schema, value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Without the message of JSON.parse, which quotes the text.
    throw requestRefused('must be JSON');
  }
}

/** Validates the parameters of the path. @throws RescindError `request_invalid` */
export function readParams<T>(request: Request, schema: z.ZodType<T>): T {
  return validated(schema, { ...request.params });
}

/**
 * Reads and validates the query. A duplicate parameter is refused: parsers differ in which one they keep.
 * @throws RescindError `request_invalid`
 */
export function readQuery<T>(request: Request, schema: z.ZodType<T>): T {
  const start = request.originalUrl.indexOf('?');
  return validated(
    schema,
    withoutDuplicates(new URLSearchParams(start === -1 ? '' : request.originalUrl.slice(start))),
  );
}

/** @throws RescindError `request_invalid` */
function withoutDuplicates(parameters: URLSearchParams): Record<string, string> {
  const names = [...parameters.keys()];
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) throw requestRefused('must not be given twice', repeated);
  return Object.fromEntries(parameters);
}

/** A whole number in a URL: digits without sign, exponent and leading zero. */
export function wholeNumber(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^(0|[1-9]\d{0,14})$/, message)
    .transform(Number)
    .pipe(z.int().min(min, message).max(max, message));
}

/** Most items of a page: some 100 kB of sessions. */
const MAX_PER_PAGE = 200;
const DEFAULT_PER_PAGE = 50;

/** The query `?limit=&after=` of a list. `after` is the `next` of the page before. */
export const pageQuery = z.strictObject({
  limit: wholeNumber(1, MAX_PER_PAGE).default(DEFAULT_PER_PAGE),
  after: z.string().min(1).max(256).optional(),
});

/** The response of a list. `next` is absent on the last page. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({ items: z.array(item), next: z.string().optional() });
}

/** Validates a value by a schema. @throws RescindError `request_invalid` with the issues */
export function validated<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new RequestRefused(result.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })));
}

/** The error `request_invalid` with one issue. */
export function requestRefused(message: string, path = ''): RequestRefused {
  return new RequestRefused([{ path, message }]);
}

/** The nesting depth of arrays and objects in a JSON text, which is not parsed. */
function jsonDepth(text: string): number {
  return shapeOf(text).depth;
}

/**
 * Whether an object in a JSON text has two members of one name, at any depth: JSON parsers differ in which one they keep (RFC 7493
 * section 2.3).
 * @param value the parsed text: `JSON.parse` keeps the last of two members
 */
export function hasMemberTwice(text: string, value: unknown): boolean {
  return membersOf(value) !== shapeOf(text).colons;
}

/** The nesting depth, and the number of colons outside of strings: one for each member. */
function shapeOf(text: string): { readonly depth: number; readonly colons: number } {
  let [depth, deepest, colons, quoted] = [0, 0, 0, false];
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (quoted) {
      if (character === '\\') index++;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth);
    else if (character === ']' || character === '}') depth--;
    else if (character === ':') colons++;
  }
  return { depth: deepest, colons };
}

/** The number of members of all objects in a value. */
function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inside = Object.values(value).reduce((count: number, member) => count + membersOf(member), 0);
  return inside + (Array.isArray(value) ? 0 : Object.keys(value).length);
}
