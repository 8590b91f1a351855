import type { DurationMs } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { KeySet } from '../key-set.ts';
import { createKeySet } from '../key-set.ts';
import { mustRevalidateAfter } from './freshness.ts';

/** The part of `fetch` that is used: the global one, or one that adds a proxy, an agent or a certificate authority. */
export type Fetch = (url: string, init: FetchInit) => Promise<Response>;

/** What is asked of it: no redirect is followed, and `signal` ends it. */
export interface FetchInit {
  /** Absent: GET. */
  readonly method?: 'POST';
  readonly body?: string;
  readonly redirect: 'error';
  readonly signal: AbortSignal;
  readonly headers: Readonly<Record<string, string>>;
}

export interface FetchedKeys {
  readonly keys: KeySet;
  /** The parsed JSON it was made of. */
  readonly jwks: unknown;
  /** After how long its server wants to be asked again; undefined: it leaves that to us. */
  readonly freshForMs: DurationMs | undefined;
}

/** How a fetch ended: the label `result` of `rescind_key_fetches_total`. */
export type FetchResult = 'ok' | 'unreachable' | 'timeout' | 'status_wrong' | 'too_large' | 'unusable';

/** Why a fetch brought nothing. */
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
 * Fetches a JWK Set, once. Time and size are bounded, and no redirect is followed: the keys come from the address that
 * was configured or from nowhere.
 *
 * @throws FetchFailure whatever goes wrong
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
    const freshForMs = mustRevalidateAfter(response.headers);
    return { ...toKeys(await readBody(response, limits.maxBytes)), freshForMs };
  } catch (error) {
    if (error instanceof FetchFailure) throw error;
    if (timeout.aborted) throw new FetchFailure('timeout', `no answer within ${limits.timeoutMs} ms`);
    throw new FetchFailure('unreachable', describeFailure(error));
  }
}

async function readBody(response: Response, maxBytes: number): Promise<Buffer> {
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new FetchFailure('status_wrong', `answered ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop cancels the body, so what is too large is not read to its end.
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new FetchFailure('too_large', `more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
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

/**
 * What a failed `fetch` may be reported as: the code below undici's "fetch failed", such as `ECONNREFUSED`, or the name of the
 * error's class. Never a message: it could quote a header or an address.
 */
export function describeFailure(error: unknown): string {
  let name = 'unknown';
  for (let one = error; one instanceof Error; one = one.cause) {
    if ('code' in one && typeof one.code === 'string' && /^[A-Z][A-Z0-9_]*$/.test(one.code)) return one.code;
    // The one message that undici gives no code: compared, never repeated.
    if (one.message === 'unexpected redirect') return 'redirect';
    name = one.name;
  }
  return /^[A-Za-z]+$/.test(name) ? name : 'unknown';
}
