import { join } from 'node:path';
import type { Transport, TransportRecord, TransportSink } from '@rescind/feed';
import type { FeedStore } from '@rescind/feed/follower';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { HTTP } from '../../support/transports.ts';
import { waitFor } from '../../support/wait.ts';
import { isDenied, openInstance, serve, transportTo } from './follower-setting.ts';
import type { SignedLog } from './signed-log.ts';
import { createSignedLog, LOG } from './signed-log.ts';

/** More than are under way at once. */
const EVENTS = 6_000;

function longLog(): SignedLog {
  const log = createSignedLog();
  for (let seq = 1; seq <= EVENTS; seq += 1) log.append(`sid-${seq}`);
  return log;
}

const newPath = () => join(temporaryDirectory(), 'denylist.db');
/** Six thousand signatures are a second and a half: made once. */
const log = longLog();
const record = (jws: string): TransportRecord => ({ jws, hint: null, live: false });

/** Remembers up to where each commit went. */
function seqsOf(seqs: number[]) {
  return (store: FeedStore): FeedStore => ({
    load: (name) => store.load(name),
    quarantined: (name) => store.quarantined(name),
    enforce: (change) => store.enforce(change),
    flush() {
      store.flush();
      seqs.push(store.load(LOG)?.seq ?? 0);
    },
    pendingRows: () => store.pendingRows(),
  });
}

describe('a catch-up of thousands', () => {
  it('arrives complete and in order, over a real connection', async () => {
    const { server } = await serve(log);
    const seqs: number[] = [];
    const instance = openInstance(log, transportTo(server.url), newPath(), { wrap: seqsOf(seqs) });
    await instance.follower.ready();
    await waitFor('every row is in the file', () => instance.denylist.count() === EVENTS);
    expect(instance.follower.view()).toMatchObject({ seq: EVENTS, head: EVENTS, lag: 0, suspect: null });
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    // No commit is so large that requests would wait for it.
    expect(seqs.length).toBeGreaterThan(EVENTS / 600);
    for (const seq of [1, EVENTS / 2, EVENTS]) expect(isDenied(instance, `sid-${seq}`)).toBe(true);
  });

  it('counts invalid records and events of unknown keys, and applies everything else', async () => {
    const other = createSignedLog();
    other.append('stranger');
    const [stranger] = other.read(0, 1);
    const transport = transportOf((after) => {
      const rows = log.read(after, 200).map(({ jws }) => record(jws));
      const bad = [
        record('rubbish'),
        record(`${rows[0]?.jws}A`),
        record(String(stranger?.jws)),
        record('x'.repeat(70_000)),
      ];
      return rows.flatMap((row, at) => (at % 50 === 0 ? [...bad, row] : [row]));
    });
    const instance = openInstance(log, transport, newPath());
    await instance.follower.ready();
    await waitFor('every row is in the file', () => instance.denylist.count() === EVENTS);
    expect(isDenied(instance, 'stranger')).toBe(false);
    for (const why of ['malformed', 'signature', 'key_unknown', 'too_large'])
      expect(instance.heard()).toContain(`bad_${why}`);
  });

  it('continues from its position when the connection restarts during the work', async () => {
    const starts: number[] = [];
    const transport: Transport = {
      ...HTTP,
      open(sink) {
        let closed = false;
        const read = async () => {
          for (let time = 0; time < 5 && !closed; time += 1) {
            const { seq } = sink.start();
            starts.push(seq);
            sink.opened();
            // Not awaited: these records are still being applied when `start` is called again.
            const handed = Array.from({ length: 4 }, (_, at) => {
              return sink.records(log.read(seq + at * 700, 700).map(({ jws }) => record(jws)));
            });
            await handed[0];
          }
          await deliverAll(sink, (after) => log.read(after, 200).map(({ jws }) => record(jws)));
        };
        let running = read();
        return {
          // Called once, after the key set has named the epoch.
          restart() {
            running = running.then(() => read());
          },
          async close() {
            closed = true;
            await running;
          },
        };
      },
    };
    const seqs: number[] = [];
    const instance = openInstance(log, transport, newPath(), { wrap: seqsOf(seqs) });
    await instance.follower.ready();
    await waitFor('every row is in the file', () => instance.denylist.count() === EVENTS);
    expect(instance.follower.view()).toMatchObject({ seq: EVENTS, suspect: null });
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
  });

  it('ends at once when the follower closes, and the next follower continues from there', async () => {
    const { server } = await serve(log);
    const path = newPath();
    const first = openInstance(log, transportTo(server.url), path);
    await waitFor('the first instance has applied an event', () => first.follower.view().seq > 0);
    await first.stop();
    const second = openInstance(log, transportTo(server.url), path);
    await second.follower.ready();
    await waitFor('every row is in the file', () => second.denylist.count() === EVENTS);
  });
});

async function deliverAll(sink: TransportSink, read: (after: number) => readonly TransportRecord[]): Promise<void> {
  const beat = async () => ({ jws: (await log.heartbeat()).jws, hint: null, live: true });
  const { seq } = sink.start();
  sink.opened();
  await sink.records([await beat()]);
  for (let after = seq; after < EVENTS; after += 200) await sink.records(read(after).slice());
  await sink.records([await beat()]);
}

/** A transport that delivers two hundred events at a time, with what else `read` puts between them. */
function transportOf(read: (after: number) => readonly TransportRecord[]): Transport {
  return {
    ...HTTP,
    open(sink) {
      let running = deliverAll(sink, read);
      const restart = () => {
        running = running.then(() => deliverAll(sink, read));
      };
      return { restart, close: () => running };
    },
  };
}
