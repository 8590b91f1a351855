import type { Denylist } from '@rescind/denylist';
import { openDenylist } from '@rescind/denylist';
import type { FeedStore, Follower } from '@rescind/feed';
import { openFollower } from '@rescind/feed';
import type { Find, HealthCheck } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { EventKeySource, KeySource } from '@rescind/token';
import { openKeySource } from '@rescind/token';
import type { InvalidationIndex } from './cache/changes.ts';
import { createInvalidationIndex } from './cache/changes.ts';
import type { GuardSettings, LogSettings } from './options.ts';
import { openTokenKeys } from './token-keys.ts';
import type { TrustedIssuer } from './trusted.ts';
import { createTokenVerifier, createTrustedIssuer } from './trusted.ts';

/** What of a denylist a guard asks, beside its rows. */
export interface Rows extends Find, Pick<Denylist, 'load' | 'prune' | 'prunePending'> {
  health(): HealthCheck[];
  close(): void;
}

/** The log that is followed, and where its rows are. */
interface LogContext {
  readonly denylist: Rows;
  readonly follower: Follower;
  /** Of the log's events: a set of its own, neither verifies the other's type. */
  readonly eventKeys: Pick<KeySource, 'health' | 'close'>;
}

/** What a guard holds, and closes. */
export interface GuardContext {
  /** By their `iss`. */
  readonly trusted: ReadonlyMap<string, TrustedIssuer>;
  readonly changes: InvalidationIndex;
  /** Undefined: the issuers have no log. */
  readonly log: LogContext | undefined;
}

/** Opens all of them, or none. */
export function openContext(settings: GuardSettings): GuardContext {
  // Wrong options are to be told before a file is opened.
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
    const store = tellingChanges(denylist, changes);
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
    // The option as whoever opens the guard wrote it.
    throw new RescindError(error.code, { detail: `denylistPath ${error.detail ?? path}`, cause: error });
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

/** The cache of tokens learns of a change in the tick that enforces it: no request is decided between the two. */
function tellingChanges(store: FeedStore, changes: InvalidationIndex): FeedStore {
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
  const { issuer, issuers, feed, silenceMs } = log;
  return openFollower({ log: issuer, issuers, feed, store, keys, clock, telemetry, maxStalenessMs, silenceMs });
}
