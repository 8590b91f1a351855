import { verify } from 'node:crypto';
import { once } from 'node:events';
import { openSync, readSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { httpTransport } from '@rescind/feed';
import type { Guard } from '@rescind/guard';
import { createGuard } from '@rescind/guard';
import { guard } from '@rescind/guard/express';
import { createSigner } from '@rescind/token/signing';
import express from 'express';
import type { Case, Setting } from '../case.ts';
import { startChild } from '../material/child.ts';
import type { EventFiles } from '../material/events.ts';
import { LENGTH_BYTES, makeEventFiles, partsOf, readKey } from '../material/events.ts';
import { ISSUER } from '../material/rows.ts';
import { AUDIENCE, newClaims } from '../material/tokens.ts';
import { latencyOf, middle, quantileOf, spreadOf } from '../race.ts';

const filesOf = ({ directory, quick }: Setting): EventFiles => ({ directory, events: quick ? 50_000 : 1_000_000 });

/** An instance that was stopped: from its first request until the last row is in its file. */
export const p5: Case = {
  id: 'P5',
  what: 'catch-up of signed events by HTTP into the denylist',
  pinned: false,
  async prepare(setting) {
    setting.say(`signing ${filesOf(setting).events} events …`);
    await makeEventFiles(filesOf(setting));
  },
  async run(setting) {
    const files = filesOf(setting);
    const { directory, events } = files;
    const verifyMany = rawVerification(files);
    await using issuer = startChild('serve-log.ts', [directory, String(events)]);
    const issuerUrl = `http://127.0.0.1:${await issuer.line()}`;
    const open = (name: string) => createGuard(optionsOf(issuerUrl, join(directory, name)));

    const raw = [verifyMany(), verifyMany()];
    const catchUps: number[] = [];
    for (let time = 0; time < 3; time++) {
      setting.say('catching up …');
      rmSync(join(directory, 'denylist.db'), { force: true });
      catchUps.push(await untilReady(() => open('denylist.db')));
      raw.push(verifyMany());
    }
    const restart = await untilReady(() => open('denylist.db'));
    setting.say('the same beside requests …');
    const { idle, busy } = await probeDuring(() => open('probed.db'), readKeyOf(directory));
    const micros = catchUps.map((ms) => (ms * 1000) / events);
    return {
      bars: [
        { what: 'events a second, × raw RS256 verify', figure: middle(raw) / middle(micros), atLeast: 1 },
        { what: 'restart at the tail, s', figure: restart / 1000, atMost: 1 },
        { what: 'a request meanwhile, p99, ms', figure: p99Of(busy), atMost: 15 },
      ],
      measured: [
        spreadOf('one event of a catch-up', micros, 'µs'),
        spreadOf('crypto.verify(KeyObject), RS256', raw, 'µs'),
        latencyOf('a request meanwhile', busy),
        latencyOf('a request otherwise', idle),
      ],
      settings: {
        events,
        transport: 'HTTP (server-sent events) from a process of its own',
        threads: 'one applies and verifies the pages, up to two read the events',
        ids: '128 bits, random',
        synchronous: 'NORMAL',
      },
    };
  },
};

const optionsOf = (issuerUrl: string, denylistPath: string) => ({
  issuer: ISSUER,
  issuerUrl,
  audience: AUDIENCE,
  denylistPath,
  feed: { primary: httpTransport({ issuer: issuerUrl, clientId: 'bench', clientSecret: 'bench-secret' }) },
});

const readKeyOf = (directory: string) => createSigner(readKey(directory, 'token'), { typ: 'at+jwt' })(newClaims());

async function untilReady(open: () => Guard): Promise<number> {
  const start = performance.now();
  await using opened = open();
  await opened.ready();
  return performance.now() - start;
}

/** Measures requests to a guarded service while it catches up, and afterwards. Their status, 503 meanwhile, does not matter. */
async function probeDuring(open: () => Guard, token: string) {
  await using opened = open();
  const app = express().use(guard(opened));
  app.get('/', (_request, response) => void response.json({ ok: true }));
  app.use(((_error, _request, response, _next) => void response.status(503).end()) as express.ErrorRequestHandler);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await using probe = startChild('probe.ts', [`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, token]);
    const stretch = async (): Promise<number[]> => {
      probe.send('');
      return JSON.parse(await probe.line());
    };
    await opened.ready();
    const busy = await stretch();
    // Not measured: memory may still be filled, and garbage collected.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await stretch();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    return { busy, idle: await stretch() };
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

const p99Of = (values: readonly number[]) => quantileOf(values, 0.99);

/** µs of one bare verification, over the same events. */
function rawVerification(files: EventFiles): () => number {
  const many = 2_000;
  const [part] = partsOf(files);
  const file = openSync(join(files.directory, part?.name ?? ''), 'r');
  const content = Buffer.alloc(4_000_000);
  readSync(file, content);
  const { publicKey } = readKey(files.directory, 'event');
  const texts: { data: Buffer; signature: Buffer }[] = [];
  for (let at = 0; texts.length < many; ) {
    const end = at + LENGTH_BYTES + content.readUInt32LE(at);
    const text = content.toString('latin1', at + LENGTH_BYTES, end);
    const dot = text.lastIndexOf('.');
    texts.push({ data: Buffer.from(text.slice(0, dot)), signature: Buffer.from(text.slice(dot + 1), 'base64url') });
    at = end;
  }
  return () => {
    const start = performance.now();
    for (const { data, signature } of texts) verify('sha256', data, publicKey, signature);
    return ((performance.now() - start) * 1000) / many;
  };
}
