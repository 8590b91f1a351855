import type { KeyObject } from 'node:crypto';
import type { DurationMs, EpochMillis, ManualClock } from '@rescind/revocation';
import { createManualClock } from '@rescind/revocation';
import { option, optionsOf } from '@rescind/revocation/options';
import { generateSigningKey } from '@rescind/token/signing';
import { createInvalidationIndex } from '../cache/invalidation-index.ts';
import type { Guard } from '../guard.ts';
import { createGuardOver } from '../guard.ts';
import type { GuardOptions } from '../options.ts';
import { guardShape, toSettings } from '../options.ts';
import type { Claims } from '../trusted-issuer.ts';
import { createTrustedIssuer } from '../trusted-issuer.ts';
import type { TestRevocation } from './issuer.ts';
import { createTestTokenIssuer } from './issuer.ts';
import { createMemoryRows, createTestLog } from './log.ts';

type Wired =
  | 'feed'
  | 'denylistPath'
  | 'maxMemoryEntries'
  | 'jwksUrl'
  | 'eventJwksUrl'
  | 'silenceMs'
  | 'fetch'
  | 'clock';

/** The options of `createGuard`, except those that the kit provides. */
export interface TestKitOptions
  extends Omit<GuardOptions, Wired | 'issuers' | 'introspection' | 'revocation' | 'issuer' | 'audience'> {
  /** Default `https://issuer.test`. */
  readonly issuer?: string | undefined;
  /** Default `service`. */
  readonly audience?: GuardOptions['audience'] | undefined;
  /** The time of the clock, ms. Default: now. */
  readonly at?: EpochMillis | undefined;
  /** The lifetime of tokens, in ms. Default 900 000. */
  readonly ttlMs?: DurationMs | undefined;
}

/** A guard with an issuer and a log, all in memory: no broker, no file, no network, and a clock that moves only by `advance`. */
export interface TestKit extends AsyncDisposable {
  /** The real guard, ready, with a fresh view. `guard(kit.guard)` creates the middleware. */
  readonly guard: Guard;
  /** The clock of issuer and guard. `advance(ms)` moves it. */
  readonly clock: ManualClock;
  /** The key that verifies the tokens: for libraries that verify by a key of their own, such as express-jwt. */
  readonly publicKey: KeyObject;
  /**
   * Mints a token of `user-1`, `session-1`, `app-1` for the audience. Given claims replace those, and `undefined` omits one.
   * @param typ the header's; default the first that the guard accepts
   */
  token(claims?: Claims, typ?: string): string;
  /** Revokes. The guard has applied it when this returns, unless the view is stale. Tokens minted later are valid. */
  revoke(revocation: TestRevocation): void;
  /** Cuts the log off: the view has this age (default: just beyond `maxStalenessMs`) and ages with the clock. */
  makeStale(ageMs?: DurationMs): void;
  /** Makes the guard one that has just started and has not caught up. */
  makeNotReady(): void;
  /** Restores the log, with everything that the guard missed. */
  makeFresh(): void;
  /** Whether the issuer responds to introspection. Default true. */
  issuerIsReachable: boolean;
  /** Closes the guard. */
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
  const log = createTestLog(clock, (applied) => {
    for (const row of applied) rows.add(row);
    changes.committed(applied);
  });
  const settings = toSettings({
    telemetry: { logger: SILENT },
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
    publicKey: key.publicKey,
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

/** A logger that writes nothing. */
const silent = () => undefined;
const SILENT = { debug: silent, info: silent, warn: silent, error: silent };

/** The kit signs tokens only. */
const NO_KEYS = { health: () => [], close: async () => undefined };
