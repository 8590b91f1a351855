import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import { createEventEncoder } from '@rescind/feed/event';
import { createSigner } from '@rescind/token/signing';
import { toCutOff } from '../../support/cut-offs.ts';
import { EPOCH, eventId, LENGTH_BYTES, readKey } from '../material/events.ts';
import { ISSUER, newId } from '../material/rows.ts';

/** Writes the events from one seq to another into a file. A thread of `makeEventFiles`. */
const { directory, name, from, to } = workerData as { directory: string; name: string; from: number; to: number };
const HOURS_MS = 12 * 3_600_000;
const FLUSH = 1_000;

const encoder = createEventEncoder({
  log: ISSUER,
  sign: createSigner(readKey(directory, 'event'), { typ: 'secevent+jwt' }),
});
const file = openSync(join(directory, name), 'w');
const at = Date.now();
let chunks: Buffer[] = [];
for (let seq = from; seq <= to; seq++) {
  const jws = encoder.event({
    epoch: EPOCH,
    seq,
    id: eventId(seq),
    prev: seq === 1 ? null : eventId(seq - 1),
    txn: newId(),
    reason: 'logout',
    at,
    cutOffs: [toCutOff({ iss: ISSUER, claim: 'sid', value: newId(), expiresAt: at + HOURS_MS, endsSession: true })],
  });
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(jws.length);
  chunks.push(length, Buffer.from(jws, 'latin1'));
  if (seq % FLUSH === 0 || seq === to) {
    writeSync(file, Buffer.concat(chunks));
    chunks = [];
  }
}
closeSync(file);
