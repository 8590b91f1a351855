import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { Feed, FeedStore } from '../ports.ts';
import { feedOptions } from '../transport.ts';
import type { FollowerKeys } from './link.ts';

export interface FollowerOptions {
  /** The log to follow: the `iss` of its events. */
  readonly log: string;
  /** The token issuers this log may speak for; entries about others are skipped and counted. */
  readonly issuers: readonly string[];
  readonly feed: Feed;
  /** Where rows are enforced, and committed with the position; a denylist is one. */
  readonly store: FeedStore;
  /** The keys of the log's events, never those of tokens: a key source of @rescind/token. */
  readonly keys: FollowerKeys;
  readonly clock?: Clock | undefined;
  readonly telemetry?: Telemetry | undefined;
  /** How long the primary transport may be silent, in ms, before the second is taken. Default 3 000. */
  readonly silenceMs?: DurationMs | undefined;
  /** The age, in ms, up to which what a restart finds is good enough when nobody answers. Default 300 000. */
  readonly maxStalenessMs?: DurationMs | undefined;
}

/** Checks and copies the options. @throws TypeError naming the option */
export const checkFollowerOptions = optionsOf<FollowerOptions>('openFollower', {
  log: required(option.text('the issuer of the events')),
  issuers: required(option.list(option.text())),
  feed: required(feedOptions),
  store: required(
    option.having<FeedStore>('a store, such as a denylist', 'load', 'quarantined', 'enforce', 'flush', 'pendingRows'),
  ),
  keys: required(option.having<FollowerKeys>('a source of event keys', 'find', 'refetch', 'onFetched')),
  clock: option.clock,
  telemetry: option.telemetry,
  silenceMs: option.duration(),
  maxStalenessMs: option.duration(),
});
