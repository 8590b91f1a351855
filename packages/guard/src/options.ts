import type { Feed } from '@rescind/feed';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { silentTelemetry, systemClock } from '@rescind/revocation';
import type { Algorithm, Fetch } from '@rescind/token';

/** What a route does with a token that nothing denies when the view is older than `maxStalenessMs`. */
export type StalePolicy = 'deny' | 'allow';

export interface GuardOptions {
  /** The `iss` of the tokens taken here; also the name of their revocation log. An http(s) URL (RFC 8414 section 2). */
  readonly issuer: string;
  /** What `aud` must contain: this, or one of these (RFC 9068 section 4). */
  readonly audience: string | readonly string[];
  /** The ways of the revocation log to follow. */
  readonly feed: Feed;
  /** The SQLite file of the denylist; one process a file. */
  readonly denylistPath: string;

  /** Where the issuer is reached, when that is not `issuer`. */
  readonly issuerUrl?: string | undefined;
  /** Where the keys of access tokens are. Default: as RFC 8414 metadata say, else `{issuerUrl}/.well-known/jwks.json`. */
  readonly jwksUrl?: string | undefined;
  /** Where the keys of the log's events are. Default `{issuerUrl}/.well-known/event-jwks.json`. */
  readonly eventJwksUrl?: string | undefined;
  /** For keys and metadata. Default: the global one. */
  readonly fetch?: Fetch | undefined;

  /** Beyond this age of the view the stale policy decides, in ms. Default 300 000. */
  readonly maxStalenessMs?: DurationMs | undefined;
  /** The same on routes marked critical. Default 10 000. */
  readonly criticalStalenessMs?: DurationMs | undefined;
  /** Beyond this age the view is degraded: said by health, log and metrics, and nothing is refused. Default 10 000. */
  readonly degradedAfterMs?: DurationMs | undefined;
  /** The stale policy of routes that have none of their own. Default `deny`: 503 with Retry-After. */
  readonly stale?: StalePolicy | undefined;
  /** How long the first way may be silent before the second is taken, in ms. Default: the follower's, 3 000. */
  readonly silenceMs?: DurationMs | undefined;

  /** Values of `typ` that are taken. Default `at+jwt` (RFC 9068 section 2.1). */
  readonly typ?: readonly string[] | undefined;
  /** Default `RS256` and `ES256`. */
  readonly algorithms?: readonly Algorithm[] | undefined;
  /** Beside `iss`, `aud`, `exp` and `iat`, which always must be there. Default `sub`, `jti` and `client_id` (RFC 9068). */
  readonly requiredClaims?: readonly string[] | undefined;
  /** Longest token that is looked into, in bytes. Default 8 192. */
  readonly maxTokenBytes?: number | undefined;

  readonly clock?: Clock | undefined;
  readonly telemetry?: Telemetry | undefined;
}

/** The options with their defaults. */
export interface GuardSettings {
  readonly issuer: string;
  readonly issuerUrl: string;
  readonly audience: string | readonly string[];
  readonly feed: Feed;
  readonly denylistPath: string;
  readonly jwksUrl: string | undefined;
  readonly eventJwksUrl: string;
  readonly fetch: Fetch;
  readonly maxStalenessMs: DurationMs;
  readonly criticalStalenessMs: DurationMs;
  readonly degradedAfterMs: DurationMs;
  readonly stale: StalePolicy;
  readonly silenceMs: DurationMs | undefined;
  readonly typ: readonly string[];
  readonly algorithms: readonly Algorithm[];
  readonly requiredClaims: readonly string[];
  readonly maxTokenBytes: number;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** Long enough for a restart of the issuer or of the brokers, a third of a token's usual life: what is missed is bounded. */
const MAX_STALENESS_MS: DurationMs = 300_000;
/** Ten heartbeats missed: no jitter does that. */
const DEGRADED_AFTER_MS: DurationMs = 10_000;
const MAX_TOKEN_BYTES = 8_192;

/** @throws TypeError naming the option and what would be right */
export function toSettings(options: GuardOptions): GuardSettings {
  const { issuer, audience, feed, denylistPath, stale = 'deny' } = options;
  requireUrl('issuer', issuer);
  const issuerUrl = options.issuerUrl ?? issuer;
  requireUrl('issuerUrl', issuerUrl);
  if (typeof audience !== 'string' && !Array.isArray(audience)) {
    throw new TypeError('audience must be the name of this service, or a list of names');
  }
  if (typeof feed?.first?.open !== 'function') {
    throw new TypeError('feed must be { first, second? }, ways such as httpWay(…) or kafkaWay(…)');
  }
  if (typeof denylistPath !== 'string' || denylistPath === '') {
    throw new TypeError('denylistPath must name the file of the denylist, such as /data/denylist.db');
  }
  requireStalePolicy(stale);
  return {
    issuer,
    issuerUrl,
    audience,
    feed,
    denylistPath,
    stale,
    jwksUrl: options.jwksUrl,
    eventJwksUrl: options.eventJwksUrl ?? `${issuerUrl.replace(/\/+$/, '')}/.well-known/event-jwks.json`,
    fetch: options.fetch ?? ((url, init) => globalThis.fetch(url, init)),
    maxStalenessMs: duration('maxStalenessMs', options.maxStalenessMs ?? MAX_STALENESS_MS),
    criticalStalenessMs: duration('criticalStalenessMs', options.criticalStalenessMs ?? DEGRADED_AFTER_MS),
    degradedAfterMs: duration('degradedAfterMs', options.degradedAfterMs ?? DEGRADED_AFTER_MS),
    silenceMs: options.silenceMs,
    typ: options.typ ?? ['at+jwt'],
    algorithms: options.algorithms ?? ['RS256', 'ES256'],
    requiredClaims: options.requiredClaims ?? ['sub', 'jti', 'client_id'],
    maxTokenBytes: options.maxTokenBytes ?? MAX_TOKEN_BYTES,
    clock: options.clock ?? systemClock,
    telemetry: options.telemetry ?? silentTelemetry,
  };
}

export function requireStalePolicy(stale: unknown): void {
  if (stale !== 'deny' && stale !== 'allow') throw new TypeError(`stale must be deny or allow, got ${stale}`);
}

function requireUrl(name: string, value: string): void {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError(`${name} must be an http or https URL without credentials, query and fragment`);
  }
}

function duration(name: string, value: DurationMs): DurationMs {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw new TypeError(`${name} must be a number of milliseconds above 0, got ${value}`);
}
