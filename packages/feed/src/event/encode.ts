import { randomUUID } from 'node:crypto';
import type { EpochMillis } from '@rescind/revocation';
import type { Revocation } from '@rescind/revocation/cut-off';
import { UNBOUNDED } from '@rescind/revocation/cut-off';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { LogPosition } from './claims.ts';
import {
  isReason,
  MAX_DENIALS,
  MAX_EVENT_BYTES,
  readBody,
  readHeartbeat,
  readPosition,
  writeCutOff,
} from './claims.ts';
import { eventObject, eventType, HEARTBEAT_TYPE, subjectOf } from './vocabulary.ts';

/**
 * A revocation and its position in the log. It has 1 to 1000 cut-offs, and no more than fit into 64 kB of text: 200 of UUIDs.
 */
export interface EventToEncode extends Revocation, LogPosition {}

/** A heartbeat before it is signed: the end of the log at a time. */
export interface HeartbeatToEncode {
  /** The present epoch. */
  readonly epoch: string;
  /** The greatest seq of that epoch; 0 before the first event. */
  readonly head: number;
  /** The id (`jti`) of the event there; null before the first. */
  readonly headId: string | null;
  /** The lowest seq that still denies anything; head + 1 if none. */
  readonly lowWatermark: number;
  /** Read from the issuer's clock BEFORE head, head id and low watermark were read in one snapshot. */
  readonly at: EpochMillis;
  /** The issuer's wall clock at the same moment; default `at`. Less than `at` while the issuer's clock leads. */
  readonly wall?: EpochMillis;
  /** The epoch in which the issuer's clock was last set; default null: never. */
  readonly timeSince?: string | null;
}

/** Signs the events of one log: Security Event Tokens (RFC 8417), typ `secevent+jwt`. */
export interface EventEncoder {
  /** @throws TypeError for an event that a reader would not accept: nothing undecodable must reach the log */
  event(event: EventToEncode): string;
  /** @throws TypeError as above */
  heartbeat(heartbeat: HeartbeatToEncode): string;
}

/** The options of `createEventEncoder`. */
export interface EventEncoderOptions {
  /** The `iss` of the events. */
  readonly log: string;
  /** Signs a payload unchanged: `createSigner(key, { typ: 'secevent+jwt' })` of @rescind/token. */
  readonly sign: (payload: object) => string;
}

const encoderOptions = optionsOf<EventEncoderOptions>('createEventEncoder', {
  log: required(option.text('the iss of the events')),
  sign: required(option.callable<EventEncoderOptions['sign']>('a function that signs a payload')),
});

/** Creates the encoder of one log. @throws TypeError for an option that is missing, unknown or wrong */
export function createEventEncoder(options: EventEncoderOptions): EventEncoder {
  const { log, sign } = encoderOptions(options);
  return {
    event(event) {
      const payload = eventClaims(log, event);
      requireReadable(event, payload);
      const jws = sign(payload);
      if (jws.length > MAX_EVENT_BYTES) {
        throw new TypeError(`cutOffs must fit into ${MAX_EVENT_BYTES} bytes of text: use several events`);
      }
      return jws;
    },
    heartbeat(heartbeat) {
      const payload = heartbeatClaims(log, heartbeat);
      if (readHeartbeat(payload) === undefined) throw new TypeError('heartbeat: a member is out of its bounds');
      return sign(payload);
    },
  };
}

function eventClaims(log: string, event: EventToEncode): Record<string, unknown> {
  if (event.cutOffs.length === 0) throw new TypeError('cutOffs must have at least one');
  const type = eventType(event);
  const subject = subjectOf(event.cutOffs);
  return {
    iss: log,
    iat: Math.floor(event.at / 1000),
    iat_ms: event.at,
    jti: event.id,
    txn: event.txn,
    ...(subject !== undefined && { sub_id: subject }),
    reason: event.reason,
    events: { [type]: eventObject(type, event.reason, event.at) },
    epoch: event.epoch,
    seq: event.seq,
    prev: event.prev,
    deny: event.cutOffs.map(writeCutOff),
  };
}

function heartbeatClaims(
  log: string,
  { epoch, head, headId, lowWatermark, at, wall = at, timeSince = null }: HeartbeatToEncode,
): Record<string, unknown> {
  return {
    iss: log,
    iat: Math.floor(at / 1000),
    iat_ms: at,
    // RFC 8417 section 2.2 requires one; nothing here compares it.
    jti: randomUUID(),
    events: { [HEARTBEAT_TYPE]: {} },
    epoch,
    head,
    last: headId,
    floor: lowWatermark,
    wall_ms: wall,
    ...(timeSince === null ? {} : { time_since: timeSince }),
  };
}

/** Applies the reader's own rules, so that the two cannot differ. */
function requireReadable(event: EventToEncode, payload: Readonly<Record<string, unknown>>): void {
  if (readPosition(payload) === undefined) throw new TypeError('epoch, seq, id, prev or at is out of its bounds');
  if (!isReason(event.reason)) throw new TypeError('reason must be a word such as password_changed');
  const body = readBody(payload);
  if (typeof body === 'string') throw new TypeError(`${body} is out of its bounds (deny: 1 to ${MAX_DENIALS} entries)`);
  for (const { issuedUntil } of event.cutOffs) {
    // A reader would limit it to that second, and tokens after it would stay valid.
    if (issuedUntil !== UNBOUNDED && issuedUntil > latestCutOff(event.at)) {
      throw new TypeError('issuedUntil must not lie beyond the second in which the event is made');
    }
  }
}

/** The greatest T that an event made at `at` may carry. */
export function latestCutOff(at: EpochMillis): EpochMillis {
  return Math.floor(at / 1000) * 1000 + 999;
}
