import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { standardErrorTelemetry, systemClock } from '@rescind/revocation';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { Fetch, FetchLimits } from './fetch-jwks.ts';
import type { KeyDocuments } from './kept-keys.ts';

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
  /** Longest time between two fetches when all is well, in ms. Default 300 000. */
  readonly refreshMs?: DurationMs | undefined;
  /** Longest time one fetch may take, in ms. Default 5 000. */
  readonly timeoutMs?: DurationMs | undefined;
  /** Largest set that is read, in bytes. Default 262 144. */
  readonly maxBytes?: number | undefined;
}

/** What the options come to when the defaults are filled in. */
export interface KeySourceSettings {
  readonly url: string;
  readonly name: string;
  readonly documents: KeyDocuments | undefined;
  readonly documentName: string;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly cooldownMs: DurationMs;
  readonly refreshMs: DurationMs;
  readonly limits: FetchLimits;
}

/** Timers take 31 bits: beyond, they would fire at once and for ever. */
const timer = option.duration({ most: 2 ** 31 - 1 });

const keySourceOptions = optionsOf<KeySourceOptions>('openKeySource', {
  url: required(option.url({ query: true })),
  documents: option.having<KeyDocuments>('a store of documents', 'read', 'write'),
  documentName: option.text(),
  name: option.text(),
  fetch: option.callable<Fetch>(),
  clock: option.clock,
  telemetry: option.telemetry,
  cooldownMs: timer,
  refreshMs: timer,
  timeoutMs: timer,
  maxBytes: option.count({ least: 1, most: 2 ** 31 - 1 }),
});

/** @throws TypeError for an option that is missing, unknown or out of its range */
export function toSettings(given: KeySourceOptions): KeySourceSettings {
  const options = keySourceOptions(given);
  const url = new URL(options.url).href;
  const { name = 'keys', documents, documentName = `jwks ${url}` } = options;
  const { cooldownMs = 30_000, refreshMs = 300_000, timeoutMs = 5_000, maxBytes = 262_144 } = options;
  return {
    url,
    name,
    documents,
    documentName,
    fetch: options.fetch ?? ((address, init) => globalThis.fetch(address, init)),
    clock: options.clock ?? systemClock,
    telemetry: options.telemetry ?? standardErrorTelemetry,
    cooldownMs,
    refreshMs,
    limits: { timeoutMs, maxBytes },
  };
}
