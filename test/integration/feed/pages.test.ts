import { createBasicAuthenticator, createRevocationsHandler, httpTransport } from '@rescind/feed';
import { silentTelemetry } from '@rescind/revocation';
import { describe, expect, it, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { waitFor } from '../../support/wait.ts';
import { openInstance, serve, transportTo } from './follower-setting.ts';
import { createPlainLog } from './plain-log.ts';
import { record } from './recorder.ts';
import { openServer } from './server.ts';
import { createSignedLog, LOG } from './signed-log.ts';

const SECRET = 'a-secret-of-the-reader';

/** The pages and single events of a log with so many events, as a reader from this position receives them: the seqs of each. */
async function readFrom(
  seq: number,
  options: { events: number; padding?: number; readerBufferBytes?: number; signs?: boolean },
) {
  const log = createPlainLog({ padding: options.padding ?? 0 });
  log.append(options.events);
  const signPage = (events: readonly string[]) => `page of ${events.length}`;
  const handler = createRevocationsHandler({
    source: options.signs === false ? log : { ...log, signPage },
    authenticate: createBasicAuthenticator({ prices: SECRET }),
    telemetry: silentTelemetry,
    readerBufferBytes: options.readerBufferBytes,
  });
  onTestFinished(() => handler.close());
  const server = await openServer(handler.handle);
  const transport = httpTransport({ issuer: server.url, clientId: 'prices', clientSecret: SECRET });
  const reader = record(transport, { epoch: '0001-a', seq });
  await waitFor('all events are read', () => reader.records.length === 1 + options.events - seq, 30_000);
  const groups: string[] = [];
  const events = reader.records.slice(1);
  expect(events.map(({ jws }) => jws.split('.')[2]?.replaceAll('x', ''))).toEqual(
    events.map((_, at) => String(seq + at + 1)),
  );
  for (let at = 0; at < events.length; ) {
    const { page } = events[at] ?? {};
    const count = page?.events.length ?? 1;
    if (page !== undefined) {
      expect(page.signature).toBe(`page of ${count}`);
      const inPage = events.slice(at, at + count);
      expect(inPage.map(({ jws }) => jws)).toEqual(page.events);
      expect(inPage.every((one) => one.page === page && one.isEvent && one.live)).toBe(true);
    }
    groups.push(page === undefined ? `${seq + at + 1}` : `${seq + at + 1}–${seq + at + count}`);
    at += count;
  }
  return groups;
}

describe('a reader that catches up', () => {
  it('receives pages that end at the same events, whatever its position, and the last events alone', async () => {
    const tail = ['301', '302', '303'];
    expect(await readFrom(0, { events: 303 })).toEqual(['1–100', '101–200', '201–300', ...tail]);
    expect(await readFrom(130, { events: 303 })).toEqual(['131–200', '201–300', ...tail]);
  });

  it('receives the end of the log alone, however many events it has', async () => {
    const groups = await readFrom(0, { events: 140 });
    expect(groups.slice(0, 2)).toEqual(['1–100', '101']);
    expect(groups).toHaveLength(41);
  });

  it('receives fewer than 16 events alone', async () => {
    const alone = Array.from({ length: 10 }, (_, at) => `${91 + at}`);
    expect(await readFrom(90, { events: 201 })).toEqual([...alone, '101–200', '201']);
    expect((await readFrom(84, { events: 101 }))[0]).toBe('85–100');
  });

  it('receives pages that it accepts from a server with a large buffer', async () => {
    // 100 events of 3 kB are more than a page may have, and more than a client takes as one message.
    const groups = await readFrom(0, { events: 101, padding: 3_000, readerBufferBytes: 4_000_000 });
    expect(groups).toEqual(['1–43', '44–86', ...Array.from({ length: 14 }, (_, at) => `${87 + at}`), '101']);
  });

  it('receives each event alone from an issuer that signs no pages', async () => {
    const groups = await readFrom(0, { events: 120, signs: false });
    expect(groups).toHaveLength(120);
  });
});

test('a reader of an earlier version, and a standby stream, receive no page', async () => {
  const log = createSignedLog();
  for (let seq = 1; seq <= 150; seq += 1) log.append(`session-${seq}`);
  const { server } = await serve(log);
  const authorization = `Basic ${btoa(`prices:${SECRET}`)}`;
  for (const [query, expected] of [
    ['', 150],
    ['?quiet', 0],
    ['?pages&quiet', 0],
  ] as const) {
    const aborting = new AbortController();
    const response = await fetch(`${server.url}/revocations${query}`, {
      headers: { authorization },
      signal: aborting.signal,
    });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (text.split('event: revocation').length - 1 < expected || !text.includes('event: heartbeat'))
      text += (await reader?.read())?.value ?? '';
    expect(text).not.toContain('event: page');
    aborting.abort();
  }
});

test.each([
  [true, /rescind_feed_pages_total",\{"result":"valid"/],
  [false, undefined],
])('an instance catches up, and denies each session (pages signed: %s)', async (signsPages, counted) => {
  const log = createSignedLog({ signsPages });
  for (let seq = 1; seq <= 1_234; seq += 1) log.append(`session-${seq}`);
  const { server } = await serve(log);
  const { follower, denylist, heard } = openInstance(
    log,
    transportTo(server.url),
    `${temporaryDirectory()}/denylist.db`,
  );
  await follower.ready();
  for (let seq = 1; seq <= 1_234; seq += 1) expect(denylist.row(LOG, 'sid', `session-${seq}`)?.seq).toBe(seq);
  if (counted === undefined) expect(heard()).not.toContain('rescind_feed_pages_total');
  else expect(heard()).toMatch(counted);
  expect(heard()).not.toContain('"invalid"');
});
