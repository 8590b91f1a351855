import type { IncomingMessage } from 'node:http';
import { RescindError } from '@rescind/revocation';
import type { z } from 'zod';
import { hasMemberTwice, jsonDepth } from '../json.ts';
import { formParameters } from './parameters.ts';
import { requestRefused, validated } from './validated.ts';

/** Longest body that is taken: the longest password and a few names fit many times. */
const MAX_BODY_BYTES = 16_384;
/** What is beyond the cap is read and dropped up to here, so that the sender hears the answer; beyond, it is cut. */
const MAX_DROPPED_BYTES = 1_048_576;
/** Deepest nesting of a JSON body: ours are flat. */
const MAX_JSON_DEPTH = 8;

/**
 * The JSON body of a request (RFC 8259), as `schema` has it. A member that is given twice is refused, at any depth: readers of
 * JSON disagree about which counts (RFC 7493 section 2.3).
 * @throws RescindError `media_type_wrong`, `body_too_large`, `request_invalid`
 */
export async function readJson<T>(request: IncomingMessage, schema: z.ZodType<T>): Promise<T> {
  requireType(request, 'application/json');
  const text = await readText(request);
  if (jsonDepth(text) > MAX_JSON_DEPTH) throw requestRefused(`must not be nested deeper than ${MAX_JSON_DEPTH}`);
  const value = parseJson(text);
  if (hasMemberTwice(text, value)) throw requestRefused('must not have a member twice');
  return validated(schema, value);
}

/**
 * The form of a request (`application/x-www-form-urlencoded`), as `schema` has it. A parameter without a value counts as
 * absent. A parameter of the schema that is given twice is refused, unless the schema has a list of it, which gets all
 * values; other parameters are ignored, however often they are given (RFC 6749 section 3.2, RFC 8707 section 2).
 * @throws RescindError `media_type_wrong`, `body_too_large`, `request_invalid`
 */
export async function readForm<T>(request: IncomingMessage, schema: z.ZodType<T>): Promise<T> {
  requireType(request, 'application/x-www-form-urlencoded');
  return validated(schema, formParameters(new URLSearchParams(await readText(request)), schema));
}

function requireType(request: IncomingMessage, type: string): void {
  const [given = '', ...parameters] = (request.headers['content-type'] ?? '').toLowerCase().split(';');
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='));
  const plain = charset === undefined || /^charset="?utf-8"?$/.test(charset);
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (given.trim() !== type || !plain || encoding !== 'identity') throw new RescindError('media_type_wrong');
}

async function readText(request: IncomingMessage): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_DROPPED_BYTES) throw new RescindError('body_too_large');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_DROPPED_BYTES) break;
    if (size <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  if (size > MAX_BODY_BYTES) throw new RescindError('body_too_large');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch {
    throw requestRefused('must be UTF-8');
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The message of JSON.parse quotes the text.
    throw requestRefused('must be JSON');
  }
}
