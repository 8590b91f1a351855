import type { Request } from 'express';
import { z } from 'zod';
import { requestRefused, validated } from './validated.ts';

/** @throws RescindError `request_invalid` */
export function readParams<T>(request: Request, schema: z.ZodType<T>): T {
  return validated(schema, { ...request.params });
}

/**
 * The parameters in the address after `?`. One that is given twice is refused: which counts would be anybody's guess.
 * @throws RescindError `request_invalid`
 */
export function readQuery<T>(request: Request, schema: z.ZodType<T>): T {
  const start = request.originalUrl.indexOf('?');
  return validated(schema, onceEach(new URLSearchParams(start === -1 ? '' : request.originalUrl.slice(start))));
}

/**
 * The parameters of a form that a schema knows, those without a value left out. @throws RescindError `request_invalid` for
 * one that is given twice and of which the schema has no list
 */
export function formParameters(parameters: URLSearchParams, schema: z.ZodType): Record<string, string | string[]> {
  const known = schema instanceof z.ZodObject ? (schema.shape as Record<string, z.ZodType>) : {};
  const read: Record<string, string | string[]> = {};
  for (const [name, member] of Object.entries(known)) {
    const all = parameters.getAll(name);
    const given = all.filter((value) => value !== '');
    if (isList(member)) {
      if (given.length > 0) read[name] = given;
    } else if (all.length > 1) throw requestRefused('must not be given twice', name);
    else if (given[0] !== undefined) read[name] = given[0];
  }
  return read;
}

function isList(schema: z.ZodType): boolean {
  return schema instanceof z.ZodOptional ? isList(schema.unwrap() as z.ZodType) : schema instanceof z.ZodArray;
}

/** @throws RescindError `request_invalid` */
function onceEach(parameters: URLSearchParams): Record<string, string> {
  const names = [...parameters.keys()];
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) throw requestRefused('must not be given twice', repeated);
  return Object.fromEntries(parameters);
}

/** A whole number written as such, in an address: no sign, no exponent, no leading zero. */
export function wholeNumber(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`;
  return z
    .string()
    .regex(/^(0|[1-9]\d{0,14})$/, message)
    .transform(Number)
    .pipe(z.int().min(least, message).max(most, message));
}

/** Longest page: some 100 kB of sessions. */
const MOST_PER_PAGE = 200;
const PER_PAGE = 50;

/** `?limit=&after=` of a list: `after` is the `next` of the page before, as it was given. */
export const pageQuery = z.strictObject({
  limit: wholeNumber(1, MOST_PER_PAGE).default(PER_PAGE),
  after: z.string().min(1).max(256).optional(),
});

/** The answer of a list: `next` is there when there may be more. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({ items: z.array(item), next: z.string().optional() });
}
