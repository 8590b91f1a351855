import type { Feed } from '@rescind/feed';
import type { InstanceOptions } from '@rescind/feed/follower';
import { feedOptions, instanceOptions } from '@rescind/feed/follower';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { systemClock } from '@rescind/revocation';
import type { ExposedMetrics, TelemetryOption } from '@rescind/revocation/host-telemetry';
import { telemetryOption, toHostTelemetry } from '@rescind/revocation/host-telemetry';
import type { OptionShape } from '@rescind/revocation/options';
import { option, optionsOf } from '@rescind/revocation/options';
import type { Fetch } from '@rescind/token';
import { nodeFetch } from '@rescind/token/fetch';
import type { TokenCacheLimits } from './cache/token-cache.ts';
import { workerName } from './environment.ts';
import type { IssuerOptions, IssuerSettings } from './issuer-options.ts';
import { issuerShape, toIssuerSettings } from './issuer-options.ts';
import type { StalePolicy } from './route.ts';
import { requireIntrospection, stalePolicyOption } from './route.ts';
import type { SoftExpiry } from './soft-expiry.ts';
import { softExpiryOption } from './soft-expiry.ts';

/** Limits of the cache of verified tokens. */
interface CacheOptions {
  /** The largest number of tokens. Default 32 768. */
  readonly maxEntries?: number | undefined;
  /** The largest memory, in bytes, estimated from their length. Default 128 MiB: 32 768 tokens of 1 000 characters. */
  readonly maxBytes?: number | undefined;
}

/** The options of a guard: the issuer whose log it follows, and everything else. */
export interface GuardOptions extends IssuerOptions {
  /** The transports of the issuer's revocation log. Not with `revocation: 'none'`. Default: none, which only `revocation: 'none'` permits. */
  readonly feed?: Feed | undefined;
  /**
   * The SQLite file of the denylist, which one process uses. `{worker}` in it is replaced by the name of the process: `NODE_APP_INSTANCE` (pm2),
   * else the id of the cluster worker, else 0. Not with `revocation: 'none'`.
   * Default: none, which only `revocation: 'none'` permits.
   */
  readonly denylistPath?: string | undefined;
  /**
   * What operators know this instance by. The guard reports to the issuer how far it has applied the log, by the HTTP transport of the
   * feed; no decision waits for it. `false`: it sends no reports. Default: `{}`.
   */
  readonly instance?: InstanceOptions | false | undefined;
  /** The greatest number of rows in memory: with more, the guard reads rows from the file. Default 16 million. */
  readonly maxMemoryEntries?: number | undefined;
  /** The address of the keys of the log's events. Default `{issuerUrl}/.well-known/event-jwks.json`. */
  readonly eventJwksUrl?: string | undefined;
  /**
   * Other issuers whose tokens the guard accepts too. With `revocation: 'log'` the log of the first issuer has the revocations of their
   * tokens. An issuer with its own log requires a guard of its own.
   * Default: none.
   */
  readonly issuers?: readonly IssuerOptions[] | undefined;
  /** Fetches keys, metadata and introspection. Default: `nodeFetch` of `@rescind/token/fetch`. */
  readonly fetch?: Fetch | undefined;

  /** Beyond this age of the view the stale policy decides, in ms. Default 300 000. */
  readonly maxStalenessMs?: DurationMs | undefined;
  /** The same on routes marked critical. Default 10 000. */
  readonly criticalStalenessMs?: DurationMs | undefined;
  /** Beyond this age the view is degraded, in ms: health, log and metrics report it, and nothing is refused. Default 10 000. */
  readonly degradedAfterMs?: DurationMs | undefined;
  /** The stale policy of routes that have none of their own. Default `deny`: 503 with Retry-After. */
  readonly stale?: StalePolicy | undefined;
  /** How long the primary transport may be silent before the fallback is read, in ms. Default 3 000. */
  readonly silenceMs?: DurationMs | undefined;

  /** When the guard requires the renewal of a valid token. Default: at the time in its claim `soft_exp`. `false`: never. */
  readonly softExpiry?: SoftExpiry | false | undefined;
  /**
   * The cache of verified tokens. `false`: none, the guard verifies each signature each time. Default: a cache with the limits of
   * `CacheOptions`.
   */
  readonly cache?: CacheOptions | false | undefined;

  /** Default: that of the system. */
  readonly clock?: Clock | undefined;
  /**
   * A pino logger, a registry of prom-client, `{ logger, registry }`, or an implementation of `Telemetry`. Default: warnings and errors go to standard error,
   * and metrics stay in memory for `/metrics`.
   */
  readonly telemetry?: TelemetryOption | undefined;
}

/** The log that the guard follows. */
export interface LogSettings {
  readonly issuer: string;
  /** The issuers of tokens whose revocations it has. */
  readonly issuers: readonly string[];
  readonly feed: Feed;
  readonly denylistPath: string;
  readonly instance: InstanceOptions | false | undefined;
  readonly maxMemoryEntries: number | undefined;
  readonly eventJwksUrl: string;
  readonly silenceMs: DurationMs | undefined;
}

/** The options with their defaults. */
export interface GuardSettings {
  /** The first one writes the log. */
  readonly issuers: readonly [IssuerSettings, ...IssuerSettings[]];
  /** Undefined: the issuers have none. */
  readonly log: LogSettings | undefined;
  readonly fetch: Fetch;
  readonly maxStalenessMs: DurationMs;
  readonly criticalStalenessMs: DurationMs;
  readonly degradedAfterMs: DurationMs;
  readonly stale: StalePolicy;
  readonly softExpiry: SoftExpiry | false;
  readonly cache: TokenCacheLimits;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Undefined: the caller's `Telemetry` has the metrics. */
  readonly metrics: ExposedMetrics | undefined;
}

/** Long enough for a restart of the issuer or of the brokers, and a third of a token's usual life. */
const MAX_STALENESS_MS: DurationMs = 300_000;
/** Ten missed heartbeats: jitter does not explain them. */
const DEGRADED_AFTER_MS: DurationMs = 10_000;
/** The number of users at one time, at one instance. A token that is not cached costs another verification. */
const CACHE_ENTRIES = 32_768;
const CACHE_BYTES = 128 * 1024 * 1024;

/** The part of `denylistPath` that differs between the processes of one service. */
const WORKER = '{worker}';

/** Each option of a guard with its check. */
export const guardShape: OptionShape<GuardOptions> = {
  ...issuerShape,
  feed: feedOptions,
  denylistPath: option.filePath('the path of the denylist file, such as /data/denylist.db', [':memory:']),
  instance: instanceOptions,
  maxMemoryEntries: option.count(),
  eventJwksUrl: option.url(),
  issuers: option.list(optionsOf<IssuerOptions>('an issuer', issuerShape)),
  fetch: option.callable<Fetch>(),
  maxStalenessMs: option.duration(),
  criticalStalenessMs: option.duration(),
  degradedAfterMs: option.duration(),
  stale: stalePolicyOption,
  silenceMs: option.duration(),
  softExpiry: softExpiryOption,
  cache: option.either(
    false,
    optionsOf<CacheOptions>('cache', { maxEntries: option.count({ min: 1 }), maxBytes: option.count({ min: 1 }) }),
  ),
  clock: option.clock,
  telemetry: telemetryOption,
};

const guardOptions = optionsOf<GuardOptions>('createGuard', guardShape);

/** @throws TypeError naming the option and what would be right */
export function toSettings(given: GuardOptions): GuardSettings {
  const options = guardOptions(given);
  const { stale = 'deny', softExpiry = {} } = options;
  const own = toIssuerSettings(options, true);
  const issuers = [own, ...toOthers(options, own)] as const;
  const log = own.revocation === 'log' ? toLogSettings(options, issuers) : requireNoLog(options);
  requireIntrospection({ stale }, issuers);
  return {
    issuers: [...issuers],
    log,
    stale,
    softExpiry,
    fetch: options.fetch ?? nodeFetch,
    maxStalenessMs: options.maxStalenessMs ?? MAX_STALENESS_MS,
    criticalStalenessMs: options.criticalStalenessMs ?? DEGRADED_AFTER_MS,
    degradedAfterMs: options.degradedAfterMs ?? DEGRADED_AFTER_MS,
    cache: toCacheLimits(options.cache ?? {}),
    clock: options.clock ?? systemClock,
    ...toHostTelemetry(options.telemetry ?? {}, 'guard'),
  };
}

function toOthers({ issuers = [] }: GuardOptions, own: IssuerSettings): IssuerSettings[] {
  const others = issuers.map((issuer) => toIssuerSettings(issuer, false));
  const names = [own, ...others].map(({ issuer }) => issuer);
  if (new Set(names).size !== names.length) throw new TypeError('issuers must name each issuer once');
  if (own.revocation === 'none' && others.some(({ revocation }) => revocation === 'log')) {
    throw new TypeError(
      "issuers must have revocation: 'none' where the first has: there is no log with their revocations",
    );
  }
  return others;
}

const LOG_OPTIONS = ['feed', 'denylistPath', 'instance', 'maxMemoryEntries', 'eventJwksUrl', 'silenceMs'] as const;

/** An option without effect is a mistake of the caller. */
function requireNoLog(options: GuardOptions): undefined {
  const present = LOG_OPTIONS.find((name) => options[name] !== undefined);
  if (present !== undefined)
    throw new TypeError(`${present} must be left out with revocation: 'none': no log is followed`);
}

function toLogSettings(options: GuardOptions, issuers: readonly [IssuerSettings, ...IssuerSettings[]]): LogSettings {
  const { feed, denylistPath, instance, eventJwksUrl, maxMemoryEntries, silenceMs } = options;
  const [{ issuer, issuerUrl }] = issuers;
  if (feed === undefined) {
    throw new TypeError(
      "feed must be { primary, fallback? }, transports such as httpTransport(…) or kafkaTransport(…); for an issuer without a log set revocation: 'none'",
    );
  }
  if (denylistPath === undefined) {
    throw new TypeError('denylistPath must be the path of the denylist file, such as /data/denylist.db');
  }
  return {
    issuer,
    issuers: issuers.filter(({ revocation }) => revocation === 'log').map((one) => one.issuer),
    feed,
    denylistPath: denylistPath.includes(WORKER) ? denylistPath.replaceAll(WORKER, workerName()) : denylistPath,
    instance,
    maxMemoryEntries,
    eventJwksUrl: eventJwksUrl ?? `${issuerUrl.replace(/\/+$/, '')}/.well-known/event-jwks.json`,
    silenceMs,
  };
}

function toCacheLimits(cache: CacheOptions | false): TokenCacheLimits {
  if (cache === false) return { maxEntries: 0, maxBytes: 0 };
  return { maxEntries: cache.maxEntries ?? CACHE_ENTRIES, maxBytes: cache.maxBytes ?? CACHE_BYTES };
}
