import type { EventBody, HeartbeatBody, LogPosition } from './claims.ts';

/** What any record of a log carries after it was decoded. */
interface Delivered {
  readonly jws: string;
  /** As the transport said: read at or beyond the end captured when the connection was opened. */
  readonly live: boolean;
  /** Where the transport could start again after this record; only a hint. */
  readonly hint: string | null;
}

/** What a record carries whose signature was verified. */
interface Signed {
  /** The key that signed it. */
  readonly kid: string;
}

/**
 * A verified event, ready to be applied: `cutOffs` are the entries of `deny` that this log may speak for; T and E are within their
 * bounds.
 */
export interface EventRecord extends Delivered, Signed, LogPosition, EventBody {
  readonly kind: 'event';
  /** Event keys that it denies (`event_kid`): what they have signed is not taken any more. */
  readonly kills: readonly string[];
  /** How many entries were skipped: they name a token issuer this log may not speak for. */
  readonly skipped: number;
  /** How many entries had a T or E beyond its bound. */
  readonly clamped: number;
}

/** A verified heartbeat. */
export interface HeartbeatRecord extends Delivered, Signed, HeartbeatBody {
  readonly kind: 'heartbeat';
}

/** Signed by the log, placed in it, and of a version (or a kind of denial) that this one does not know. */
export interface UnknownVersionRecord extends Delivered, Signed, LogPosition {
  readonly kind: 'not-understood';
  readonly why: string;
}

/** Why a record was ignored. `key_unknown` may mend itself: fetch the keys and decode again. */
export type BadReason = 'too_large' | 'malformed' | 'key_unknown' | 'signature' | 'claims' | 'not_placed';

/** Not signed by the log, or signed and still no event nor heartbeat of it: counted, reported and ignored. */
export interface BadRecord extends Delivered {
  readonly kind: 'bad';
  readonly why: BadReason;
  /** With `key_unknown`: what it claims of itself, unverified. */
  readonly claimed?: { readonly kid: string; readonly epoch: string | null };
}

/** A heartbeat of a batch that was not worth verifying: a later one of the same batch was. */
interface SkippedRecord extends Delivered {
  readonly kind: 'skipped';
}

/** A record of a transport, decoded and verified. */
export type DecodedRecord = EventRecord | HeartbeatRecord | UnknownVersionRecord | BadRecord | SkippedRecord;
