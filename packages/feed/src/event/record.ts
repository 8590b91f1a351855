import type { EventBody, HeartbeatBody, LogPosition } from './claims.ts';

/** The members of every decoded record. */
interface Delivered {
  readonly jws: string;
  /** As the transport states: read at or beyond the end of the log as of the opening of the connection. */
  readonly live: boolean;
  /** Where the transport could start again after this record; only a hint. */
  readonly hint: string | null;
}

/** The members of every verified record. */
interface Signed {
  /** The key that signed it. */
  readonly kid: string;
}

/**
 * A verified event, ready to be applied: `cutOffs` are the entries of `deny` that this log may speak for; T and E are within their
 * bounds.
 */
export interface EventRecord extends Delivered, Signed, LogPosition, EventBody {
  /** Distinguishes the records. */
  readonly kind: 'event';
  /** Event keys that it denies (`event_kid`): records signed by them are refused from then on. */
  readonly kills: readonly string[];
  /** How many entries were skipped: they name a token issuer this log may not speak for. */
  readonly skipped: number;
  /** How many entries had a T or E beyond its bound. */
  readonly clamped: number;
}

/** A verified heartbeat. */
export interface HeartbeatRecord extends Delivered, Signed, HeartbeatBody {
  /** Distinguishes the records. */
  readonly kind: 'heartbeat';
}

/** Signed by the log, with a valid position, and of a version (or a kind of denial) that this one does not know. */
export interface UnknownVersionRecord extends Delivered, Signed, LogPosition {
  /** Distinguishes the records. */
  readonly kind: 'not-understood';
  /** What this version does not know. */
  readonly reason: string;
}

/** Why a record was ignored. After `key_unknown`, fetch the keys and decode it again. */
export type BadReason = 'too_large' | 'malformed' | 'key_unknown' | 'signature' | 'claims' | 'no_position';

/** A record that is not signed by the log, or neither an event nor a heartbeat: counted, reported and ignored. */
export interface BadRecord extends Delivered {
  readonly kind: 'bad';
  readonly reason: BadReason;
  /** With `claims`: the `iss` of a signed record of another log than the configured one. */
  readonly foreignLog?: string;
  /** With `key_unknown`: its claimed key and epoch, unverified. */
  readonly claimed?: { readonly kid: string; readonly epoch: string | null };
}

/** A heartbeat that was not verified, since a later one of the same batch was. */
interface SkippedRecord extends Delivered {
  readonly kind: 'skipped';
}

/** A record of a transport, decoded and verified. */
export type DecodedRecord = EventRecord | HeartbeatRecord | UnknownVersionRecord | BadRecord | SkippedRecord;
