import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import type { Feed, FeedStore } from '../ports.ts';
import type { FollowerKeys } from './link.ts';

export interface FollowerOptions {
  /** The log to follow: the `iss` of its events. */
  readonly log: string;
  /** The token issuers this log may speak for; entries about others are skipped and counted. */
  readonly issuers: readonly string[];
  readonly feed: Feed;
  /** Where rows and position are committed together; a denylist is one. */
  readonly store: FeedStore;
  /** The keys of the log's events, never those of tokens: a key source of @rescind/token. */
  readonly keys: FollowerKeys;
  readonly clock?: Clock | undefined;
  readonly telemetry?: Telemetry | undefined;
  /** How long the first way may be silent, in ms, before the second is taken. Default 3 000. */
  readonly silenceMs?: DurationMs | undefined;
  /** The age, in ms, up to which what a restart finds is good enough when nobody answers. Default 300 000. */
  readonly maxStalenessMs?: DurationMs | undefined;
}

/** @throws TypeError naming the option */
export function checkFollowerOptions(options: FollowerOptions): FollowerOptions {
  const { log, issuers, feed, store, keys } = options;
  if (!isText(log)) throw new TypeError('log must be the issuer of the events');
  if (!Array.isArray(issuers) || issuers.length === 0 || !issuers.every(isText)) {
    throw new TypeError('issuers must be the token issuers this log may speak for, one at least');
  }
  if (typeof feed?.first?.open !== 'function') throw new TypeError('feed.first must be a way');
  if (feed.second !== undefined && feed.second.name === feed.first.name) {
    throw new TypeError('feed.second must be another way than feed.first');
  }
  if (typeof store?.commit !== 'function') throw new TypeError('store must be a store, such as a denylist');
  if (typeof keys?.find !== 'function') throw new TypeError('keys must be a key source');
  for (const name of ['silenceMs', 'maxStalenessMs'] as const) {
    const value = options[name];
    if (value !== undefined && !(value > 0 && Number.isFinite(value))) {
      throw new TypeError(`${name} must be a positive number of milliseconds, got ${value}`);
    }
  }
  return options;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
