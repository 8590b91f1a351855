import type { RelayEffect, RelayInput, RelaySend, RelayState } from '@rescind/issuer/testing';
import { composeBatch, createRelayCore } from '@rescind/issuer/testing';
import { checkPublished, compareAppended, slowerTime } from './comparison.ts';
import type { Issuer, IssuerWorld } from './issuer.ts';
import { heartbeat } from './issuer.ts';
import type { Topic } from './topic.ts';
import type { SimRecord } from './truth.ts';
import { Violation } from './truth.ts';

export interface RelayWorld extends IssuerWorld {
  readonly topic: Topic;
  /** The probability that a send fails in some way. */
  readonly sendFaults: number;
  /** `calm`: nothing fails. `stalls`: only the broker stalls. In both cases readers request standby streams only. Null: other faults occur. */
  steady: 'calm' | 'stalls' | null;
  /** How long an acknowledgement takes at least. */
  readonly acknowledgementMs: number;
  /** The effect of a signed text that is submitted to the issuer. */
  proven(record: SimRecord): void;
}

/** The relay in the issuer's process, which a crash removes. */
export interface Relay {
  state: RelayState;
  sending: { readonly send: RelaySend; readonly begunAt: number; readonly due: number } | null;
  looked: boolean;
  /** The slower of the two clocks when each heartbeat was made. */
  readonly madeAt: Map<string, number>;
  beatAt: number;
}

const core = createRelayCore({ limit: 4 });

/** @param epochSince when the epoch was opened */
export function startRelay(issuer: Issuer, world: RelayWorld, epochSince = Number.NEGATIVE_INFINITY): Relay {
  const { epoch, head, sentSeq } = issuer.database;
  const { state, effects } = core.start({ epoch, head }, { epoch, sentSeq }, world.now(), { epochSince });
  const relay: Relay = { state, sending: null, looked: false, madeAt: new Map(), beatAt: world.now() };
  follow(relay, issuer, world, effects);
  return relay;
}

export function stepRelay(relay: Relay, issuer: Issuer, world: RelayWorld): void {
  if (issuer.database.refusing) return;
  const now = world.now();
  const { epoch, head } = issuer.database;
  if (head > relay.state.head) input(relay, issuer, world, { kind: 'appended', epoch, head, now });
  if (now >= relay.beatAt) beat(relay, issuer, world);
  input(relay, issuer, world, { kind: 'tick', now });
  const { sending } = relay;
  if (world.steady === 'calm' && core.overdue(relay.state, now) !== null) {
    throw new Violation('the issuer delivers although Kafka is not late');
  }
  if (sending !== null && now >= sending.due && now >= world.topic.stalledUntil)
    finish(relay, issuer, world, sending.send);
}

function beat(relay: Relay, issuer: Issuer, world: RelayWorld): void {
  const now = world.now();
  relay.beatAt = now + 1_000;
  const { jws, epoch, head } = heartbeat(issuer, world);
  relay.madeAt.set(jws, slowerTime(issuer, world));
  input(relay, issuer, world, { kind: 'heartbeat', jws, epoch, head, now });
}

function input(relay: Relay, issuer: Issuer, world: RelayWorld, happening: RelayInput): void {
  const { state, effects } = core.step(relay.state, happening);
  const { acknowledgements } = state;
  relay.state = world.mutants.fixedPatience
    ? { ...state, acknowledgements: { ...acknowledgements, durations: [1], patienceMs: 250 } }
    : state;
  follow(relay, issuer, world, effects);
}

function follow(relay: Relay, issuer: Issuer, world: RelayWorld, effects: readonly RelayEffect[]): void {
  for (const effect of effects) {
    if (effect.kind === 'send') {
      const slow = world.random.chance(world.sendFaults) ? world.random.below(4_000) : world.random.below(20);
      const now = world.now();
      relay.sending = { send: effect.send, begunAt: now, due: now + world.acknowledgementMs + slow };
      input(relay, issuer, world, { kind: 'publishing', now });
      // Sometimes not stored, as after a crash: then events are sent twice.
    } else if (world.random.chance(0.7)) issuer.database.sentSeq = effect.sentSeq;
  }
}

function finish(relay: Relay, issuer: Issuer, world: RelayWorld, send: RelaySend): void {
  const tookMs = world.now() - (relay.sending?.begunAt ?? world.now());
  relay.sending = null;
  const sent = attempt(relay, issuer, world, send, tookMs);
  const now = world.now();
  if (sent.kind === 'again' || sent.kind === 'compared') {
    const { epoch, head, floor } = issuer.database;
    const isSame = sent.kind === 'compared' && send.epoch === epoch;
    const { state, effects } = core.start({ epoch, head }, { epoch, sentSeq: isSame ? sent.upTo : floor - 1 }, now);
    relay.state = state;
    follow(relay, issuer, world, effects);
    if (sent.kind === 'compared') beat(relay, issuer, world);
  } else if (sent.kind === 'failed') {
    relay.looked = false;
    issuer.comparison?.reference.abandon();
    input(relay, issuer, world, { kind: 'failed', now });
  } else if (sent.kind === 'sent') input(relay, issuer, world, { ...sent, tookMs, now });
}

type Sent =
  | { readonly kind: 'failed' }
  | { readonly kind: 'again' }
  | { readonly kind: 'compared'; readonly upTo: number }
  | { readonly kind: 'sent'; readonly upTo: number; readonly withHeartbeat: boolean };

const FAILED: Sent = { kind: 'failed' };

function attempt(relay: Relay, issuer: Issuer, world: RelayWorld, send: RelaySend, tookMs: number): Sent {
  const { topic, random } = world;
  const now = world.now();
  if (!topic.log.isUp) return FAILED;
  if (!relay.looked && !look(relay, issuer, world)) return { kind: issuer.database.refusing ? 'failed' : 'again' };
  if (issuer.comparison?.isDue === true) {
    if (!compare(issuer, world, tookMs)) return FAILED;
    if (!world.mutants.publishesEarlierHeartbeats) return { kind: 'compared', upTo: send.after };
  }
  const { database } = issuer;
  for (const word of database.lastWords.filter(({ sent }) => !sent)) {
    if (random.chance(world.sendFaults)) return FAILED;
    topic.log.append([word.jws], now);
    word.sent = true;
  }
  const rows = database.rows.filter(({ seq }) => seq > send.after).slice(0, send.limit);
  const { records, upTo, withHeartbeat } = composeBatch(send, rows);
  for (const jws of records) {
    const record = world.registry.find(jws);
    if (record?.kind === 'heartbeat') checkPublished(issuer, world, record.at, relay.madeAt.get(jws) ?? 0);
  }
  if (!random.chance(world.sendFaults)) {
    topic.log.append(records, now);
    const isFoundApart = records.length > 0 && compareAppended(issuer, world, tookMs);
    if (isFoundApart && !world.mutants.publishesEarlierHeartbeats) return { kind: 'compared', upTo };
    return { kind: 'sent', upTo, withHeartbeat };
  }
  // The send is not acknowledged: its records have arrived, arrive later, or never arrive.
  if (random.chance(0.4)) topic.log.append(records, now);
  else if (random.chance(0.6)) topic.late.push({ batch: records, due: now + random.below(8_000) });
  return FAILED;
}

/** Sends the last record of the log again. False: it was not acknowledged. */
function compare(issuer: Issuer, world: RelayWorld, tookMs: number): boolean {
  const { topic, registry, random } = world;
  const last = topic.log.records.slice(-50).findLast(({ jws }) => registry.find(jws) !== undefined);
  if (last !== undefined) {
    if (random.chance(world.sendFaults)) return false;
    topic.log.append([last.jws], world.now());
    compareAppended(issuer, world, tookMs);
  }
  if (issuer.comparison !== null) issuer.comparison.isDue = false;
  issuer.comparison?.reference.abandon();
  return true;
}

/** Checks the end of the topic. @returns false: nothing may be sent, or everything has to be sent again */
function look(relay: Relay, issuer: Issuer, { topic, registry, proven }: RelayWorld): boolean {
  const { database } = issuer;
  const tail = topic.log.records.slice(-50).map(({ jws }) => registry.find(jws));
  let reached = 0;
  for (const record of tail) {
    if (record === undefined) continue;
    proven(record);
    if (record.epoch === database.epoch && record.kid === database.eventKid)
      reached = Math.max(reached, placeOf(record)[1]);
  }
  relay.looked = !database.refusing;
  return relay.looked && (relay.state.sentSeq < database.floor || reached >= relay.state.sentSeq);
}

export function placeOf(record: SimRecord): [epoch: string, seq: number, id: string | null] {
  return record.kind === 'event' ? [record.epoch, record.seq, record.id] : [record.epoch, record.head, record.headId];
}
