import type { Acknowledgements, LogSource } from '@rescind/feed';
import { createBasicAuthenticator, createRevocationsHandler } from '@rescind/feed';
import { silentTelemetry } from '@rescind/revocation';
import { describe, expect, it, onTestFinished } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import type { PlainLog } from './plain-log.ts';
import { createPlainLog } from './plain-log.ts';
import { openServer } from './server.ts';

const SECRET = 'a-secret-of-the-reader';
const AUTHORIZATION = `Basic ${btoa(`prices:${SECRET}`)}`;
const BEAT_MS = 20;

/** A publisher whose acknowledgements a test decides on. */
function createPublisher() {
  const listeners = new Set<() => void>();
  const state = { acknowledged: 0, overdue: null as ReturnType<Acknowledgements['overdue']> };
  const acknowledgements: Acknowledgements = {
    readUpTo: () => state.acknowledged,
    overdue: () => state.overdue,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return {
    acknowledgements,
    acknowledge(seq: number) {
      state.acknowledged = seq;
    },
    overdue(overdue: typeof state.overdue) {
      state.overdue = overdue;
      for (const listener of listeners) listener();
    },
  };
}

async function serve(log: PlainLog = createPlainLog(), options: { standbyPerClient?: number } = {}) {
  const publisher = createPublisher();
  const source: LogSource = { ...log, acknowledgements: publisher.acknowledgements };
  const gauges = new Map<string, number>();
  const handler = createRevocationsHandler({
    source,
    authenticate: createBasicAuthenticator({ prices: SECRET }),
    heartbeatMs: BEAT_MS,
    telemetry: { ...silentTelemetry, gauge: (metric: string, value: number) => void gauges.set(metric, value) },
    ...options,
  });
  onTestFinished(() => handler.close());
  const { url } = await openServer(handler.handle);
  return { log, publisher, handler, gauges, url };
}

/** Requests a standby stream, and collects the data of each server-sent event. */
async function listen(url: string, query = '?quiet') {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const response = await fetch(`${url}/revocations${query}`, {
    headers: { authorization: AUTHORIZATION },
    signal: stop.signal,
  });
  const heard: string[] = [];
  const state = { hasEnded: false };
  void (async () => {
    const decoder = new TextDecoder();
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      const parts = text.split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts) heard.push(part.slice(part.indexOf('data: ') + 6));
    }
    state.hasEnded = true;
  })().catch(() => undefined);
  return { response, heard, hasEnded: () => state.hasEnded, stop: () => stop.abort() };
}

const eventsOf = (heard: readonly string[]) => heard.filter((text) => text.startsWith('event'));

describe('a standby stream', () => {
  it('has a header that other streams do not have', async () => {
    const { url } = await serve();
    for (const query of ['?quiet', '?quiet=1', '?a=b&quiet']) {
      expect((await listen(url, query)).response.headers.get('rescind-stream')).toBe('quiet');
    }
    for (const query of ['', '?', '?quieter']) {
      expect((await listen(url, query)).response.headers.get('rescind-stream')).toBeNull();
    }
  });

  it('carries a heartbeat at once and every tenth heartbeat, and no events', async () => {
    const { log, publisher, url } = await serve();
    log.append(2);
    publisher.acknowledge(2);
    const { heard } = await listen(url);
    await waitFor('the opening heartbeat', () => heard.length === 1);
    log.append();
    publisher.acknowledge(3);
    const signed = log.heartbeatsSigned();
    await waitFor('two more heartbeats', () => heard.length >= 3);
    expect(log.heartbeatsSigned() - signed).toBeGreaterThanOrEqual(10);
    expect(heard.slice(0, 3)).toEqual(['heartbeat.0001-a.2', 'heartbeat.0001-a.3', 'heartbeat.0001-a.3']);
  });

  it('announces a head a second after Kafka acknowledged it', async () => {
    const { log, publisher, url } = await serve();
    const { heard } = await listen(url);
    await waitFor('a heartbeat after the opening one', () => heard.length > 1);
    log.append();
    await waitFor('another heartbeat', () => heard.length > 2);
    expect(new Set(heard)).toEqual(new Set(['heartbeat.0001-a.0']));
    publisher.acknowledge(1);
    await waitFor('a heartbeat of the new head', () => heard.at(-1) === 'heartbeat.0001-a.1');
  });

  it('delivers the events after the acknowledged ones, a heartbeat behind them, and new events, while acknowledgements are overdue', async () => {
    const { log, publisher, url } = await serve();
    log.append(5);
    publisher.acknowledge(4);
    const { heard } = await listen(url);
    await waitFor('the opening heartbeat', () => heard.length === 1);
    publisher.overdue({ after: 2, withEvents: true });
    await waitFor('the delivery', () => heard.includes('event.0001-a.5'));
    log.append();
    await waitFor('the next event', () => heard.includes('event.0001-a.6'));
    await waitFor('a heartbeat of the same head', () => heard.at(-1) === 'heartbeat.0001-a.6');
    expect(eventsOf(heard)).toEqual([3, 4, 5, 6].map((seq) => `event.0001-a.${seq}`));
    expect(heard.indexOf('heartbeat.0001-a.5', 1)).toBe(heard.indexOf('event.0001-a.5') + 1);
    // Each second, not each tenth.
    const before = [heard.length, log.heartbeatsSigned()] as const;
    await waitFor('five heartbeats are signed', () => log.heartbeatsSigned() >= before[1] + 5);
    await waitFor('four heartbeats arrive', () => heard.length >= before[0] + 4);

    publisher.overdue(null);
    log.append();
    publisher.acknowledge(7);
    await waitFor('a heartbeat of the new head', () => heard.at(-1) === 'heartbeat.0001-a.7');
    expect(eventsOf(heard)).toHaveLength(4);
  });

  it('delivers to a stream that is opened during a delivery', async () => {
    const { log, publisher, url } = await serve();
    log.append(3);
    publisher.overdue({ after: 1, withEvents: true });
    const { heard } = await listen(url);
    await waitFor('the events', () => eventsOf(heard).length === 2);
    expect(heard[0]).toBe('heartbeat.0001-a.3');
  });

  it('delivers a thousand stored events, then only new ones', async () => {
    const { log, publisher, url } = await serve();
    log.append(2_500);
    const { heard } = await listen(url);
    await waitFor('the opening heartbeat', () => heard.length === 1);
    publisher.overdue({ after: 0, withEvents: true });
    await waitFor('a thousand events', () => eventsOf(heard).length === 1_000);
    log.append();
    await waitFor('the new event', () => heard.includes('event.0001-a.2501'));
    expect(eventsOf(heard)).toHaveLength(1_001);
    expect(eventsOf(heard)[999]).toBe('event.0001-a.1000');
  });

  it('carries heartbeats only while the epoch is young', async () => {
    const { log, publisher, url } = await serve();
    log.append(2);
    const { heard } = await listen(url);
    publisher.overdue({ after: 0, withEvents: false });
    await waitFor('several heartbeats', () => heard.length > 5);
    expect(eventsOf(heard)).toEqual([]);
    publisher.overdue({ after: 0, withEvents: true });
    await waitFor('two events', () => eventsOf(heard).length === 2);
  });

  it('ends with its epoch, after the closing event', async () => {
    const log = createPlainLog();
    const { url } = await serve({
      ...log,
      closingEvent: (epoch) => (epoch === '0001-a' ? 'the last word' : undefined),
    });
    const stream = await listen(url);
    await waitFor('the opening heartbeat', () => stream.heard.length === 1);
    log.changeEpoch('0002-b');
    await waitFor('the stream ends', () => stream.hasEnded());
    expect(stream.heard.at(-1)).toBe('the last word');
  });

  it('has a limit of its own, apart from that of readers', async () => {
    const { url, handler, gauges } = await serve(createPlainLog(), { standbyPerClient: 2 });
    const first = await listen(url);
    await listen(url);
    expect((await listen(url)).response.status).toBe(429);
    expect((await listen(url, '')).response.status).toBe(200);
    expect([handler.standbyStreams(), handler.readers()]).toEqual([2, 1]);
    expect([gauges.get('rescind_standby_streams'), gauges.get('rescind_feed_readers')]).toEqual([2, 1]);
    first.stop();
    await waitFor('one standby stream is left', () => handler.standbyStreams() === 1);
    expect((await listen(url)).response.status).toBe(200);
    expect(handler.endReaders('prices')).toBe(3);
    await waitFor('no connection is left', () => handler.standbyStreams() + handler.readers() === 0);
  });
});
