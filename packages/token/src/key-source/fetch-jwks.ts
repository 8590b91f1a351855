import type { DurationMs } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { readBody } from '@rescind/revocation/http';
import type { Fetch, FetchResponse } from '../fetch.ts';
import { describeFetchFailure } from '../fetch.ts';
import type { KeySet } from '../key-set.ts';
import { createKeySet } from '../key-set.ts';

export interface FetchedKeys {
  readonly keys: KeySet;
  /** The parsed JSON of the response. */
  readonly jwks: unknown;
  /** How long the server allows the set to be used; undefined: it does not state it. */
  readonly freshForMs: DurationMs | undefined;
}

/** How a fetch ended: the label `result` of `rescind_key_fetches_total`. */
type FetchResult = 'ok' | 'unreachable' | 'timeout' | 'status_wrong' | 'too_large' | 'unusable';

/** Why a fetch failed. Its message contains no secret. */
export class FetchFailure extends Error {
  override readonly name = 'FetchFailure';
  readonly result: FetchResult;

  constructor(result: FetchResult, detail: string) {
    super(detail);
    this.result = result;
  }
}

export interface FetchLimits {
  readonly timeoutMs: DurationMs;
  readonly maxBytes: number;
}

/**
 * Fetches a JWK Set once. Time and size are bounded. It follows no redirect: keys come from the configured address only.
 *
 * @throws FetchFailure for any error
 */
export async function fetchJwks(
  fetch: Fetch,
  url: string,
  limits: FetchLimits,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<FetchedKeys> {
  const timeout = AbortSignal.timeout(limits.timeoutMs);
  try {
    const response = await fetch(url, {
      redirect: 'error',
      signal: AbortSignal.any([signal, timeout]),
      headers: { accept: 'application/jwk-set+json, application/json', ...headers },
    });
    const freshForMs = freshnessOf(response.headers);
    return { ...toKeys(await readSet(response, limits.maxBytes)), freshForMs };
  } catch (error) {
    if (error instanceof FetchFailure) throw error;
    if (timeout.aborted) throw new FetchFailure('timeout', `no answer within ${limits.timeoutMs} ms`);
    throw new FetchFailure('unreachable', describeFetchFailure(error));
  }
}

async function readSet(response: FetchResponse, maxBytes: number): Promise<Buffer> {
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new FetchFailure('status_wrong', `answered ${response.status}`);
  }
  const body = await readBody(response.body, { maxBytes: maxBytes });
  if (body === undefined) throw new FetchFailure('too_large', `more than ${maxBytes} bytes`);
  return body;
}

function toKeys(body: Buffer): Omit<FetchedKeys, 'freshForMs'> {
  let jwks: unknown;
  try {
    jwks = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new FetchFailure('unusable', 'not JSON in UTF-8');
  }
  try {
    return { keys: createKeySet(jwks), jwks };
  } catch (error) {
    const detail = error instanceof RescindError ? error.detail : undefined;
    throw new FetchFailure('unusable', detail ?? 'not a JWK Set');
  }
}

/** Shortest time between fetches: the headers of a server with a wrong clock or cache cannot shorten it. */
const MIN_FRESH_MS: DurationMs = 1_000;

/**
 * How long a response may be used, if it has `max-age` and `must-revalidate` (RFC 9111 section 5.2.2.2), in ms. Undefined: no
 * limit, also with `max-age` alone.
 */
function freshnessOf(headers: FetchResponse['headers']): DurationMs | undefined {
  const directives = (headers.get('cache-control') ?? '').toLowerCase().split(',');
  const trimmed = directives.map((directive) => directive.trim());
  const maxAge = trimmed.map((text) => /^max-age="?(\d{1,9})"?$/.exec(text)?.[1]).find((value) => value !== undefined);
  if (maxAge === undefined || !trimmed.includes('must-revalidate')) return undefined;
  const age = /^\d{1,9}$/.exec(headers.get('age') ?? '')?.[0] ?? '0';
  return Math.max(MIN_FRESH_MS, (Number(maxAge) - Number(age)) * 1000);
}

/** The wait after a first failure: about the time in which a service restarts its listener. */
const FIRST_RETRY_MS: DurationMs = 250;

/** The longest wait between failing attempts: an instance without keys refuses all requests. */
const MAX_RETRY_MS: DurationMs = 30_000;

/**
 * The wait before the next fetch, in ms. Half of it after a failure, and a tenth of it after a success, is random, so that instances
 * that started together do not fetch together.
 *
 * @param failures number of failed attempts since the last success
 * @param refreshMs the wait after a success; also the longest after a failure
 * @param random from 0 up to 1
 */
export function waitBeforeNext(failures: number, refreshMs: DurationMs, random: number): DurationMs {
  if (failures === 0) return refreshMs * (0.9 + 0.1 * random);
  const wait = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), MAX_RETRY_MS, refreshMs);
  return wait * (0.5 + 0.5 * random);
}
