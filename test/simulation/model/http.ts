import type { WayStart } from '@rescind/feed';
import type { Issuer } from './issuer.ts';
import { heartbeat } from './issuer.ts';
import type { RelayWorld } from './relay.ts';

/** One connection of the second way, from the server's side. What it wrote is read by the client some time later. */
export interface Connection {
  readonly epoch: string;
  sent: number;
  beatAt: number;
  /** The heartbeat that waits for its head to be written. */
  due: { readonly jws: string; readonly head: number } | null;
  readonly written: string[];
  /** Whether the epoch is over and its last word has been written. */
  ended: boolean;
}

/** Answers a request: a heartbeat made now opens it; what is not of this log, or below its floor, starts at the floor. */
export function accept(issuer: Issuer, world: RelayWorld, start: WayStart): Connection {
  const { epoch, head, floor } = issuer.database;
  const isOurs = start.epoch === epoch && start.seq >= floor - 1 && start.seq <= head;
  const opening = heartbeat(issuer, world);
  return {
    epoch,
    sent: isOurs ? start.seq : floor - 1,
    beatAt: world.now() + 1_000,
    due: null,
    written: [opening.jws],
    ended: false,
  };
}

/** The epoch is over: what is left is that its key was revoked, if it was. */
export function endEpoch(connection: Connection, { database }: Issuer): void {
  if (connection.ended) return;
  connection.ended = true;
  const word = database.lastWords.find(({ epoch }) => epoch === connection.epoch);
  if (word !== undefined) connection.written.push(word.jws);
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
