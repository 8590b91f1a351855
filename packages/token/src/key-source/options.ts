import type { Clock, DurationMs, HealthCheck, Telemetry } from '@rescind/revocation';
import { standardErrorTelemetry, systemClock } from '@rescind/revocation';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { Fetch } from '../fetch.ts';
import { nodeFetch } from '../fetch.ts';
import type { KeySet } from '../key-set.ts';
import type { FetchLimits } from './fetch-jwks.ts';

/** The keys at an address, as of the last fetch. A key that is removed from the set verifies nothing after the next fetch. */
export interface KeySource extends KeySet, AsyncDisposable {
  /**
   * Resolves when there are keys, fetched or stored. The pending promise does not keep the process alive.
   * @throws RescindError `stopping` once closed
   */
  ready(signal?: AbortSignal): Promise<void>;
  /**
   * Whether this `kid` is known, and has a key for `alg` if that is given. For an unknown one it fetches the set first, at most once
   * per cool-down for all names together, or awaits the fetch that is running. Never rejects.
   */
  ensure(kid: string | undefined, alg?: string): Promise<boolean>;
  /**
   * Whether a fetch has replaced the key of this `kid`: for a signature that the key did not verify, since an issuer may publish new
   * material under an old `kid`. It fetches at most once per cool-down of its own, so that wrong signatures do not delay the fetches for
   * unknown names. Undefined, at once: it may not fetch now. Never rejects.
   */
  renew(kid: string | undefined, alg: string): Promise<boolean> | undefined;
  /**
   * `fail` without keys. `warn` when the last fetch failed, the keys are those of an earlier process, or they could not be stored.
   * `ageMs` is null if unknown.
   */
  health(): HealthCheck[];
  /** Ends the timer and the running fetch. */
  close(): Promise<void>;
}

/** A fetched set, for listeners that compare the start of the fetch with other events. */
export interface FetchedKeySet {
  readonly kids: readonly string[];
  /** The set's member `epoch`: the present epoch of the log of these keys. Null: it has none. */
  readonly epoch: string | null;
  /** Its member `epoch_kid`: the key that signs that epoch. Null: it has none. */
  readonly epochKid: string | null;
  /** When the request was sent, in monotonic ms of the source's clock: the set is not older. */
  readonly begunAt: DurationMs;
}

/** The keys of a log's events. */
export interface EventKeySource extends KeySource {
  /** Fetches the set once, bypassing caches, after any running fetch. Resolves with whether it succeeded. Never rejects. */
  refetch(): Promise<boolean>;
  /** Calls `listener` after each successful fetch. Returns a function that removes the listener. */
  onFetched(listener: (set: FetchedKeySet) => void): () => void;
}

/** A store of named texts that survives restarts. A denylist is one. */
export interface KeyDocuments {
  /** The text stored under this name; undefined: there is none. */
  read(name: string): string | undefined;
  /** Stores a text under this name, in place of the former one. */
  write(name: string, text: string): void;
}

/** The options of `openKeySource`. */
export interface KeySourceOptions {
  /** Address of the JWK Set, http or https, without user and password. */
  readonly url: string;
  /** Where the set is stored, as `jwks <url>`, so that a restart depends on no server. Default: nowhere. */
  readonly documents?: KeyDocuments | undefined;
  /** The name of the health check, and `source` in log lines. Default `keys`. */
  readonly name?: string | undefined;
  /** Default: `nodeFetch` of `@rescind/token/fetch`. */
  readonly fetch?: Fetch | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Default: warnings and errors are written to standard error. */
  readonly telemetry?: Telemetry | undefined;
  /** Least time between two fetches for unknown names, in ms. Default 30 000. */
  readonly cooldownMs?: DurationMs | undefined;
  /** Longest time between two fetches while they succeed, in ms. Default 300 000. */
  readonly refreshMs?: DurationMs | undefined;
  /** Longest time of one fetch, in ms. Default 5 000. */
  readonly timeoutMs?: DurationMs | undefined;
  /** Largest accepted set, in bytes. Default 262 144. */
  readonly maxBytes?: number | undefined;
}

/** The checked options, with defaults. */
export interface KeySourceSettings {
  readonly url: string;
  readonly name: string;
  readonly documents: KeyDocuments | undefined;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly cooldownMs: DurationMs;
  readonly refreshMs: DurationMs;
  readonly limits: FetchLimits;
}

/** A longer delay overflows the 31 bits of a timer, which then fires at once. */
const timer = option.duration({ max: 2 ** 31 - 1 });

const keySourceOptions = optionsOf<KeySourceOptions>('openKeySource', {
  url: required(option.url({ query: true })),
  documents: option.having<KeyDocuments>('a store of documents', 'read', 'write'),
  name: option.text(),
  fetch: option.callable<Fetch>(),
  clock: option.clock,
  telemetry: option.telemetry,
  cooldownMs: timer,
  refreshMs: timer,
  timeoutMs: timer,
  maxBytes: option.count({ min: 1, max: 2 ** 31 - 1 }),
});

/** @throws TypeError for an option that is missing, unknown or out of its range */
export function toSettings(given: KeySourceOptions): KeySourceSettings {
  const options = keySourceOptions(given);
  const url = new URL(options.url).href;
  const { name = 'keys', documents } = options;
  const { cooldownMs = 30_000, refreshMs = 300_000, timeoutMs = 5_000, maxBytes = 262_144 } = options;
  return {
    url,
    name,
    documents,
    fetch: options.fetch ?? nodeFetch,
    clock: options.clock ?? systemClock,
    telemetry: options.telemetry ?? standardErrorTelemetry,
    cooldownMs,
    refreshMs,
    limits: { timeoutMs, maxBytes },
  };
}
