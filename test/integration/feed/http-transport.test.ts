import { createBasicAuthenticator, createRevocationsHandler, httpTransport } from '@rescind/feed';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startTicks } from '../../support/ticks.ts';
import { waitFor } from '../../support/wait.ts';
import type { PlainLog } from './plain-log.ts';
import { createPlainLog } from './plain-log.ts';
import { record } from './recorder.ts';
import { openServer } from './server.ts';

const SECRET = 'a-secret-of-the-reader';

async function serve(log: PlainLog, options: { heartbeatMs?: number; port?: number } = {}) {
  const handler = createRevocationsHandler({
    source: log,
    authenticate: createBasicAuthenticator({ prices: SECRET }),
    heartbeatMs: options.heartbeatMs ?? 60_000,
  });
  onTestFinished(() => handler.close());
  const server = await openServer(handler.handle, options.port);
  const transport = httpTransport({ issuer: server.url, clientId: 'prices', clientSecret: SECRET });
  return { handler, server, transport };
}

describe('the HTTP transport', () => {
  it('sends a heartbeat of the present head, then the stored events, then new ones', async () => {
    const log = createPlainLog();
    log.append(2);
    const { transport } = await serve(log);
    const reader = record(transport);
    await waitFor('both events are read', () => reader.records.length === 3);
    log.append();
    await waitFor('the third event is read', () => reader.records.length === 4);

    expect(reader.texts()).toEqual(['heartbeat.0001-a.2', 'event.0001-a.1', 'event.0001-a.2', 'event.0001-a.3']);
    expect(reader.records.every(({ live }) => live)).toBe(true);
    expect(reader.opened()).toBe(1);
  });

  it('resumes after the requested position', async () => {
    const log = createPlainLog();
    log.append(5);
    const { transport, server } = await serve(log);
    const reader = record(transport, { epoch: '0001-a', seq: 3 });
    await waitFor('the later records are read', () => reader.records.length === 3);

    expect(reader.texts().slice(1)).toEqual(['event.0001-a.4', 'event.0001-a.5']);
    expect(server.reads[0]?.headers['last-event-id']).toBe('0001-a:3');
  });

  it.each([
    ['below the floor', '0001-a', 2],
    ['of a lower epoch', '0000-z', 6],
    ['of an unknown epoch', '0002-b', 6],
    ['beyond the head', '0001-a', 99],
    ['that is no position', 'a\u00e9', 5],
  ])('sends from the low watermark for a position %s', async (_, epoch, seq) => {
    const log = createPlainLog();
    log.append(6);
    log.raiseFloor(5);
    const { transport } = await serve(log);
    const reader = record(transport, { epoch, seq });
    await waitFor('three records are read', () => reader.records.length === 3);

    expect(reader.texts()).toEqual(['heartbeat.0001-a.6', 'event.0001-a.5', 'event.0001-a.6']);
  });

  it('sends a heartbeat only once its head has been sent on that connection', async () => {
    const log = createPlainLog({ padding: 2_000 });
    const { transport } = await serve(log, { heartbeatMs: 20 });
    const reader = record(transport);
    await waitFor('a record is read', () => reader.records.length > 0);
    for (let i = 1; i <= 20; i += 1) {
      log.append(100);
      await waitFor('another heartbeat', () => log.heartbeatsSigned() > i);
    }
    await waitFor('the last heartbeat is read', () => reader.texts().includes('heartbeat.0001-a.2000'));
    let seen = 0;
    for (const text of reader.texts()) {
      const number = Number(/^\w+\.0001-a\.(\d+)/.exec(text)?.[1]);
      if (text.startsWith('event')) seen = number;
      else expect(number).toBeLessThanOrEqual(seen);
    }
    expect(seen).toBe(2_000);
  });

  it('signs one heartbeat for all connections', async () => {
    const log = createPlainLog();
    log.append(3);
    const { transport } = await serve(log);
    const readers = Array.from({ length: 20 }, () => record(transport));
    await waitFor('every reader has four records', () => readers.every(({ records }) => records.length === 4));
    expect(log.heartbeatsSigned()).toBe(1);
  });

  it('opens with a new heartbeat when something has been appended since the last', async () => {
    const log = createPlainLog();
    const { transport } = await serve(log);
    const first = record(transport);
    await waitFor('the first is open', () => first.records.length === 1);
    log.append();
    const second = record(transport);
    await waitFor('the second is whole', () => second.records.length === 2);
    expect(second.texts()[0]).toBe('heartbeat.0001-a.1');
  });

  it('ends connections when the epoch changes, and readers reconnect', async () => {
    const log = createPlainLog();
    log.append(2);
    const { transport } = await serve(log);
    const reader = record(transport);
    await waitFor('the former epoch is read', () => reader.records.length === 3);
    log.changeEpoch('0002-b');
    log.append();
    await waitFor('the new epoch', () => reader.texts().includes('event.0002-b.1'));
    expect(reader.lost).toEqual(['ended']);
    expect(reader.texts().slice(3)).toEqual(['heartbeat.0002-b.1', 'event.0002-b.1']);
  });

  it('reconnects after the server was killed', async () => {
    const log = createPlainLog();
    log.append();
    const { transport, server, handler } = await serve(log);
    const reader = record(transport);
    await waitFor('the first event', () => reader.records.length === 2);
    await server.kill();
    await waitFor('the loss', () => reader.lost.length >= 2);
    expect(handler.readers()).toBe(0);
    log.append();
    reader.startAt({ epoch: '0001-a', seq: 1 });
    await serve(log, { port: server.port });
    await waitFor('the second event is read', () => reader.texts().includes('event.0001-a.2'));
    expect(reader.texts().filter((text) => text.startsWith('event'))).toEqual(['event.0001-a.1', 'event.0001-a.2']);
  });

  it('restarts from the position that the sink returns', async () => {
    const log = createPlainLog();
    log.append(4);
    const { transport } = await serve(log);
    const reader = record(transport);
    await waitFor('five records are read', () => reader.records.length === 5);
    reader.startAt({ epoch: '0001-a', seq: 2 });
    reader.connection.restart('replay');
    await waitFor('the later records are read again', () => reader.records.length === 8);
    expect(reader.texts().slice(5)).toEqual(['heartbeat.0001-a.4', 'event.0001-a.3', 'event.0001-a.4']);
    expect(reader.lost).toEqual([]);
  });

  it('waits no longer before a later restart than before the first', async () => {
    const { transport } = await serve(createPlainLog());
    const reader = record(transport);
    const waitedMs = startTicks();
    for (let opened = 1; opened <= 10; opened += 1) {
      await waitFor(`connection ${opened}`, () => reader.opened() === opened);
      reader.connection.restart('replay');
    }
    // Ten waits of the back-off would be 14 s in the mean.
    expect(waitedMs()).toBeLessThan(5_000);
    expect(reader.lost).toEqual([]);
  });

  it('stops reading the log for a reader that does not read, and continues when it does', async () => {
    const log = createPlainLog({ padding: 20_000 });
    log.append(2_000);
    const reads: number[] = [];
    const { transport } = await serve({
      ...log,
      read: (after, limit) => {
        reads.push(after);
        return log.read(after, limit);
      },
    });
    const reader = record(transport);
    reader.hold(true);
    await waitFor('a first batch is read', () => reader.records.length > 0);
    // A second reader of another server in this process reads everything meanwhile, so this server had enough turns of the event loop.
    const other = record((await serve(log)).transport);
    await waitFor('the other reader has every record', () => other.records.length === 2_001, 30_000);
    // It has read no more than fits into the buffers of the kernel: 2 000 events are 40 MB.
    expect(Math.max(...reads)).toBeLessThan(500);
    reader.hold(false);
    await waitFor('every record is read', () => reader.records.length === 2_001, 30_000);
    expect(reader.lost).toEqual([]);
  });

  it('closes while it waits for an unreachable server', async () => {
    const transport = httpTransport({ issuer: 'http://127.0.0.1:9', clientId: 'prices', clientSecret: SECRET });
    const reader = record(transport);
    await waitFor('a loss', () => reader.lost.length > 0);
    await reader.connection.close();
    expect(reader.lost[0]).toBe('unreachable');
  });

  it('submits evidence', async () => {
    const log = createPlainLog();
    const { transport } = await serve(log);
    await transport.submitEvidence?.('an.event.from-beyond');
    expect(log.proofs).toEqual(['an.event.from-beyond']);
    await expect(transport.submitEvidence?.('bad')).rejects.toMatchObject({ code: 'event_invalid' });
  });
});

describe('its options', () => {
  const good = { issuer: 'https://issuer.test', clientId: 'prices', clientSecret: SECRET };
  it.each([
    ['issuer', { ...good, issuer: 'issuer.test' }],
    ['issuer', { ...good, issuer: 'https://prices:secret@issuer.test' }],
    ['clientId', { ...good, clientId: 'a:b' }],
    ['clientSecret', { ...good, clientSecret: '' }],
    ['stallMs', { ...good, stallMs: Number.NaN }],
  ])('refuses a wrong %s', (name, options) => {
    expect(() => httpTransport(options)).toThrow(TypeError);
    expect(() => httpTransport(options)).toThrow(name);
  });
});
