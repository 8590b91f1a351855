import type { CutOff } from '@rescind/revocation/cut-off';
import { UNBOUNDED } from '@rescind/revocation/cut-off';
import type { VerifiedToken } from '@rescind/token';
import type { TransportRecord } from '../ports.ts';
import type { EventBody, LogPosition } from './claims.ts';
import { looksLikeHeartbeat, readBody, readHeartbeat, readPosition } from './claims.ts';
import { latestCutOff } from './encode.ts';
import type { DecodedRecord, EventRecord } from './record.ts';
import { EVENT_KID } from './vocabulary.ts';

// Threads load this file: it must not load the verifier.

/** What a reader of verified payloads needs to know of the log. */
export interface RecordReaderSettings {
  readonly log: string;
  readonly issuers: readonly string[];
}

/** Decodes verified payloads. */
export interface RecordReader {
  read(record: TransportRecord, token: VerifiedToken): DecodedRecord;
  /** Decodes an event that `pack` packed in another thread. */
  unpack(record: TransportRecord, packed: PackedEvent): EventRecord;
}

export function createRecordReader({ log, issuers }: RecordReaderSettings): RecordReader {
  const speaksFor = new Map(issuers.map((iss) => [iss, iss]));
  const same = { log, speaksFor, epochAs: createSameText(), kidAs: createSameText() };
  return {
    read: (record, token) => read(record, token, same),
    unpack: (record, packed) => unpack(record, packed, same),
  };
}

/** Replaces equal texts by one object: maps then find it without comparing characters. */
interface SameTexts {
  readonly log: string;
  readonly speaksFor: ReadonlyMap<string, string>;
  epochAs(epoch: string): string;
  kidAs(kid: string): string;
}

/** Returns the previous text if it is equal. */
function createSameText(): (text: string) => string {
  let last = '';
  return (text) => {
    if (text !== last) last = text;
    return last;
  };
}

function read(record: TransportRecord, { header, payload }: VerifiedToken, same: SameTexts): DecodedRecord {
  const kid = same.kidAs(header.kid ?? '');
  if (looksLikeHeartbeat(payload)) {
    const heartbeat = readHeartbeat(payload);
    return heartbeat === undefined
      ? { kind: 'bad', ...delivery(record), reason: 'no_position' }
      : { kind: 'heartbeat', ...delivery(record), kid, ...heartbeat };
  }
  const found = readPosition(payload);
  if (found === undefined) return { kind: 'bad', ...delivery(record), reason: 'no_position' };
  const position = { ...found, kid, epoch: same.epochAs(found.epoch) };
  const body = readBody(payload);
  if (typeof body === 'string') return { kind: 'not-understood', ...delivery(record), ...position, reason: body };
  return toEvent(record, position, body, same);
}

function toEvent(
  record: TransportRecord,
  position: LogPosition & { readonly kid: string },
  body: EventBody,
  { log, speaksFor }: SameTexts,
): EventRecord {
  const cutOffs: CutOff[] = [];
  const kills: string[] = [];
  let skipped = 0;
  let clamped = 0;
  for (const cutOff of body.cutOffs) {
    // An event key signs no token, so its cut-off becomes no row: each request looks up the claims of rows.
    if (cutOff.claim === EVENT_KID) {
      if (cutOff.iss === log) kills.push(cutOff.value);
      else skipped += 1;
      continue;
    }
    const iss = speaksFor.get(cutOff.iss);
    if (iss === undefined) {
      skipped += 1;
      continue;
    }
    const bounded = withinBounds(cutOff, iss, position);
    if (bounded.issuedUntil !== cutOff.issuedUntil || bounded.expiresAt !== cutOff.expiresAt) clamped += 1;
    cutOffs.push(bounded);
  }
  return { kind: 'event', ...delivery(record), ...position, ...body, cutOffs, kills, skipped, clamped };
}

/** Limits T to the second of the event, and E to its time or later. */
function withinBounds(cutOff: CutOff, iss: string, { at }: LogPosition): CutOff {
  const { claim, value } = cutOff;
  const issuedUntil = cutOff.issuedUntil === UNBOUNDED ? UNBOUNDED : Math.min(cutOff.issuedUntil, latestCutOff(at));
  const sessionUntil = Math.min(cutOff.sessionUntil, issuedUntil);
  return { iss, claim, value, issuedUntil, expiresAt: Math.max(cutOff.expiresAt, at), sessionUntil };
}

export function delivery({ jws, live, hint }: TransportRecord): TransportRecord {
  return { jws, live, hint };
}

/** The members of an event in an order: objects with names would cost twice as much to pass from one thread to another. */
export type PackedEvent = readonly [
  kid: string,
  epoch: string,
  seq: number,
  id: string,
  prev: string | null,
  at: number,
  txn: string,
  type: string,
  reason: string,
  cutOffs: readonly PackedCutOff[],
  kills: readonly string[],
  skipped: number,
  clamped: number,
];

type PackedCutOff = readonly [
  iss: string,
  claim: string,
  value: string,
  issuedUntil: number,
  expiresAt: number,
  sessionUntil: number,
];

/** JSON represents each member exactly: texts are well-formed, and numbers are safe integers. */
export function pack(event: EventRecord): PackedEvent {
  const { kid, epoch, seq, id, prev, at, txn, type, reason, kills, skipped, clamped } = event;
  const cutOffs = event.cutOffs.map(({ iss, claim, value, issuedUntil, expiresAt, sessionUntil }): PackedCutOff => {
    return [iss, claim, value, issuedUntil, expiresAt, sessionUntil];
  });
  return [kid, epoch, seq, id, prev, at, txn, type, reason, cutOffs, kills, skipped, clamped];
}

function unpack({ jws, live, hint }: TransportRecord, packed: PackedEvent, same: SameTexts): EventRecord {
  const [kid, epoch, seq, id, prev, at, txn, type, reason, packedCutOffs, kills, skipped, clamped] = packed;
  const cutOffs: CutOff[] = [];
  for (const [iss, claim, value, issuedUntil, expiresAt, sessionUntil] of packedCutOffs) {
    cutOffs.push({ iss: same.speaksFor.get(iss) ?? iss, claim, value, issuedUntil, expiresAt, sessionUntil });
  }
  const position = { kid: same.kidAs(kid), epoch: same.epochAs(epoch), seq, id, prev, at };
  return { kind: 'event', jws, live, hint, ...position, txn, type, reason, cutOffs, kills, skipped, clamped };
}
