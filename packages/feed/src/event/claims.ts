import type { EpochMillis } from '@rescind/revocation';
import type { CutOff, Revocation } from '@rescind/revocation/cut-off';
import { NEVER, NO_SESSION, UNBOUNDED, UNBOUNDED_CLAIMS } from '@rescind/revocation/cut-off';
import { HEARTBEAT_TYPE } from './vocabulary.ts';

/** The longest event or heartbeat that is decoded, in bytes of its text. A Kafka broker accepts 1 MB by default. */
export const MAX_EVENT_BYTES = 65_536;
/** Most entries of one `deny`. Fewer fit when they are long: the text has a limit of its own. */
export const MAX_DENIALS = 1_000;
/** An id is a UUID or a digest, an epoch a counter with random characters. */
const MAX_ID = 128;
/** An issuer is a URL, of the length that browsers and proxies accept. */
const MAX_ISSUER = 2_048;
/** A claim's value may be another system's identifier: URLs and distinguished names. */
const MAX_VALUE = 1_024;

const EPOCH = /^[0-9A-Za-z._-]{1,128}$/;
/** Responses, metrics and logs contain reasons unchanged. */
const REASON = /^[a-z][a-z0-9_]{0,63}$/;

type Claims = Readonly<Record<string, unknown>>;

/** Where and when an event or a heartbeat was made: the part that every version must be able to read. */
export interface LogPosition {
  readonly epoch: string;
  /** 1, 2, 3 … gapless within the epoch. */
  readonly seq: number;
  /** The event's own id (`jti`), at most 128 characters: new for each event, also when a revocation is appended anew. */
  readonly id: string;
  /** The id of the event before it; null for seq 1. */
  readonly prev: string | null;
  /** `iat_ms`: when the issuer made it, by the issuer's clock. */
  readonly at: EpochMillis;
}

/** The content of an event, with its cut-offs as they were encoded. */
export interface EventBody extends Revocation {
  /** The URI that is the one member of `events`. */
  readonly type: string;
}

/** What a heartbeat states. */
export interface HeartbeatBody {
  readonly epoch: string;
  /** The seq of the last event there was when it was made; 0 before the first. */
  readonly head: number;
  /** The id of that event, null when there was none. */
  readonly headId: string | null;
  /** The lowest seq that still denies anything; head + 1 if none does. */
  readonly lowWatermark: number;
  /** `iat_ms`: read before `head`, so whatever was acknowledged before it lies at or below `head`. */
  readonly at: EpochMillis;
  /** `wall_ms`: the issuer's wall clock then. Without this member: `at`. */
  readonly wall: EpochMillis;
  /** `time_since`: the epoch in which the issuer's clock was last set; times of earlier epochs may be ahead. Null: never. */
  readonly timeSince: string | null;
}

/** Whether a verified payload is a heartbeat: only a heartbeat has no `seq`. */
export function looksLikeHeartbeat(claims: Claims): boolean {
  return claims.seq === undefined && isObject(claims.events) && Object.hasOwn(claims.events, HEARTBEAT_TYPE);
}

/** Reads the position of an event; undefined without a valid one. */
export function readPosition(claims: Claims): LogPosition | undefined {
  const { epoch, seq, jti: id, prev } = claims;
  const at = readTime(claims);
  if (!isEpoch(epoch) || !isInteger(seq, 1) || !isText(id, MAX_ID) || at === undefined) return undefined;
  // Only the first event has no predecessor.
  if (seq === 1 ? prev !== null : !isText(prev, MAX_ID)) return undefined;
  return { epoch, seq, id, prev: prev as string | null, at };
}

/** Reads a heartbeat; undefined when any member is invalid. */
export function readHeartbeat(claims: Claims): HeartbeatBody | undefined {
  const { epoch, head, last, floor: lowWatermark, time_since: timeSince = null } = claims;
  const at = readTime(claims);
  const wall = claims.wall_ms ?? at;
  if (!isFirstVersion(claims) || singleEvent(claims) === undefined || at === undefined) return undefined;
  if (!isEpoch(epoch) || !isInteger(head, 0) || !isInteger(lowWatermark, 1) || lowWatermark > head + 1)
    return undefined;
  if (head === 0 ? last !== null : !isText(last, MAX_ID)) return undefined;
  if (!isInteger(wall, 0) || !(timeSince === null || (isEpoch(timeSince) && timeSince <= epoch))) return undefined;
  return { epoch, head, headId: last as string | null, lowWatermark, at, wall, timeSince };
}

/** Reads the content of an event. @returns a text, the invalid member, when this version does not know the event */
export function readBody(claims: Claims): EventBody | string {
  if (!isFirstVersion(claims)) return 'version';
  const event = singleEvent(claims);
  if (event === undefined) return 'events';
  if (!isText(claims.txn, MAX_ID)) return 'txn';
  const { deny } = claims;
  if (!Array.isArray(deny) || deny.length === 0 || deny.length > MAX_DENIALS) return 'deny';
  const cutOffs: CutOff[] = [];
  for (const entry of deny) {
    const cutOff = readCutOff(entry);
    if (cutOff === undefined) return 'denial';
    cutOffs.push(cutOff);
  }
  // The version before wrote it as a member of the type.
  return { txn: claims.txn, type: event.type, reason: readReason(claims.reason ?? event.object.reason), cutOffs };
}

/** `iat_ms`, which must lie within the second of `iat`. */
function readTime({ iat, iat_ms: at }: Claims): EpochMillis | undefined {
  return isInteger(iat, 0) && isInteger(at, 0) && Math.floor(at / 1000) === iat ? at : undefined;
}

/** A later version has this member; the first version has none. */
function isFirstVersion(claims: Claims): boolean {
  return claims.version === undefined || claims.version === 1;
}

function singleEvent({ events }: Claims): { readonly type: string; readonly object: Claims } | undefined {
  if (!isObject(events)) return undefined;
  const [member, ...others] = Object.entries(events);
  if (member === undefined || others.length > 0 || !isObject(member[1])) return undefined;
  return { type: member[0], object: member[1] };
}

/** An invalid reason does not invalidate the cut-offs. */
function readReason(reason: unknown): string {
  return isReason(reason) ? reason : 'unspecified';
}

export function isReason(reason: unknown): reason is string {
  return typeof reason === 'string' && REASON.test(reason);
}

/**
 * A cut-off as an entry of `deny`: without `issuedUntil` it is unbounded, and `endsSession` is a flag.
 * @throws TypeError for merged cut-offs: an entry has one time
 */
export function writeCutOff({ iss, claim, value, issuedUntil, expiresAt, sessionUntil }: CutOff): Claims {
  const endsSession = sessionUntil === issuedUntil;
  if (!endsSession && sessionUntil !== NO_SESSION)
    throw new TypeError('sessionUntil must be issuedUntil or NO_SESSION');
  const bound = issuedUntil === UNBOUNDED ? {} : { issuedUntil };
  return { iss, claim, value, ...bound, expiresAt, endsSession };
}

/** Requires exactly the known members: an unknown one may narrow or widen what is denied. A key is denied for ever. */
function readCutOff(entry: unknown): CutOff | undefined {
  if (!isObject(entry)) return undefined;
  const { iss, claim, value, issuedUntil, expiresAt, endsSession, ...others } = entry;
  if (Object.keys(others).length > 0) return undefined;
  if (!isText(iss, MAX_ISSUER) || !isText(claim, MAX_ID) || !isText(value, MAX_VALUE)) return undefined;
  if (!isInteger(expiresAt, 0) || typeof endsSession !== 'boolean') return undefined;
  const isBounded = issuedUntil !== undefined;
  if (isBounded && !isInteger(issuedUntil, 0)) return undefined;
  if (!isBounded && !UNBOUNDED_CLAIMS.has(claim)) return undefined;
  // A time, however great, is a bound.
  const until = isBounded ? Math.min(issuedUntil, UNBOUNDED - 1) : UNBOUNDED;
  const sessionUntil = endsSession ? until : NO_SESSION;
  return { iss, claim, value, issuedUntil: until, expiresAt: claim === 'kid' ? NEVER : expiresAt, sessionUntil };
}

function isEpoch(value: unknown): value is string {
  return typeof value === 'string' && EPOCH.test(value);
}

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxLength;
}

function isInteger(value: unknown, min: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= min;
}

function isObject(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
