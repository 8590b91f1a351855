import type { DurationMs } from '@rescind/revocation';
import type { BadRecord, EventRecord, HeartbeatRecord, UnknownVersionRecord } from '../../event/record.ts';
import { asOf, asOfEarlier } from './age.ts';
import type { Draft } from './draft.ts';
import { count, log, transportOf } from './draft.ts';
import { restart } from './transports.ts';
import type { AnnouncedEpoch, EventKeysState, FetchedSet, FollowerState, TransportRole } from './types.ts';

/** Fetches that records may cause at once, and how long it takes until one more may be. */
const BUCKET = 5;
const REFILL_MS: DurationMs = 10_000;
/** A whole fleet receives the same record at the same moment. */
const SPREAD_MS: DurationMs = 250;
/** Records of the issuer's own server, and the first record of a revocation, take no token of the bucket. */
const FREE_EVERY_MS: DurationMs = 1_000;
const FIRST_RETRY_MS: DurationMs = 1_000;
const MAX_RETRY_MS: DurationMs = 30_000;
/** Kids that the issuer's set did not have: neither fetched again nor a reason for suspicion for so long. */
const MAX_ABSENT = 256;
const ABSENT_MS: DurationMs = 600_000;
/** A flood of made-up kids or epochs must not become a list as long as the flood. */
const MAX_ANNOUNCED = 64;
/** The kid that a Rescind issuer gives its keys is an RFC 7638 thumbprint: SHA-256 as base64url. */
const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/;

type SignedRecord = EventRecord | HeartbeatRecord | UnknownVersionRecord;

export function newEventKeys(now: DurationMs): EventKeysState {
  return {
    epochs: new Map(),
    unknown: new Map(),
    doubted: new Map(),
    selfRevoked: null,
    absent: new Map(),
    tokens: BUCKET,
    refilledAt: now,
    freeAt: Number.NEGATIVE_INFINITY,
    isFree: false,
    dueAt: null,
    requested: null,
    failures: 0,
  };
}

export function isRevoked({ logState }: Pick<FollowerState, 'logState'>, kid: string): boolean {
  return logState.revokedEventKids?.includes(kid) === true;
}

/** Whether keys are awaited after which the primary transport's records may have to be read again: until then its hint stays. */
export function isAwaitingKeys({ eventKeys: { epochs, unknown } }: Draft): boolean {
  return epochs.size + unknown.size > 0;
}

/**
 * Applies what a verified record states about event keys. @returns whether the record may do more than deny: it is of the followed
 * epoch, and signed by the key of that epoch
 */
export function acceptsKey(draft: Draft, record: SignedRecord): boolean {
  if (record.kind === 'event') for (const kid of record.kills) applyKeyRevocation(draft, record, kid);
  const { logState } = draft;
  if (logState.epoch === '' || record.epoch > logState.epoch) {
    if (!isRevoked(draft, record.kid)) noteAnnouncedEpoch(draft, record);
    return false;
  }
  if (record.epoch < logState.epoch) return true;
  // A file of the version before does not name the key of the epoch: it is the first one that signs in it and is in the set.
  if (logState.epochKid === undefined) draft.logState = { ...logState, epochKid: record.kid };
  return draft.logState.epochKid === record.kid;
}

/**
 * A revocation of the key that signs it counts at once, at any position: only the holder of the key can sign it. One of another key
 * causes a fetch: otherwise a thief of one key could revoke all others.
 */
function applyKeyRevocation(draft: Draft, record: EventRecord, kid: string): void {
  if (isRevoked(draft, kid)) return;
  if (kid === record.kid) {
    // Submitted to the issuer as evidence: if the issuer does not know the event, a thief has signed it.
    const { epoch, epochKid } = draft.logState;
    const isFurther = kid === epochKid || epoch === '' || (record.epoch > epoch && draft.cause !== 'fork');
    if (isFurther) draft.logState = { ...draft.logState, proof: record.jws };
    if (kid !== epochKid && epoch !== '') {
      draft.eventKeys = { ...draft.eventKeys, selfRevoked: { kid, jws: record.jws, since: draft.at.monotonic } };
    }
    revokeKey(draft, kid);
    requestFetch(draft, true);
    return;
  }
  const { doubted } = draft.eventKeys;
  if (doubted.has(kid) || doubted.size >= MAX_ANNOUNCED) return;
  draft.eventKeys = { ...draft.eventKeys, doubted: new Map(doubted).set(kid, draft.at.monotonic) };
  requestFetch(draft, true);
}

function revokeKey(draft: Draft, kid: string): void {
  const { revokedEventKids = [], epochKid } = draft.logState;
  draft.logState = { ...draft.logState, revokedEventKids: [...revokedEventKids, kid] };
  count(draft, 'rescind_event_keys_revoked_total');
  log(draft, 'warn', 'event_key_revoked', { kid, epoch: draft.logState.epoch });
  const isElse = ([, heard]: readonly [string, AnnouncedEpoch]) => heard.kid !== kid;
  draft.eventKeys = { ...draft.eventKeys, epochs: new Map([...draft.eventKeys.epochs].filter(isElse)) };
  if (epochKid === kid && draft.logState.epoch !== '') leaveEpoch(draft, 'key_revoked');
}

function noteAnnouncedEpoch(draft: Draft, { epoch, kid, jws }: SignedRecord): void {
  const { epochs } = draft.eventKeys;
  if (epochs.has(epoch) || epochs.size >= MAX_ANNOUNCED) return;
  draft.eventKeys = { ...draft.eventKeys, epochs: new Map(epochs).set(epoch, { kid, jws, since: draft.at.monotonic }) };
  requestFetch(draft, false);
}

/** A record of an unknown key may be of the next epoch, or invalid: the view is suspect until the issuer's set decides. */
export function noteUnknownKey(draft: Draft, transport: TransportRole, { claimed }: BadRecord): void {
  if (claimed === undefined || isRevoked(draft, claimed.kid)) return;
  const { kid, epoch } = claimed;
  const { unknown, absent } = draft.eventKeys;
  const now = draft.at.monotonic;
  if (unknown.has(kid) || (absent.get(kid) ?? Number.NEGATIVE_INFINITY) > now) return;
  const { fromIssuer } = transportOf(draft.settings, transport);
  const isOurs = THUMBPRINT.test(kid) && epoch !== null && epoch > draft.logState.epoch;
  if ((!fromIssuer && !isOurs) || unknown.size >= MAX_ANNOUNCED) return;
  draft.eventKeys = { ...draft.eventKeys, unknown: new Map(unknown).set(kid, now) };
  log(draft, 'info', 'event_key_unknown', { kid });
  requestFetch(draft, fromIssuer);
}

function requestFetch(draft: Draft, isFree: boolean): void {
  if (isFree) draft.eventKeys = { ...draft.eventKeys, isFree: true };
}

/** Requests a fetch of the set, within the limits, if something waits for it. Called at the end of every step. */
export function fetchWhatIsDue(draft: Draft): void {
  scheduleFetch(draft);
  const { eventKeys, at } = draft;
  const { dueAt } = eventKeys;
  if (dueAt === null || at.monotonic < dueAt) return;
  const { heartbeat, logState } = draft;
  // By what was known at the request: an endless flood of kids must not keep the view from getting younger.
  const asOf = heartbeat?.agrees === true && logState.seq >= logState.head && draft.cause !== 'gap' ? heartbeat : null;
  draft.eventKeys = { ...eventKeys, dueAt: null, requested: { since: at.monotonic, heartbeat: asOf } };
  draft.effects.push({ kind: 'fetchKeys' });
}

function scheduleFetch(draft: Draft): void {
  const { eventKeys, at } = draft;
  const { dueAt, requested } = eventKeys;
  if (dueAt !== null || requested !== null || !isFetchNeeded(eventKeys)) return;
  const now = at.monotonic;
  // A fleet receives the same change at the same moment; an instance that is not ready has just started.
  const spread = draft.ready ? at.random * SPREAD_MS : 0;
  if (eventKeys.isFree && now - eventKeys.freeAt >= FREE_EVERY_MS) {
    draft.eventKeys = { ...eventKeys, isFree: false, freeAt: now, dueAt: now + spread };
    return;
  }
  const refills = Math.floor((now - eventKeys.refilledAt) / REFILL_MS);
  const tokens = Math.min(BUCKET, eventKeys.tokens + refills);
  const refilledAt = tokens === BUCKET ? now : eventKeys.refilledAt + refills * REFILL_MS;
  if (tokens < 1) return;
  draft.eventKeys = { ...eventKeys, tokens: tokens - 1, refilledAt, dueAt: now + spread };
}

/** Whether something waits for the set of event keys. Without an epoch, only the set names the one of those announced that is followed. */
export function isFetchNeeded({ epochs, unknown, doubted, isFree }: EventKeysState): boolean {
  return epochs.size + unknown.size + doubted.size > 0 || isFree;
}

/** A requested fetch has failed: what waits for it keeps waiting. */
export function fetchFailed(draft: Draft): void {
  const { eventKeys, at } = draft;
  if (eventKeys.requested === null) return;
  const failures = eventKeys.failures + 1;
  const wait = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1)) * (0.75 + at.random / 2);
  draft.eventKeys = { ...eventKeys, requested: null, failures, dueAt: at.monotonic + wait };
}

/** Applies a fetched set: it decides about what was received before the fetch began. */
export function applyKeySet(draft: Draft, set: FetchedSet): void {
  const { requested } = draft.eventKeys;
  if (requested !== null && set.begunAt >= requested.since) {
    draft.eventKeys = { ...draft.eventKeys, requested: null, failures: 0 };
  }
  decideDoubted(draft, set);
  const { epoch, epochKid } = draft.logState;
  if (epoch !== '' && epochKid != null && !set.kids.includes(epochKid)) leaveEpoch(draft, 'key_withdrawn');
  decideSelfRevoked(draft, set);
  const isKeyFound = decideUnknown(draft, set);
  const isEntered = decideEpochs(draft, set);
  if (isKeyFound || isEntered) readAgain(draft, isEntered ? 'epoch' : 'keys');
  else if (requested !== null && draft.eventKeys.unknown.size > 0) draft.awaitedHeartbeat = requested.heartbeat;
}

function decideDoubted(draft: Draft, set: FetchedSet): void {
  for (const [kid, since] of draft.eventKeys.doubted) {
    if (since > set.begunAt) continue;
    const doubted = new Map(draft.eventKeys.doubted);
    doubted.delete(kid);
    draft.eventKeys = { ...draft.eventKeys, doubted };
    if (!set.kids.includes(kid) && !isRevoked(draft, kid)) revokeKey(draft, kid);
  }
}

/**
 * An issuer that still signs a later epoch with a key that has revoked itself does not know of that: no epoch can be followed until it
 * has been shown the event.
 */
function decideSelfRevoked(draft: Draft, set: FetchedSet): void {
  const { selfRevoked } = draft.eventKeys;
  if (selfRevoked !== null && selfRevoked.since > set.begunAt) return;
  draft.eventKeys = { ...draft.eventKeys, selfRevoked: null };
  const { epoch } = draft.logState;
  const { epochKid } = set;
  if (epoch === '' || epochKid === null || !isRevoked(draft, epochKid) || (set.epoch ?? '') <= epoch) return;
  if (selfRevoked?.kid === epochKid) draft.logState = { ...draft.logState, proof: selfRevoked.jws };
  leaveEpoch(draft, 'key_revoked');
}

/** Whether a key was found that a record had been signed with. */
function decideUnknown(draft: Draft, set: FetchedSet): boolean {
  const { unknown, absent } = draft.eventKeys;
  const decided = [...unknown].filter(([, since]) => since <= set.begunAt).map(([kid]) => kid);
  if (decided.length === 0) return false;
  const left = new Map(unknown);
  const remembered = new Map(absent);
  let isFound = false;
  for (const kid of decided) {
    left.delete(kid);
    if (set.kids.includes(kid)) isFound = true;
    else remembered.set(kid, draft.at.monotonic + ABSENT_MS);
  }
  for (const oldest of [...remembered.keys()].slice(0, Math.max(0, remembered.size - MAX_ABSENT))) {
    remembered.delete(oldest);
  }
  draft.eventKeys = { ...draft.eventKeys, unknown: left, absent: remembered };
  return isFound;
}

/** Whether an epoch was entered: the one that the set names, if its key is in the set and a record announced it before the fetch. */
function decideEpochs(draft: Draft, set: FetchedSet): boolean {
  const { epochs } = draft.eventKeys;
  const decided = [...epochs].filter(([, { since }]) => since <= set.begunAt);
  if (decided.length === 0) return false;
  const left = new Map([...epochs].filter(([epoch]) => !decided.some(([one]) => one === epoch)));
  draft.eventKeys = { ...draft.eventKeys, epochs: left };
  // An issuer of the version before names neither: then the greatest epoch of a published key is the one.
  const good = decided
    .filter(([epoch]) => epoch > draft.logState.epoch && (set.epoch === null || set.epoch === epoch))
    .map(([epoch, { kid, jws }]) => [epoch, set.epochKid ?? kid, jws] as const)
    .filter(([, kid]) => set.kids.includes(kid) && !isRevoked(draft, kid));
  const [found] = good.toSorted(([a], [b]) => (a < b ? 1 : -1));
  if (found === undefined) {
    count(draft, 'rescind_feed_epochs_unnamed_total', {}, decided.length);
    return false;
  }
  enterEpoch(draft, ...found);
  return true;
}

/** Restarts the transports: records read before their key or epoch was known did not move the position. */
function readAgain(draft: Draft, reason: 'epoch' | 'keys'): void {
  for (const transport of ['primary', 'fallback'] as const) {
    const { open, standby } = draft.transports[transport];
    // A standby stream repeats only what it delivered under the unknown key.
    if (open && !(standby && reason === 'epoch')) restart(draft, transport, reason);
  }
}

/** A newer identity of the log, named by the set of event keys: the position starts anew, what was denied stays denied. */
function enterEpoch(draft: Draft, epoch: string, kid: string, proof: string): void {
  const { logState } = draft;
  // The first epoch of a new file is expected.
  if (logState.epoch !== '' || logState.wholeAt > 0) draft.cause = 'epoch';
  if (draft.cause === 'epoch') {
    count(draft, 'rescind_feed_epochs_total');
    log(draft, 'warn', 'feed_epoch_new', { epoch, from: logState.epoch, seq: logState.seq });
  }
  draft.logState = { ...logState, ...NO_POSITION, epoch, epochKid: kid, proof };
  forgetPosition(draft);
}

/**
 * Leaves the epoch whose key is revoked or published no more: what stands in it may be a thief's. What was applied stays;
 * the view is as old as it is, and no younger than this machine's own clock allows.
 */
function leaveEpoch(draft: Draft, reason: 'key_revoked' | 'key_withdrawn'): void {
  const { logState, at } = draft;
  count(draft, 'rescind_feed_epochs_left_total', { reason });
  log(draft, 'warn', 'feed_epoch_left', { reason, epoch: logState.epoch, seq: logState.seq });
  draft.cause = 'epoch';
  const wholeAt = Math.min(asOf(logState), at.wall);
  draft.age = asOfEarlier(draft, asOf(logState) - wholeAt);
  draft.logState = { ...logState, ...NO_POSITION, epoch: '', epochKid: null, wholeAt, wholeWall: wholeAt };
  forgetPosition(draft);
}

const NO_POSITION = { seq: 0, id: null, head: 0, floor: 0 } as const;

function forgetPosition(draft: Draft): void {
  draft.segment = null;
  draft.heartbeat = null;
  draft.awaitedHeartbeat = null;
  draft.repair = { ...draft.repair, dueAt: null, mustRestart: false, submittedAt: null };
}
