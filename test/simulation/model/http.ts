import type { StartPosition } from '@rescind/feed';
import { createRelayCore } from '@rescind/issuer/testing';
import type { Issuer } from './issuer.ts';
import { heartbeat } from './issuer.ts';
import type { Relay, RelayWorld } from './relay.ts';

/** The server's side of one HTTP connection. The client reads some time later what the server has written. */
export interface Connection {
  readonly epoch: string;
  sent: number;
  beatAt: number;
  /** Whether it carries events only while Kafka is late. */
  readonly standby: boolean;
  /** Whether a standby stream delivers events now. */
  delivering: boolean;
  /** The heartbeats that were made for this connection, newest last. */
  recent: readonly { readonly jws: string; readonly head: number }[];
  /** The heartbeat that waits for its head to be written. */
  due: { readonly jws: string; readonly head: number } | null;
  readonly written: string[];
  /** Whether the epoch has ended and its closing event has been written. */
  ended: boolean;
}

/** Answers a request: a new heartbeat opens it; a position of another log, or below the low watermark, starts at the low watermark. */
export function accept(issuer: Issuer, world: RelayWorld, start: StartPosition, standby: boolean): Connection {
  const { epoch, head, floor } = issuer.database;
  const isOurs = start.epoch === epoch && start.seq >= floor - 1 && start.seq <= head;
  const opening = heartbeat(issuer, world);
  return {
    epoch,
    sent: isOurs ? start.seq : floor - 1,
    beatAt: world.now() + (standby ? 10_000 : 1_000),
    standby,
    delivering: false,
    recent: [],
    due: null,
    written: [opening.jws],
    ended: false,
  };
}

/** Ends the connections of an epoch: if its key was revoked, the closing event is written last. */
export function endEpoch(connection: Connection, { database }: Issuer): void {
  if (connection.ended) return;
  connection.ended = true;
  const word = database.lastWords.find(({ epoch }) => epoch === connection.epoch);
  if (word !== undefined) connection.written.push(word.jws);
}

const relayCore = createRelayCore();
/** The most events of a delivery that were appended before it began. */
const DELIVERED_EVENTS = 40;

/** Writes a heartbeat each 10 s whose head Kafka has acknowledged; while Kafka is late, the events and a heartbeat each second. */
export function pumpStandby(connection: Connection, issuer: Issuer, world: RelayWorld, relay: Relay | null): void {
  const now = world.now();
  const { database } = issuer;
  const overdue = relay === null || database.refusing ? null : relayCore.overdue(relay.state, now);
  if (overdue?.withEvents) {
    const after = world.mutants.noMargin ? (relay?.state.sentSeq ?? 0) : overdue.after;
    if (!connection.delivering) begin(connection, issuer, after, now);
    pump(connection, issuer, world);
    return;
  }
  connection.delivering = false;
  if (now < connection.beatAt) return;
  const beat = heartbeat(issuer, world);
  connection.recent = [...connection.recent, beat].slice(-40);
  const readUpTo =
    relay === null || overdue !== null || database.refusing ? beat.head : relayCore.readUpTo(relay.state, now);
  const covered = connection.recent.findLast(({ head }) => head <= readUpTo);
  if (covered === undefined) return;
  connection.beatAt = now + (overdue === null ? 10_000 : 1_000);
  connection.written.push(covered.jws);
}

function begin(connection: Connection, { database }: Issuer, after: number, now: number): void {
  connection.delivering = true;
  connection.beatAt = now;
  connection.sent = after;
  const rows = database.rows.filter(({ seq }) => seq > after);
  if (rows.length <= DELIVERED_EVENTS) return;
  for (const { jws } of rows.slice(0, DELIVERED_EVENTS)) connection.written.push(jws);
  connection.sent = database.head;
}

export function pump(connection: Connection, issuer: Issuer, world: RelayWorld): void {
  const rows = issuer.database.rows.filter(({ seq }) => seq > connection.sent);
  for (const row of rows.slice(0, 1 + world.random.below(20))) {
    connection.written.push(row.jws);
    connection.sent = row.seq;
  }
  if (world.now() >= connection.beatAt) {
    connection.beatAt = world.now() + 1_000;
    connection.due = heartbeat(issuer, world);
  }
  const { due } = connection;
  if (due === null) return;
  const isAllWritten = !issuer.database.rows.some(({ seq }) => seq > connection.sent && seq <= due.head);
  if (!isAllWritten) return;
  connection.written.push(due.jws);
  connection.due = null;
}
