import type { DurationMs } from '@rescind/revocation';

/** A heartbeat made and not yet sent. */
export interface PendingHeartbeat {
  readonly jws: string;
  readonly head: number;
}

export interface RelayState {
  readonly epoch: string;
  /** Every event up to here has been acknowledged by the publisher. */
  readonly sentSeq: number;
  /** The last event of the outbox as far as told. */
  readonly head: number;
  /** The newest heartbeat not yet sent. */
  readonly heartbeat: PendingHeartbeat | null;
  /** The send under way: one at a time, in order. */
  readonly inFlight: RelaySend | null;
  /** Failures in a row. */
  readonly failures: number;
  /** Monotonic ms before which nothing is sent. */
  readonly notBefore: DurationMs;
}

/** What happened. `now` is monotonic ms. */
export type RelayInput =
  /** After a commit that appended, and at an epoch change: the outbox as it is. */
  | { readonly kind: 'appended'; readonly epoch: string; readonly head: number; readonly now: DurationMs }
  /** A heartbeat was made, just now. */
  | {
      readonly kind: 'heartbeat';
      readonly epoch: string;
      readonly jws: string;
      readonly head: number;
      readonly now: DurationMs;
    }
  /** The send under way was acknowledged: hand over what `composeBatch` said. */
  | { readonly kind: 'sent'; readonly upTo: number; readonly withHeartbeat: boolean; readonly now: DurationMs }
  | { readonly kind: 'failed'; readonly now: DurationMs }
  /** Time passes: every 100 ms or so; a back-off ends by it. */
  | { readonly kind: 'tick'; readonly now: DurationMs };

/** Read the rows above `after` (at most `limit`), compose them with the heartbeat, publish, and say how it went. */
export interface RelaySend {
  readonly epoch: string;
  readonly after: number;
  readonly limit: number;
  readonly heartbeat: PendingHeartbeat | null;
}

export type RelayEffect =
  | { readonly kind: 'send'; readonly send: RelaySend }
  /** Remember that this much has been sent; losing it only sends twice. */
  | { readonly kind: 'mark'; readonly epoch: string; readonly sentSeq: number };

export interface RelayStep {
  readonly state: RelayState;
  readonly effects: readonly RelayEffect[];
}

/** What one send publishes, in order. */
export interface RelayBatch {
  readonly records: readonly string[];
  /** For the `sent` input. */
  readonly upTo: number;
  readonly withHeartbeat: boolean;
}

export interface RelayCoreOptions {
  /** Events in one send; default 500. */
  readonly limit?: number;
}

/** The relay's logic: pure. */
export interface RelayCore {
  /** @param marked what `mark` last kept; of another epoch it counts for nothing */
  start(
    outbox: { readonly epoch: string; readonly head: number },
    marked: { readonly epoch: string; readonly sentSeq: number } | undefined,
    now: DurationMs,
  ): RelayStep;
  step(state: RelayState, input: RelayInput): RelayStep;
}

export function createRelayCore(_options: RelayCoreOptions = {}): RelayCore {
  throw new Error('being written');
}

/** Puts the heartbeat right behind the event it calls the head, and leaves it out while that is not in the batch. */
export function composeBatch(
  _send: RelaySend,
  _rows: readonly { readonly seq: number; readonly jws: string }[],
): RelayBatch {
  throw new Error('being written');
}
