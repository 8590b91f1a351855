import type { DurationMs, EpochMillis, HealthCheck } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { ALGORITHMS } from '../algorithm.ts';
import type { KeySet } from '../key-set.ts';
import type { FetchedKeys } from './fetch-jwks.ts';
import { FetchFailure, fetchJwks } from './fetch-jwks.ts';
import type { KeyKeeper } from './kept-keys.ts';
import { createKeyKeeper } from './kept-keys.ts';
import type { KeySourceOptions, KeySourceSettings } from './options.ts';
import { toSettings } from './options.ts';
import { waitBeforeNext } from './pace.ts';

/** The keys at an address, as of the last fetch. A key that is no longer in the set stops verifying at the next fetch. */
export interface KeySource extends KeySet, AsyncDisposable {
  /** Resolves when there are keys, fetched or kept. @throws RescindError `stopping` once closed */
  ready(signal?: AbortSignal): Promise<void>;
  /**
   * Whether this kid is known (and has a key for `alg`, if that is given), after one fetch if it is not: at most one in a
   * cool-down, whoever asks for whatever. Asked during a fetch, it waits for that one. Never throws.
   */
  ensure(kid: string | undefined, alg?: string): Promise<boolean>;
  /**
   * Whether a key is another now, after one fetch: for a signature that it did not verify, since an issuer may publish new
   * material under an old `kid`. At most one fetch in a cool-down of its own, so that wrong signatures neither cause more nor
   * hold up those for unknown kids. Undefined at once when none may be made now. Never rejects.
   */
  renew(kid: string | undefined, alg: string): Promise<boolean> | undefined;
  /**
   * `fail` without keys; `warn` when the last fetch failed, the keys are of an earlier process, or they could not be
   * kept. `ageMs` is null if unknown.
   */
  health(): HealthCheck[];
  /** Ends the timer and the fetch under way. */
  close(): Promise<void>;
}

/** A set that was fetched, as those see it who have to know when the fetch began. */
export interface FetchedKeySet {
  readonly kids: readonly string[];
  /** The set's member `epoch`: the epoch that the log of these keys is in. Null: it has none. */
  readonly epoch: string | null;
  /** Its member `epoch_kid`: the key that signs that epoch. Null: it has none. */
  readonly epochKid: string | null;
  /** When the request was sent, monotonic ms of the source's clock: the set is not older than that. */
  readonly begunAt: DurationMs;
}

/** The keys of a log's events. */
export interface EventKeySource extends KeySource {
  /** Fetches the set once, past every cache, beginning after this call. Whether that succeeded. Never rejects. */
  refetch(): Promise<boolean>;
  /** Calls `listener` after each fetch that succeeded, whatever caused it. Returns what ends that. */
  onFetched(listener: (set: FetchedKeySet) => void): () => void;
}

/** The keys in use, and since when. */
interface HeldKeys {
  readonly keys: KeySet;
  readonly fetchedAt: EpochMillis;
  /** The monotonic time of the fetch; undefined for kept keys. */
  readonly fetchedMonotonic: DurationMs | undefined;
}

const EMPTY: KeySet = { find: () => undefined, nameOf: () => undefined, kids: () => [] };

/**
 * Opens a source of keys: uses the kept set at once, if there is one, and begins to fetch. Until the first success it
 * tries again with a growing wait; then it fetches every `refreshMs`, or sooner where the server says `must-revalidate`
 * with a shorter `max-age`. A fetch that brings nothing usable changes nothing.
 *
 * Metrics: `rescind_key_fetches_total{result}`, `rescind_key_documents_total{result}` (`written`, `not_written`,
 * `unusable`). Log lines: `keys_changed`, `keys_fetch_failed`, `keys_kept_unusable`, `keys_not_kept`.
 *
 * @throws TypeError for an option out of its range
 */
export function openKeySource(options: KeySourceOptions): EventKeySource {
  return new FetchingKeySource(options);
}

class FetchingKeySource implements EventKeySource {
  readonly #settings: KeySourceSettings;
  readonly #keeper: KeyKeeper;

  #held: HeldKeys | undefined;
  #freshForMs: DurationMs | undefined;
  #failures = 0;
  #lastError: string | null = null;
  #flight: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Monotonic time of the last fetch that an unknown kid caused. */
  #askedAt = Number.NEGATIVE_INFINITY;
  /** Monotonic time of the last fetch that a wrong signature caused. */
  #renewedAt = Number.NEGATIVE_INFINITY;
  readonly #waiting = new Set<() => void>();
  readonly #listeners = new Set<(set: FetchedKeySet) => void>();
  #successes = 0;
  readonly #closing = new AbortController();

  constructor(options: KeySourceOptions) {
    this.#settings = toSettings(options);
    this.#keeper = createKeyKeeper(this.#settings);
    const kept = this.#keeper.read();
    this.#held = kept && { ...kept, fetchedMonotonic: undefined };
    void this.#refresh();
  }

  find(kid: string | undefined, alg: string) {
    return (this.#held?.keys ?? EMPTY).find(kid, alg);
  }

  nameOf(kid: string | undefined, alg: string) {
    return (this.#held?.keys ?? EMPTY).nameOf(kid, alg);
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

  async ensure(kid: string | undefined, alg?: string): Promise<boolean> {
    if (!this.#knows(kid, alg) && !this.#closing.signal.aborted) await (this.#flight ?? this.#refreshOnceInCooldown());
    return this.#knows(kid, alg);
  }

  renew(kid: string | undefined, alg: string): Promise<boolean> | undefined {
    if (this.#closing.signal.aborted) return undefined;
    const before = this.find(kid, alg);
    const flight = this.#flight ?? this.#renewOnceInCooldown();
    return flight?.then(() => {
      const now = this.find(kid, alg);
      return now !== undefined && !(before !== undefined && now.equals(before));
    });
  }

  async refetch(): Promise<boolean> {
    // What is under way may have been answered before this call.
    await this.#flight;
    const before = this.#successes;
    if (!this.#closing.signal.aborted) await this.#refresh(NO_CACHE);
    return this.#successes > before;
  }

  onFetched(listener: (set: FetchedKeySet) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  health(): HealthCheck[] {
    const held = this.#held;
    const isWell = held?.fetchedMonotonic !== undefined && this.#failures === 0 && this.#keeper.isKept() !== false;
    return [
      {
        name: this.#settings.name,
        status: held === undefined ? 'fail' : isWell ? 'pass' : 'warn',
        keys: this.kids().length,
        origin: held === undefined ? 'none' : held.fetchedMonotonic === undefined ? 'kept' : 'fetched',
        ageMs: this.#wholeAge(held),
        kept: this.#keeper.isKept(),
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

  #knows(kid: string | undefined, alg: string | undefined): boolean {
    if (alg !== undefined) return this.find(kid, alg) !== undefined;
    return kid !== undefined && this.kids().includes(kid);
  }

  /** By the worse of both clocks. Null: the wall clock is behind the time of kept keys. */
  #age({ fetchedAt, fetchedMonotonic }: HeldKeys): DurationMs | null {
    const byWall = this.#settings.clock.now() - fetchedAt;
    if (fetchedMonotonic !== undefined) return Math.max(byWall, this.#settings.clock.monotonic() - fetchedMonotonic);
    return byWall < 0 ? null : byWall;
  }

  #wholeAge(held: HeldKeys | undefined): DurationMs | null {
    const age = held === undefined ? null : this.#age(held);
    return age === null ? null : Math.round(age);
  }

  #refreshOnceInCooldown(): Promise<void> | undefined {
    const now = this.#settings.clock.monotonic();
    if (now - this.#askedAt < this.#settings.cooldownMs) return undefined;
    this.#askedAt = now;
    return this.#refresh();
  }

  #renewOnceInCooldown(): Promise<void> | undefined {
    const now = this.#settings.clock.monotonic();
    if (now - this.#renewedAt < this.#settings.cooldownMs) return undefined;
    this.#renewedAt = now;
    return this.#refresh();
  }

  /** One flight: whoever comes during a fetch shares it. Never rejects. */
  #refresh(headers: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#flight ??= this.#fetchOnce(headers).finally(() => {
      this.#flight = undefined;
      this.#schedule();
    });
    return this.#flight;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closing.signal.aborted) return;
    const { refreshMs } = this.#settings;
    const wait = waitBeforeNext(this.#failures, Math.min(refreshMs, this.#freshForMs ?? refreshMs), Math.random());
    this.#timer = setTimeout(() => void this.#refresh(), wait).unref();
  }

  async #fetchOnce(headers: Readonly<Record<string, string>>): Promise<void> {
    const { fetch, url, limits } = this.#settings;
    const closing = this.#closing.signal;
    const begunAt = this.#settings.clock.monotonic();
    try {
      const fetched = await fetchJwks(fetch, url, limits, closing, headers);
      if (closing.aborted) return;
      this.#take(fetched);
      this.#successes += 1;
      for (const listener of this.#listeners) listener({ kids: this.kids(), begunAt, ...epochOf(fetched.jwks) });
    } catch (error) {
      if (!closing.aborted) this.#fail(error);
    }
  }

  #take({ keys, jwks, freshForMs }: FetchedKeys): void {
    const before = this.#held?.keys ?? EMPTY;
    const fetchedAt = this.#settings.clock.now();
    this.#held = { keys, fetchedAt, fetchedMonotonic: this.#settings.clock.monotonic() };
    this.#freshForMs = freshForMs;
    if (this.#failures > 0) {
      const { name: source, url } = this.#settings;
      this.#settings.telemetry.log('info', 'keys_fetched_again', { source, url });
    }
    this.#failures = 0;
    this.#lastError = null;
    this.#settings.telemetry.count('rescind_key_fetches_total', { result: 'ok' });
    this.#logChange(before, keys);
    this.#keeper.keep(fetchedAt, jwks);
    this.#announce();
  }

  #fail(error: unknown): void {
    const result = error instanceof FetchFailure ? error.result : 'unusable';
    this.#failures += 1;
    this.#lastError = error instanceof FetchFailure ? `${result}: ${error.message}` : result;
    this.#settings.telemetry.count('rescind_key_fetches_total', { result });
    this.#settings.telemetry.log('warn', 'keys_fetch_failed', {
      source: this.#settings.name,
      url: this.#settings.url,
      error: this.#lastError,
      failures: this.#failures,
      keys: this.kids().length,
    });
  }

  #logChange(before: KeySet, after: KeySet): void {
    const known = before.kids();
    const kids = after.kids();
    const added = kids.filter((kid) => !known.includes(kid)).length;
    const removed = known.filter((kid) => !kids.includes(kid)).length;
    const replaced = kids.filter((kid) => isReplaced(kid, before, after)).length;
    if (added + removed + replaced === 0) return;
    this.#settings.telemetry.log('info', 'keys_changed', {
      source: this.#settings.name,
      ...{ added, removed, replaced, keys: kids.length },
    });
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

/** Whether a name stands for other material than before. */
function isReplaced(kid: string, before: KeySet, after: KeySet): boolean {
  return ALGORITHMS.some((alg) => {
    const old = before.find(kid, alg);
    return old !== undefined && before.nameOf(kid, alg) === kid && after.find(kid, alg)?.equals(old) === false;
  });
}

/** RFC 9111 section 5.2.1.4: no cache on the way answers by itself. */
const NO_CACHE = { 'cache-control': 'no-cache' };

function epochOf(jwks: unknown): Pick<FetchedKeySet, 'epoch' | 'epochKid'> {
  const members: { epoch?: unknown; epoch_kid?: unknown } = typeof jwks === 'object' && jwks !== null ? jwks : {};
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null);
  return { epoch: text(members.epoch), epochKid: text(members.epoch_kid) };
}
