import type { Denylist } from '@rescind/denylist';
import { openDenylist } from '@rescind/denylist';
import type { Follower } from '@rescind/feed';
import { openFollower } from '@rescind/feed';
import type { KeySet, KeySource, Verifier } from '@rescind/token';
import { createVerifier, openKeySource } from '@rescind/token';
import type { GuardSettings } from './options.ts';
import { openTokenKeys } from './token-keys.ts';

/** What a guard holds, and closes. */
export interface GuardParts {
  readonly denylist: Denylist;
  /** Of access tokens. */
  readonly keys: KeySource;
  /** Of the log's events: neither set verifies the other's type. */
  readonly eventKeys: KeySource;
  readonly follower: Follower;
}

/** Opens all of them, or none. */
export function openParts(settings: GuardSettings): GuardParts {
  // Wrong options are to be told before a file is opened.
  createTokenVerifier(settings, { find: () => undefined });
  const { clock, telemetry, fetch } = settings;
  const denylist = openDenylist({ path: settings.denylistPath, clock, telemetry });
  const opened: KeySource[] = [];
  try {
    const eventKeys = openKeySource({
      url: settings.eventJwksUrl,
      documents: denylist,
      name: 'event_keys',
      fetch,
      clock,
      telemetry,
    });
    opened.push(eventKeys);
    const keys = openTokenKeys(settings, denylist);
    opened.push(keys);
    return { denylist, keys, eventKeys, follower: openLogFollower(settings, denylist, eventKeys) };
  } catch (error) {
    for (const one of opened) void one.close();
    denylist.close();
    throw error;
  }
}

export function createTokenVerifier(settings: GuardSettings, keys: Pick<KeySet, 'find'>): Verifier {
  return createVerifier({
    keys,
    issuer: settings.issuer,
    audience: settings.audience,
    typ: settings.typ,
    algorithms: settings.algorithms,
    requiredClaims: settings.requiredClaims,
    maxBytes: settings.maxTokenBytes,
  });
}

/** The issuer's log speaks for the issuer's own tokens. */
function openLogFollower(settings: GuardSettings, denylist: Denylist, eventKeys: KeySource): Follower {
  const { issuer, feed, clock, telemetry, maxStalenessMs, silenceMs } = settings;
  return openFollower({
    log: issuer,
    issuers: [issuer],
    feed,
    store: denylist,
    keys: eventKeys,
    clock,
    telemetry,
    maxStalenessMs,
    silenceMs,
  });
}
