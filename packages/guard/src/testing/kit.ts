import type { DurationMs, EpochMillis, ManualClock } from '@rescind/revocation';
import { createManualClock, silentTelemetry } from '@rescind/revocation';
import { option, optionsOf } from '@rescind/revocation/options';
import { generateSigningKey } from '@rescind/token/signing';
import { createInvalidationIndex } from '../cache/changes.ts';
import type { Guard } from '../guard.ts';
import { createGuardOver } from '../guard.ts';
import type { GuardOptions } from '../options.ts';
import { guardShape, toSettings } from '../options.ts';
import type { Claims } from '../trusted.ts';
import { createTrustedIssuer } from '../trusted.ts';
import type { TestRevocation } from './issuer.ts';
import { createTestTokenIssuer } from './issuer.ts';
import { createTestLog } from './log.ts';
import { createMemoryRows } from './rows.ts';

type Wired =
  | 'feed'
  | 'denylistPath'
  | 'maxMemoryEntries'
  | 'jwksUrl'
  | 'eventJwksUrl'
  | 'silenceMs'
  | 'fetch'
  | 'clock';

/** All that `createGuard` takes, apart from what the kit is in the place of. */
export interface TestKitOptions
  extends Omit<Partial<GuardOptions>, Wired | 'issuers' | 'introspection' | 'revocation'> {
  /** The time at which the clock stands. Default: now. */
  readonly at?: EpochMillis | undefined;
  /** How long tokens live, in ms. Default 900 000. */
  readonly ttlMs?: DurationMs | undefined;
}

/** A guard with an issuer and a log, all in memory: no broker, no file, no network, and a clock that stands still. */
export interface TestKit extends AsyncDisposable {
  /** The real guard, ready, with a fresh view. `guard(kit.guard)` makes the middleware. */
  readonly guard: Guard;
  /** Of issuer and guard. Stands still until `advance(ms)`. */
  readonly clock: ManualClock;
  /**
   * Mints a token of `user-1`, `session-1`, `app-1` for the audience; claims given replace those, and `undefined` leaves one out.
   * @param typ the header's; default the first that the guard takes
   */
  token(claims?: Claims, typ?: string): string;
  /** Revokes: the guard knows when this returns, unless the view is stale. Tokens minted later are good. */
  revoke(revocation: TestRevocation): void;
  /** The log is cut off: the view is so old (default: just beyond `maxStalenessMs`) and gets older with the clock. */
  makeStale(ageMs?: DurationMs): void;
  /** As an instance that has just started and has not caught up. */
  makeNotReady(): void;
  /** The log is heard of again, with all that was missed. */
  makeFresh(): void;
  /** Whether the issuer answers introspection. Default true. */
  issuerIsReachable: boolean;
  close(): Promise<void>;
}

const TTL_MS: DurationMs = 900_000;

const { feed, denylistPath, maxMemoryEntries, jwksUrl, eventJwksUrl, silenceMs, fetch, clock, ...notWired } =
  guardShape;
const { issuers, introspection, revocation, ...kitShape } = notWired;

const kitOptions = optionsOf<TestKitOptions>('openTestKit', {
  ...kitShape,
  issuer: option.url(),
  audience: kitShape.audience.required,
  at: option.count(),
  ttlMs: option.duration(),
});

/** @throws TypeError for an option that is wrong */
export function openTestKit(given: TestKitOptions = {}): TestKit {
  const options = kitOptions(given);
  const { at = Date.now(), ttlMs = TTL_MS, issuer = 'https://issuer.test', audience = 'service', ...more } = options;
  const clock = createManualClock(at);
  const state = { reachable: true };
  const key = generateSigningKey(more.algorithms?.includes('ES256') === false ? 'RS256' : 'ES256');
  const isReachable = () => state.reachable;
  const tokens = createTestTokenIssuer({ issuer, audience, key, ttlMs, clock, isReachable });
  const rows = createMemoryRows();
  const changes = createInvalidationIndex();
  const log = createTestLog(clock, (heard) => {
    for (const row of heard) rows.add(row);
    changes.committed(heard);
  });
  const settings = toSettings({
    telemetry: silentTelemetry,
    ...more,
    ...{ issuer, audience, clock, fetch: tokens.fetch },
    introspection: { clientId: 'kit', clientSecret: 'kit', url: `${issuer}/oauth2/introspect` },
    feed: log.feed,
    denylistPath: 'none',
  });
  const [own] = settings.issuers;
  const guard = createGuardOver(settings, {
    changes,
    trusted: new Map([[issuer, createTrustedIssuer(own, tokens.keys, rows)]]),
    log: { denylist: rows, follower: log.follower, eventKeys: NO_KEYS },
  });

  return {
    guard,
    clock,
    token: (claims = {}, typ = own.typ[0] ?? 'at+jwt') => tokens.token(claims, typ),
    revoke: (revocation) => log.append(tokens.revoke(revocation)),
    makeStale: (ageMs = settings.maxStalenessMs + 1) => log.cutOff(ageMs),
    makeNotReady: () => log.forget(),
    makeFresh: () => log.catchUp(),
    get issuerIsReachable() {
      return state.reachable;
    },
    set issuerIsReachable(reachable) {
      state.reachable = reachable;
    },
    close: () => guard.close(),
    [Symbol.asyncDispose]: () => guard.close(),
  };
}

/** Nothing is signed here but tokens. */
const NO_KEYS = { health: () => [], close: async () => undefined };
