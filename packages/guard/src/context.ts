import type { Denylist } from '@rescind/denylist';
import { openDenylist } from '@rescind/denylist';
import type { FeedStore, Follower } from '@rescind/feed/follower';
import { openFollower } from '@rescind/feed/follower';
import type { HealthCheck } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Find } from '@rescind/revocation/judge';
import type { EventKeySource, KeySource } from '@rescind/token';
import { openKeySource } from '@rescind/token';
import type { InvalidationIndex } from './cache/invalidation-index.ts';
import { createInvalidationIndex } from './cache/invalidation-index.ts';
import type { GuardSettings, LogSettings } from './options.ts';
import { openTokenKeys } from './token-keys.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';
import { createTokenVerifier, createTrustedIssuer } from './trusted-issuer.ts';

/** The part of a denylist that a guard uses. */
export interface Rows extends Find, Pick<Denylist, 'load' | 'prune' | 'prunePending'> {
  health(): HealthCheck[];
  close(): void;
}

/** The log that the guard follows, and the denylist with its rows. */
interface LogContext {
  readonly denylist: Rows;
  readonly follower: Follower;
  /** The keys of the log's events. They verify no access token, and token keys verify no event. */
  readonly eventKeys: Pick<KeySource, 'health' | 'close'>;
}

/** The resources of a guard. The guard closes them. */
export interface GuardContext {
  /** By their `iss`. */
  readonly trusted: ReadonlyMap<string, TrustedIssuer>;
  readonly changes: InvalidationIndex;
  /** Undefined if the issuers have no log. */
  readonly log: LogContext | undefined;
}

/** Opens all resources, or none. @throws what `createGuard` throws */
export function openContext(settings: GuardSettings): GuardContext {
  // Reports wrong options before it opens a file.
  for (const issuer of settings.issuers) createTokenVerifier(issuer, { find: () => undefined });
  const changes = createInvalidationIndex();
  if (settings.log === undefined) return { changes, log: undefined, trusted: openTrusted(settings, undefined) };
  const denylist = openRows(settings, settings.log);
  const opened: KeySource[] = [];
  try {
    const eventKeys = openEventKeys(settings, settings.log, denylist);
    opened.push(eventKeys);
    const trusted = openTrusted(settings, denylist);
    opened.push(...[...trusted.values()].map(({ keys }) => keys));
    const store = withInvalidation(denylist, changes);
    const follower = openLogFollower(settings, settings.log, { store, keys: eventKeys });
    return { changes, trusted, log: { denylist, follower, eventKeys } };
  } catch (error) {
    for (const one of opened) void one.close();
    denylist.close();
    throw error;
  }
}

function openRows(
  { clock, telemetry }: GuardSettings,
  { denylistPath: path, maxMemoryEntries }: LogSettings,
): Denylist {
  try {
    return openDenylist({ path, clock, telemetry, ...(maxMemoryEntries !== undefined && { maxMemoryEntries }) });
  } catch (error) {
    if (!(error instanceof RescindError)) throw error;
    // Names the option by the path that the caller gave.
    const advice =
      error.code === 'denylist_locked' ? ': each process requires a file of its own, such as data/{worker}.sqlite' : '';
    throw new RescindError(error.code, { detail: `denylistPath ${error.detail ?? path}${advice}`, cause: error });
  }
}

function openEventKeys(
  { fetch, clock, telemetry }: GuardSettings,
  log: LogSettings,
  documents: Denylist,
): EventKeySource {
  return openKeySource({ url: log.eventJwksUrl, documents, name: 'event_keys', fetch, clock, telemetry });
}

function openTrusted(settings: GuardSettings, denylist: Denylist | undefined): Map<string, TrustedIssuer> {
  const { issuers, fetch, clock, telemetry } = settings;
  const [own] = issuers;
  return new Map(
    issuers.map((issuer) => {
      const name = issuer === own ? 'token_keys' : `token_keys ${issuer.issuer}`;
      const keys = openTokenKeys({ issuer, name, documents: denylist, fetch, clock, telemetry });
      return [issuer.issuer, createTrustedIssuer(issuer, keys, denylist)];
    }),
  );
}

/** Invalidates cached tokens in the tick that enforces a change, so no request is decided between the two. */
function withInvalidation(store: FeedStore, changes: InvalidationIndex): FeedStore {
  return {
    load: (log) => store.load(log),
    quarantined: (log) => store.quarantined(log),
    enforce(change) {
      store.enforce(change);
      changes.committed(change.cutoffs);
    },
    flush: () => store.flush(),
    pendingRows: () => store.pendingRows(),
  };
}

interface FollowerParts {
  readonly store: FeedStore;
  readonly keys: EventKeySource;
}

function openLogFollower(settings: GuardSettings, log: LogSettings, { store, keys }: FollowerParts): Follower {
  const { clock, telemetry, maxStalenessMs } = settings;
  const { issuer: name, issuers, feed, instance, silenceMs } = log;
  return openFollower({
    ...{ log: name, issuers, feed, store, keys, instance, clock, telemetry, maxStalenessMs, silenceMs },
  });
}
