import type { DurationMs, EpochMillis, HealthCheck } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { ALGORITHMS } from '../jwk.ts';
import type { KeySet } from '../key-set.ts';
import type { FetchedKeys } from './fetch-jwks.ts';
import { FetchFailure, fetchJwks, waitBeforeNext } from './fetch-jwks.ts';
import type { EventKeySource, FetchedKeySet, KeySourceOptions } from './options.ts';
import { toSettings } from './options.ts';
import { createKeyStore } from './stored-keys.ts';

/** The keys in use, with the time of their fetch. */
interface HeldKeys {
  readonly keys: KeySet;
  readonly fetchedAt: EpochMillis;
  /** The monotonic time of the fetch; undefined for stored keys. */
  readonly fetchedMonotonic: DurationMs | undefined;
}

const EMPTY: KeySet = { find: () => undefined, nameOf: () => undefined, kids: () => [] };

/** RFC 9111 section 5.2.1.4: caches revalidate before they answer. */
const NO_CACHE = { 'cache-control': 'no-cache' };

/**
 * Opens a source of keys. It uses the stored set at once, if there is one, and starts to fetch. Until the first success it retries
 * with back-off; then it fetches every `refreshMs`, or earlier where the server sends `must-revalidate` with a shorter `max-age`. A
 * failed fetch changes nothing.
 *
 * Metrics: `rescind_key_fetches_total{result}`, `rescind_key_documents_total{result}` (`written`, `not_written`,
 * `unusable`). Log lines: `keys_changed`, `keys_fetch_failed`, `stored_keys_unusable`, `keys_not_stored`.
 *
 * @throws TypeError for an option out of its range
 */
export function openKeySource(options: KeySourceOptions): EventKeySource {
  const settings = toSettings(options);
  const { name, url, clock, telemetry, cooldownMs, refreshMs } = settings;
  const store = createKeyStore(settings);
  const stored = store.read();
  let held: HeldKeys | undefined = stored && { ...stored, fetchedMonotonic: undefined };
  /** How long the server allows the present set to be used; undefined: it does not state it. */
  let freshForMs: DurationMs | undefined;
  let failures = 0;
  let successes = 0;
  let lastError: string | null = null;
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  /** Wakes the callers of `ready`. */
  const waiting = new Set<() => void>();
  const listeners = new Set<(set: FetchedKeySet) => void>();
  const closing = new AbortController();

  const present = (): KeySet => held?.keys ?? EMPTY;
  const find: KeySet['find'] = (kid, alg) => present().find(kid, alg);
  const kids: KeySet['kids'] = () => present().kids();

  function isKnown(kid: string | undefined, alg: string | undefined): boolean {
    if (alg !== undefined) return find(kid, alg) !== undefined;
    return kid !== undefined && kids().includes(kid);
  }

  /** The greater age by the two clocks. Null: the wall clock is behind the time of stored keys. */
  function ageOf({ fetchedAt, fetchedMonotonic }: HeldKeys): DurationMs | null {
    const byWall = clock.now() - fetchedAt;
    if (fetchedMonotonic !== undefined) return Math.max(byWall, clock.monotonic() - fetchedMonotonic);
    return byWall < 0 ? null : byWall;
  }

  /** Fetches at most once per cool-down. Undefined, at once: it may not fetch now. */
  function limited(): () => Promise<void> | undefined {
    let last = Number.NEGATIVE_INFINITY;
    return () => {
      const now = clock.monotonic();
      if (now - last < cooldownMs) return undefined;
      last = now;
      return refresh();
    };
  }
  const fetchForUnknown = limited();
  const fetchForSignature = limited();

  /** Fetches once; callers during a fetch share it. Never rejects. */
  function refresh(headers: Readonly<Record<string, string>> = {}): Promise<void> {
    running ??= fetchOnce(headers).finally(() => {
      running = undefined;
      schedule();
    });
    return running;
  }

  function schedule(): void {
    clearTimeout(timer);
    if (closing.signal.aborted) return;
    const wait = waitBeforeNext(failures, Math.min(refreshMs, freshForMs ?? refreshMs), Math.random());
    timer = setTimeout(() => void refresh(), wait).unref();
  }

  async function fetchOnce(headers: Readonly<Record<string, string>>): Promise<void> {
    const begunAt = clock.monotonic();
    try {
      const fetched = await fetchJwks(settings.fetch, url, settings.limits, closing.signal, headers);
      if (closing.signal.aborted) return;
      accept(fetched);
      successes += 1;
      for (const listener of listeners) listener({ kids: kids(), begunAt, ...epochOf(fetched.jwks) });
    } catch (error) {
      if (!closing.signal.aborted) fail(error);
    }
  }

  function accept(fetched: FetchedKeys): void {
    const before = present();
    const fetchedAt = clock.now();
    held = { keys: fetched.keys, fetchedAt, fetchedMonotonic: clock.monotonic() };
    freshForMs = fetched.freshForMs;
    if (failures > 0) telemetry.log('info', 'keys_fetched_again', { source: name, url });
    failures = 0;
    lastError = null;
    telemetry.count('rescind_key_fetches_total', { result: 'ok' });
    logChange(before, fetched.keys);
    store.write(fetchedAt, fetched.jwks);
    wakeWaiting();
  }

  function fail(error: unknown): void {
    const result = error instanceof FetchFailure ? error.result : 'unusable';
    failures += 1;
    lastError = error instanceof FetchFailure ? `${result}: ${error.message}` : result;
    telemetry.count('rescind_key_fetches_total', { result });
    telemetry.log('warn', 'keys_fetch_failed', { source: name, url, error: lastError, failures, keys: kids().length });
  }

  function logChange(before: KeySet, after: KeySet): void {
    const [oldKids, newKids] = [before.kids(), after.kids()];
    const added = newKids.filter((kid) => !oldKids.includes(kid)).length;
    const removed = oldKids.filter((kid) => !newKids.includes(kid)).length;
    const replaced = newKids.filter((kid) => isReplaced(kid, before, after)).length;
    if (added + removed + replaced === 0) return;
    telemetry.log('info', 'keys_changed', { source: name, added, removed, replaced, keys: newKids.length });
  }

  function nextChange(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        waiting.delete(wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      waiting.add(wake);
      signal?.addEventListener('abort', wake);
    });
  }

  function wakeWaiting(): void {
    for (const wake of waiting) wake();
  }

  function health(): HealthCheck[] {
    const isStored = store.isStored();
    const isWell = held?.fetchedMonotonic !== undefined && failures === 0 && isStored !== false;
    const age = held === undefined ? null : ageOf(held);
    return [
      {
        name,
        status: held === undefined ? 'fail' : isWell ? 'pass' : 'warn',
        keys: kids().length,
        origin: held === undefined ? 'none' : held.fetchedMonotonic === undefined ? 'stored' : 'fetched',
        ageMs: age === null ? null : Math.round(age),
        stored: isStored ?? null,
        failures,
        lastError,
      },
    ];
  }

  async function close(): Promise<void> {
    closing.abort();
    clearTimeout(timer);
    wakeWaiting();
    await running;
  }

  void refresh();
  return {
    find,
    nameOf: (kid, alg) => present().nameOf(kid, alg),
    kids,
    async ready(signal) {
      while (held === undefined) {
        signal?.throwIfAborted();
        if (closing.signal.aborted) throw new RescindError('stopping');
        await nextChange(signal);
      }
    },
    async ensure(kid, alg) {
      if (!isKnown(kid, alg) && !closing.signal.aborted) await (running ?? fetchForUnknown());
      return isKnown(kid, alg);
    },
    renew(kid, alg) {
      if (closing.signal.aborted) return undefined;
      const before = find(kid, alg);
      const fetched = running ?? fetchForSignature();
      return fetched?.then(() => {
        const now = find(kid, alg);
        return now !== undefined && !(before !== undefined && now.equals(before));
      });
    },
    async refetch() {
      // A running fetch may have been answered before this call.
      await running;
      const before = successes;
      if (!closing.signal.aborted) await refresh(NO_CACHE);
      return successes > before;
    },
    onFetched(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    health,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Whether a name has other key material than before. */
function isReplaced(kid: string, before: KeySet, after: KeySet): boolean {
  return ALGORITHMS.some((alg) => {
    const old = before.find(kid, alg);
    return old !== undefined && before.nameOf(kid, alg) === kid && after.find(kid, alg)?.equals(old) === false;
  });
}

function epochOf(jwks: unknown): Pick<FetchedKeySet, 'epoch' | 'epochKid'> {
  const members: { epoch?: unknown; epoch_kid?: unknown } = typeof jwks === 'object' && jwks !== null ? jwks : {};
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null);
  return { epoch: text(members.epoch), epochKid: text(members.epoch_kid) };
}
