import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { silentTelemetry, systemClock } from '@rescind/revocation';
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

/** @throws TypeError for an option out of its range */
export function toSettings(options: KeySourceOptions): KeySourceSettings {
  const url = requireUrl(options.url);
  return {
    url,
    name: options.name ?? 'keys',
    documents: options.documents,
    documentName: options.documentName ?? `jwks ${url}`,
    fetch: options.fetch ?? ((address, init) => globalThis.fetch(address, init)),
    clock: options.clock ?? systemClock,
    telemetry: options.telemetry ?? silentTelemetry,
    cooldownMs: requirePositive('cooldownMs', options.cooldownMs ?? 30_000),
    refreshMs: requirePositive('refreshMs', options.refreshMs ?? 300_000),
    limits: {
      timeoutMs: requirePositive('timeoutMs', options.timeoutMs ?? 5_000),
      maxBytes: requirePositive('maxBytes', options.maxBytes ?? 262_144),
    },
  };
}

function requireUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.username !== '' || parsed.password !== '') {
    throw new TypeError('url must be an http or https address without a user and a password');
  }
  return parsed.href;
}

/** Timers take 31 bits: beyond, they would fire at once and for ever. */
function requirePositive(name: string, value: number): number {
  if (typeof value === 'number' && value > 0 && value < 2 ** 31) return value;
  throw new TypeError(`${name} must be a number above 0 and below 2^31, got ${value}`);
}
