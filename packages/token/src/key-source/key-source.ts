import type { Clock, DurationMs, EpochMillis, HealthCheck, Telemetry } from '@rescind/revocation';
import { RescindError, silentTelemetry, systemClock } from '@rescind/revocation';
import type { KeySet } from '../key-set.ts';
import type { Fetch, FetchedKeys, FetchLimits } from './fetch-jwks.ts';
import { FetchFailure, fetchJwks } from './fetch-jwks.ts';
import type { KeyDocuments } from './kept-keys.ts';
import { fromKeptText, toKeptText } from './kept-keys.ts';
import { waitBeforeNext } from './pace.ts';

export interface KeySourceOptions {
  /** Address of the JWK Set, http or https, without a user and a password in it. */
  readonly url: string;
  /** Where the set is kept, so that a restart needs nobody. Default: nowhere. */
  readonly documents?: KeyDocuments | undefined;
  /** The name of that document. Default `jwks <url>`. */
  readonly documentName?: string | undefined;
  /** The name of the health check, and `source` in log lines. Default `keys`. */
  readonly name?: string | undefined;
  /** Default: the global one. */
  readonly fetch?: Fetch | undefined;
  readonly clock?: Clock | undefined;
  readonly telemetry?: Telemetry | undefined;
  /** Least time between two fetches for the sake of unknown kids, in ms. Default 30 000. */
  readonly cooldownMs?: DurationMs | undefined;
  /** Time between two fetches when all is well, in ms. Default 300 000. */
  readonly refreshMs?: DurationMs | undefined;
  /** Longest time one fetch may take, in ms. Default 5 000. */
  readonly timeoutMs?: DurationMs | undefined;
  /** Largest set that is read, in bytes. Default 262 144. */
  readonly maxBytes?: number | undefined;
}

/** The keys at an address, as of the last fetch. A key that is no longer in the set stops verifying at the next fetch. */
export interface KeySource extends KeySet, AsyncDisposable {
  /** Resolves when there are keys, fetched or kept. @throws RescindError `stopping` once closed */
  ready(signal?: AbortSignal): Promise<void>;
  /**
   * Whether this kid is known, after one fetch if it is not: at most one in a cool-down, whoever asks for whatever. Asked
   * during a fetch, it waits for that one. Never throws.
   */
  ensure(kid: string): Promise<boolean>;
  /** `fail` without keys; `warn` when the last fetch failed or the keys are kept ones; `ageMs` is null if unknown. */
  health(): HealthCheck[];
  /** Ends the timer and the fetch under way. */
  close(): Promise<void>;
}

/** The keys in use, and since when. */
interface HeldKeys {
  readonly keys: KeySet;
  readonly fetchedAt: EpochMillis;
  /** The monotonic time of the fetch; undefined for kept keys. */
  readonly fetchedMonotonic: DurationMs | undefined;
}

const EMPTY: KeySet = { find: () => undefined, kids: () => [] };

/**
 * Opens a source of keys: uses the kept set at once, if there is one, and begins to fetch. Until the first success it
 * tries again with a growing wait; then it fetches every `refreshMs`. A fetch that brings nothing usable changes nothing.
 *
 * Metric: `rescind_key_fetches_total{result}`. Log lines: `keys_changed`, `keys_fetch_failed`, `keys_kept_unusable`,
 * `keys_not_kept`.
 *
 * @throws TypeError for an option out of its range
 */
export function openKeySource(options: KeySourceOptions): KeySource {
  return new FetchingKeySource(options);
}

class FetchingKeySource implements KeySource {
  readonly #url: string;
  readonly #name: string;
  readonly #documents: KeyDocuments | undefined;
  readonly #documentName: string;
  readonly #fetch: Fetch;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #cooldownMs: DurationMs;
  readonly #refreshMs: DurationMs;
  readonly #limits: FetchLimits;

  #held: HeldKeys | undefined;
  #failures = 0;
  #lastError: string | null = null;
  #flight: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Monotonic time of the last fetch that an unknown kid caused. */
  #askedAt = Number.NEGATIVE_INFINITY;
  readonly #waiting = new Set<() => void>();
  readonly #closing = new AbortController();

  constructor(options: KeySourceOptions) {
    this.#url = requireUrl(options.url);
    this.#name = options.name ?? 'keys';
    this.#documents = options.documents;
    this.#documentName = options.documentName ?? `jwks ${options.url}`;
    this.#fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.#clock = options.clock ?? systemClock;
    this.#telemetry = options.telemetry ?? silentTelemetry;
    this.#cooldownMs = requireDuration('cooldownMs', options.cooldownMs ?? 30_000);
    this.#refreshMs = requireDuration('refreshMs', options.refreshMs ?? 300_000);
    this.#limits = {
      timeoutMs: requireDuration('timeoutMs', options.timeoutMs ?? 5_000),
      maxBytes: requireDuration('maxBytes', options.maxBytes ?? 262_144),
    };
    this.#held = this.#readKept();
    void this.#refresh();
  }

  find(kid: string, alg: string) {
    return (this.#held?.keys ?? EMPTY).find(kid, alg);
  }

  kids() {
    return (this.#held?.keys ?? EMPTY).kids();
  }

  async ready(signal?: AbortSignal): Promise<void> {
    while (this.#held === undefined) {
      signal?.throwIfAborted();
      if (this.#closing.signal.aborted) throw new RescindError('stopping');
      await this.#changed(signal);
    }
  }

  async ensure(kid: string): Promise<boolean> {
    if (!this.#knows(kid) && !this.#closing.signal.aborted) await (this.#flight ?? this.#refreshOnceInCooldown());
    return this.#knows(kid);
  }

  health(): HealthCheck[] {
    const held = this.#held;
    const isCurrent = held?.fetchedMonotonic !== undefined && this.#failures === 0;
    return [
      {
        name: this.#name,
        status: held === undefined ? 'fail' : isCurrent ? 'pass' : 'warn',
        keys: this.kids().length,
        origin: held === undefined ? 'none' : held.fetchedMonotonic === undefined ? 'kept' : 'fetched',
        ageMs: held === undefined ? null : this.#age(held),
        failures: this.#failures,
        lastError: this.#lastError,
      },
    ];
  }

  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#timer);
    this.#announce();
    await this.#flight;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #knows(kid: string): boolean {
    return this.kids().includes(kid);
  }

  /** By the worse of both clocks. Null: the wall clock is behind the time of kept keys. */
  #age({ fetchedAt, fetchedMonotonic }: HeldKeys): DurationMs | null {
    const byWall = this.#clock.now() - fetchedAt;
    if (fetchedMonotonic !== undefined) return Math.max(byWall, this.#clock.monotonic() - fetchedMonotonic);
    return byWall < 0 ? null : byWall;
  }

  #refreshOnceInCooldown(): Promise<void> | undefined {
    const now = this.#clock.monotonic();
    if (now - this.#askedAt < this.#cooldownMs) return undefined;
    this.#askedAt = now;
    return this.#refresh();
  }

  /** One flight: whoever comes during a fetch shares it. Never rejects. */
  #refresh(): Promise<void> {
    this.#flight ??= this.#fetchOnce().finally(() => {
      this.#flight = undefined;
      this.#schedule();
    });
    return this.#flight;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closing.signal.aborted) return;
    const wait = waitBeforeNext(this.#failures, this.#refreshMs, Math.random());
    this.#timer = setTimeout(() => void this.#refresh(), wait).unref();
  }

  async #fetchOnce(): Promise<void> {
    try {
      this.#take(await fetchJwks(this.#fetch, this.#url, this.#limits, this.#closing.signal));
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#fail(error);
    }
  }

  #take({ keys, jwks }: FetchedKeys): void {
    const before = this.kids();
    const fetchedAt = this.#clock.now();
    this.#held = { keys, fetchedAt, fetchedMonotonic: this.#clock.monotonic() };
    this.#failures = 0;
    this.#lastError = null;
    this.#telemetry.count('rescind_key_fetches_total', { result: 'ok' });
    this.#logChange(before, keys.kids());
    this.#keep(toKeptText(this.#url, fetchedAt, jwks));
    this.#announce();
  }

  #fail(error: unknown): void {
    const result = error instanceof FetchFailure ? error.result : 'unusable';
    this.#failures += 1;
    this.#lastError = error instanceof FetchFailure ? `${result}: ${error.message}` : result;
    this.#telemetry.count('rescind_key_fetches_total', { result });
    this.#telemetry.log('warn', 'keys_fetch_failed', {
      source: this.#name,
      error: this.#lastError,
      failures: this.#failures,
      keys: this.kids().length,
    });
  }

  #logChange(before: readonly string[], after: readonly string[]): void {
    const added = after.filter((kid) => !before.includes(kid)).length;
    const removed = before.filter((kid) => !after.includes(kid)).length;
    if (added + removed === 0) return;
    this.#telemetry.log('info', 'keys_changed', { source: this.#name, added, removed, keys: after.length });
  }

  #readKept(): HeldKeys | undefined {
    try {
      const text = this.#documents?.read(this.#documentName);
      if (text === undefined) return undefined;
      return { ...fromKeptText(text, this.#url), fetchedMonotonic: undefined };
    } catch (error) {
      this.#telemetry.log('warn', 'keys_kept_unusable', { source: this.#name, error: messageOf(error) });
      return undefined;
    }
  }

  /** Keys that could not be kept are used all the same: what suffers is only the next restart. */
  #keep(text: string): void {
    try {
      this.#documents?.write(this.#documentName, text);
    } catch (error) {
      this.#telemetry.log('error', 'keys_not_kept', { source: this.#name, error: messageOf(error) });
    }
  }

  #changed(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal?.addEventListener('abort', wake);
    });
  }

  #announce(): void {
    for (const wake of this.#waiting) wake();
  }
}

function requireUrl(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.username !== '' || parsed.password !== '') {
    throw new TypeError('url must be an http or https address without a user and a password');
  }
  return parsed.href;
}

/** Timers take 31 bits: beyond, they would fire at once and for ever. */
function requireDuration(name: string, value: number): number {
  if (typeof value === 'number' && value > 0 && value < 2 ** 31) return value;
  throw new TypeError(`${name} must be a number above 0 and below 2^31, got ${value}`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}
