import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Fetch, KeyDocuments, KeySource } from '@rescind/token';
import { openKeySource } from '@rescind/token';
import { describeFetchFailure } from '@rescind/token/fetch';
import type { IssuerSettings } from './issuer-options.ts';
import { findEndpoint, MetadataUnavailable } from './metadata.ts';

const FIRST_RETRY_MS: DurationMs = 500;
const MAX_RETRY_MS: DurationMs = 30_000;

/** The issuer of the keys, and what finds, fetches and stores them. */
export interface TokenKeysOptions {
  readonly issuer: Pick<IssuerSettings, 'issuer' | 'issuerUrl' | 'jwksUrl'>;
  /** The name of the health check. */
  readonly name: string;
  /** Undefined: the keys are not stored, and a restart requires the issuer. */
  readonly documents: KeyDocuments | undefined;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/**
 * Opens the keys of an issuer's access tokens: at `jwksUrl` if it is given, else at the address that the issuer's metadata last had
 * (which is stored, so a restart does not require the issuer), else at the address that they have now, else at the usual
 * address. If the address changes, the keys of the new one replace the others once they are fetched.
 */
export function openTokenKeys(options: TokenKeysOptions): KeySource {
  const { issuer, documents, fetch, clock, telemetry, name } = options;
  const open = (url: string) => openKeySource({ url, documents, fetch, clock, telemetry, name });
  if (issuer.jwksUrl !== undefined) return open(issuer.jwksUrl);
  return new LocatedKeys(open, openCachedLocation(options), (signal) => locationsOf(options, signal), name);
}

/** An address of keys. */
interface KeyLocation {
  readonly url: string;
  /** Whether the issuer's metadata have it. Else it is the usual address. */
  readonly certain: boolean;
  /** Why the metadata could not be read: each address with its cause. */
  readonly failure: string | undefined;
}

interface CachedLocation {
  readonly url: string | undefined;
  keep(url: string): void;
}

class LocatedKeys implements KeySource {
  readonly #open: (url: string) => KeySource;
  readonly #cached: CachedLocation;
  readonly #name: string;
  readonly #closing = new AbortController();
  readonly #located = Promise.withResolvers<void>();
  readonly #following: Promise<void>;
  /** Why the metadata cannot be used. */
  #failure: string | undefined;
  #source: KeySource | undefined;
  #url: string | undefined;

  constructor(
    open: (url: string) => KeySource,
    kept: CachedLocation,
    places: (signal: AbortSignal) => AsyncIterable<KeyLocation>,
    name: string,
  ) {
    this.#name = name;
    this.#open = open;
    this.#cached = kept;
    // The promise may reject without a handler.
    this.#located.promise.catch(() => undefined);
    if (kept.url !== undefined) this.#start(kept.url);
    this.#following = this.#follow(places(this.#closing.signal));
  }

  find(kid: string | undefined, alg: string) {
    return this.#source?.find(kid, alg);
  }

  nameOf(kid: string | undefined, alg: string) {
    return this.#source?.nameOf(kid, alg);
  }

  kids() {
    return this.#source?.kids() ?? [];
  }

  async ready(signal?: AbortSignal): Promise<void> {
    await unlessAborted(this.#located.promise, signal);
    const source = this.#source;
    try {
      await source?.ready(signal);
    } catch (error) {
      // The source was closed because the keys moved to another address.
      if (source === this.#source || this.#closing.signal.aborted) throw error;
      await this.ready(signal);
    }
  }

  async ensure(kid: string | undefined, alg?: string): Promise<boolean> {
    return (await this.#source?.ensure(kid, alg)) ?? false;
  }

  renew(kid: string | undefined, alg: string) {
    return this.#source?.renew(kid, alg);
  }

  health() {
    const none = { name: this.#name, status: 'fail' as const, keys: 0, origin: 'none' };
    const checks = this.#source?.health() ?? [none];
    return this.#failure === undefined ? checks : checks.map((check) => ({ ...check, metadata: this.#failure }));
  }

  async close(): Promise<void> {
    const stopping = new RescindError('stopping');
    this.#closing.abort(stopping);
    this.#located.reject(stopping);
    await this.#following;
    await this.#source?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #follow(places: AsyncIterable<KeyLocation>): Promise<void> {
    for await (const { url, certain, failure } of places) {
      this.#failure = failure;
      if (this.#source === undefined) this.#start(url);
      else if (certain && url !== this.#url && !(await this.#move(url))) return;
      if (certain) this.#cached.keep(url);
    }
  }

  #start(url: string): void {
    this.#source = this.#open(url);
    this.#url = url;
    this.#located.resolve();
  }

  /** Returns whether the new address had keys before this source was closed. */
  async #move(url: string): Promise<boolean> {
    const next = this.#open(url);
    try {
      await next.ready(this.#closing.signal);
    } catch {
      await next.close();
      return false;
    }
    const before = this.#source;
    this.#source = next;
    this.#url = url;
    await before?.close();
    return true;
  }
}

/** Reads the metadata until they have the address of the keys, or the issuer has none. */
async function* locationsOf(options: TokenKeysOptions, signal: AbortSignal): AsyncGenerator<KeyLocation> {
  const { fetch, issuer } = options;
  const usual = new URL(`${issuer.issuerUrl.replace(/\/+$/, '')}/.well-known/jwks.json`).href;
  const report = createReport(options);
  for (let wait = FIRST_RETRY_MS; !signal.aborted; wait = Math.min(wait * 2, MAX_RETRY_MS)) {
    try {
      const found = await findEndpoint('jwks_uri', { ...issuer, fetch, signal });
      yield { url: found ?? usual, certain: true, failure: undefined };
      return;
    } catch (error) {
      if (signal.aborted) return;
      yield { url: usual, certain: false, failure: report(error) };
    }
    await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** Counts each failure, logs it if it differs from the last one, and returns its message. */
function createReport({ telemetry, name: source }: TokenKeysOptions): (error: unknown) => string {
  let last: string | undefined;
  return (error) => {
    const result = error instanceof MetadataUnavailable ? error.result : 'unusable';
    const message = error instanceof MetadataUnavailable ? error.message : describeFetchFailure(error);
    telemetry.count('rescind_metadata_failures_total', { result });
    if (message !== last) telemetry.log('warn', `metadata_${result}`, { source, error: message });
    last = message;
    return message;
  };
}

function openCachedLocation({ issuer, telemetry, documents, name: source }: TokenKeysOptions): CachedLocation {
  const name = `jwks_uri ${issuer.issuer}`;
  const url = documents?.read(name);
  return {
    url,
    keep(now) {
      if (now === url) return;
      telemetry.log('info', 'keys_located', { source, url: now });
      try {
        documents?.write(name, now);
      } catch (error) {
        // The address is read from the metadata again after the next start.
        telemetry.log('error', 'keys_not_stored', { source, error: messageOf(error) });
      }
    },
  };
}

async function unlessAborted(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return promise;
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort);
  await Promise.race([promise, aborted.promise]).finally(() => signal.removeEventListener('abort', abort));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}
