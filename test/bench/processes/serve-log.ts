import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { LogSource } from '@rescind/feed';
import { createBasicAuthenticator, createRevocationsHandler } from '@rescind/feed';
import { createEventEncoder, createPageSigner } from '@rescind/feed/event';
import { createSigner, publicJwks } from '@rescind/token/signing';
import { EPOCH, eventId, LENGTH_BYTES, partsOf, readKey } from '../material/events.ts';
import { ISSUER } from '../material/rows.ts';

/** The issuer's side of the HTTP transport over the files, as a process of its own. Prints its port, and ends with its input. */
const [directory = '', count = ''] = process.argv.slice(2);
const events = Number(count);
const contents: Buffer[] = [];
/** Where each event begins, and in which file. */
const starts = new Float64Array(events + 2);
const fileOf = new Uint8Array(events + 2);

for (const [index, { name, from, to }] of partsOf({ directory, events }).entries()) {
  const content = readFileSync(join(directory, name));
  contents.push(content);
  let at = 0;
  for (let seq = from; seq <= to; seq++) {
    starts[seq] = at;
    fileOf[seq] = index;
    at += LENGTH_BYTES + content.readUInt32LE(at);
  }
}

function read(seq: number): string {
  const content = contents[fileOf[seq] ?? 0] as Buffer;
  const start = starts[seq] ?? 0;
  return content.toString('latin1', start + LENGTH_BYTES, start + LENGTH_BYTES + content.readUInt32LE(start));
}

const key = readKey(directory, 'event');
const encoder = createEventEncoder({ log: ISSUER, sign: createSigner(key, { typ: 'secevent+jwt' }) });
const snapshot = () => ({ epoch: EPOCH, head: events, headId: eventId(events), lowWatermark: 1 });
const source: LogSource = {
  log: ISSUER,
  snapshot,
  read: (after, limit) =>
    Array.from({ length: Math.max(0, Math.min(limit, events - after)) }, (_, index) => {
      return { seq: after + index + 1, jws: read(after + index + 1) };
    }),
  signPage: createPageSigner({
    log: ISSUER,
    kid: key.kid,
    sign: (payload, typ) => createSigner(key, { typ })(payload),
  }),
  heartbeat: () => ({ jws: encoder.heartbeat({ ...snapshot(), at: Date.now() }), epoch: EPOCH, head: events }),
  onAppend: () => () => undefined,
  receiveEvidence: () => undefined,
};
const handler = createRevocationsHandler({ source, authenticate: createBasicAuthenticator({ bench: 'bench-secret' }) });
const keys = {
  '/.well-known/jwks.json': publicJwks([readKey(directory, 'token')]),
  '/.well-known/event-jwks.json': publicJwks([key]),
};
const server = createServer((request, response) => {
  const found = Object.entries(keys).find(([path]) => path === request.url);
  if (found === undefined) handler.handle(request, response);
  else response.setHeader('content-type', 'application/json').end(JSON.stringify(found[1]));
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
process.stdin
  .on('end', () => {
    handler.close();
    server.close();
    server.closeAllConnections();
  })
  .resume();
