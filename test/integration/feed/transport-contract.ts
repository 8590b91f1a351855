import { setTimeout as delay } from 'node:timers/promises';
import type { StartPosition, Transport, TransportConnection, TransportRecord } from '@rescind/feed';
import { describe, expect, it, onTestFinished } from 'vitest';
import { waitFor } from '../../support/wait.ts';

const PATIENCE_MS = 30_000;

/** A log with a transport that reads it. Its texts are `event.<epoch>.<seq>`, from seq 1 on; any other text is a heartbeat. */
export interface LogUnderTest {
  readonly transport: Transport;
  /** Appends that many events, with consecutive numbers. */
  append(count: number): Promise<void>;
  /** Ends every connection; the log can be reached again at once. Absent: the test beside it has that. */
  interrupt?(): Promise<void>;
  /** A secret that the transport must not expose. */
  readonly secret?: string;
}

const EVENT = /^event\.([\w-]+)\.(\d+)$/;
const eventsUpTo = (to: number, from = 1) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** A sink that keeps the position as a follower does, and records every call. */
function readBy(transport: Transport, options: { start?: StartPosition; standby?: boolean } = {}) {
  let start: StartPosition = options.start ?? { epoch: '', seq: 0, hint: null };
  const records: TransportRecord[] = [];
  const calls: string[] = [];
  const overlaps: number[] = [];
  let underWay = 0;
  const reader = {
    records,
    calls,
    overlaps,
    /** Called with each batch before it counts as applied. */
    apply: async (_batch: readonly TransportRecord[]): Promise<void> => undefined,
    events: () => records.flatMap(({ jws }) => Number(EVENT.exec(jws)?.[2] ?? []) || []),
    has: (count: number) =>
      waitFor(`${count} events`, () => reader.events().length >= count && reader.events(), PATIENCE_MS),
    opened: (times = 1) =>
      waitFor('the opening', () => calls.filter((call) => call === 'opened').length >= times, PATIENCE_MS),
    start: () => start,
    startAt(next: StartPosition) {
      start = next;
    },
    connection: undefined as unknown as TransportConnection,
  };
  const sink = {
    start: () => {
      calls.push('start');
      return start;
    },
    opened: () => void calls.push('opened'),
    lost: (reason: string) => void calls.push(`lost ${reason}`),
    async records(batch: readonly TransportRecord[]) {
      underWay += 1;
      overlaps.push(underWay);
      try {
        await reader.apply(batch);
        records.push(...batch);
        for (const { jws, hint } of batch) {
          const [, epoch, seq] = EVENT.exec(jws) ?? [];
          if (epoch !== undefined && seq !== undefined) start = { epoch, seq: Number(seq), hint };
        }
      } finally {
        underWay -= 1;
      }
    },
  };
  reader.connection = transport.open(sink, { standby: options.standby ?? false });
  onTestFinished(() => reader.connection.close());
  return reader;
}

const losses = (calls: readonly string[]) => calls.filter((call) => call.startsWith('lost'));

/** Abilities that some transports lack, or lack in tests. Each adds one test. */
type Able = 'interrupted' | 'standby';

/** The contract of every transport. The test of another transport calls this. */
export function describeTransport(name: string, able: readonly Able[], open: () => Promise<LogUnderTest>): void {
  describe(`the transport ${name}`, () => {
    it('reads from the beginning, in order, and then new records', async () => {
      const log = await open();
      await log.append(300);
      const reader = readBy(log.transport);
      await reader.has(300);
      await log.append(10);
      expect(await reader.has(310)).toEqual(eventsUpTo(310));
      expect(reader.calls).toEqual(['start', 'opened']);
    });

    it('marks as live what is appended after the opening, and every record of the issuer’s own server', async () => {
      const log = await open();
      await log.append(5);
      const reader = readBy(log.transport);
      await reader.has(5);
      await log.append(5);
      await reader.has(10);
      const live = reader.records.filter((record) => EVENT.test(record.jws)).map((record) => record.live);
      const isServed = log.transport.abilities?.opensWithHeartbeat === true;
      expect(live).toEqual([...Array(5).fill(isServed), ...Array(5).fill(true)]);
    });

    it('opens with a heartbeat if it has `opensWithHeartbeat`', async () => {
      const log = await open();
      await log.append(2);
      const reader = readBy(log.transport);
      await reader.has(2);
      const isHeartbeat = !EVENT.test(reader.records[0]?.jws ?? '');
      expect(isHeartbeat).toBe(log.transport.abilities?.opensWithHeartbeat === true);
    });

    it('resumes just after the given position', async () => {
      const log = await open();
      await log.append(20);
      const first = readBy(log.transport);
      await first.has(20);
      await first.connection.close();
      await log.append(5);
      const second = readBy(log.transport, { start: first.start() });
      expect(await second.has(5)).toEqual(eventsUpTo(25, 21));
    });

    it('starts from the beginning for a position of another log', async () => {
      const [log, other] = [await open(), await open()];
      await other.append(3);
      const stranger = readBy(other.transport);
      await stranger.has(3);
      await log.append(8);
      const { hint } = stranger.start();
      const reader = readBy(log.transport, { start: { epoch: '0009-zzzz', seq: 3, hint } });
      expect(await reader.has(8)).toEqual(eventsUpTo(8));
    });

    it('delivers everything to each of two readers', async () => {
      const log = await open();
      const readers = [readBy(log.transport), readBy(log.transport)];
      for (const reader of readers) await reader.opened();
      await log.append(30);
      for (const reader of readers) expect(await reader.has(30)).toEqual(eventsUpTo(30));
    });

    it('waits for the promise of a batch before it delivers the next', async () => {
      const log = await open();
      const reader = readBy(log.transport);
      await reader.opened();
      reader.apply = async () => void (await delay(5));
      for (let i = 0; i < 20; i += 1) await log.append(2);
      expect(await reader.has(40)).toEqual(eventsUpTo(40));
      expect(Math.max(...reader.overlaps)).toBe(1);
    });

    it('delivers a rejected batch again, and reports one loss', async () => {
      const log = await open();
      const reader = readBy(log.transport);
      await reader.opened();
      let failures = 1;
      reader.apply = async (batch) => {
        if (batch.some(({ jws }) => EVENT.test(jws)) && failures-- > 0) throw new Error('the disk is full');
      };
      await log.append(3);
      expect(await reader.has(3)).toEqual(eventsUpTo(3));
      expect(losses(reader.calls)).toHaveLength(1);
      expect(reader.calls.filter((call) => call === 'opened')).toHaveLength(2);
    });

    if (able.includes('interrupted')) {
      it('reconnects after a loss from the position, and reports one loss', async () => {
        const log = await open();
        const reader = readBy(log.transport);
        await log.append(3);
        await reader.has(3);
        await log.interrupt?.();
        await reader.opened(2);
        await log.append(3);
        expect(await reader.has(6)).toEqual(eventsUpTo(6));
        expect(losses(reader.calls)).toHaveLength(1);
      });
    }

    it('restarts from the position that the sink returns, without a loss', async () => {
      const log = await open();
      await log.append(5);
      const reader = readBy(log.transport);
      await reader.has(5);
      reader.startAt({ epoch: '', seq: 0, hint: null });
      reader.connection.restart('replay');
      expect(await reader.has(10)).toEqual([...eventsUpTo(5), ...eventsUpTo(5)]);
      expect(losses(reader.calls)).toEqual([]);
    });

    it('closes, and calls the sink no more', async () => {
      const log = await open();
      await log.append(5);
      const [reader, connecting, other] = [readBy(log.transport), readBy(log.transport), readBy(log.transport)];
      await reader.has(5);
      await Promise.all([reader.connection.close(), connecting.connection.close()]);
      const before = [reader, connecting].map(({ calls, records }) => [calls.length, records.length]);
      await log.append(5);
      await other.has(10);
      expect([reader, connecting].map(({ calls, records }) => [calls.length, records.length])).toEqual(before);
      expect(losses([...reader.calls, ...connecting.calls])).toEqual([]);
    });

    if (able.includes('standby')) {
      it('delivers heartbeats and no events on a standby stream', async () => {
        const log = await open();
        await log.append(2);
        const standby = readBy(log.transport, { standby: true });
        await waitFor('a heartbeat', () => standby.records.length > 0);
        await log.append(2);
        await readBy(log.transport).has(4);
        expect(standby.events()).toEqual([]);
        expect(standby.calls).toEqual(['start', 'opened']);
      });
    }

    it('reports whether it supports standby streams', async () => {
      expect((await open()).transport.abilities?.standby ?? false).toBe(able.includes('standby'));
    });

    it('has a name that suits a metric label, and exposes no secret', async () => {
      const { transport, secret = 'no secret' } = await open();
      expect(transport.name).toMatch(/^[a-z][a-z0-9_]{0,31}$/);
      expect(JSON.stringify(transport)).not.toContain(secret);
      for (const value of Object.values(transport.endpoint ?? {})) expect(value).toBeTypeOf('string');
    });
  });
}
