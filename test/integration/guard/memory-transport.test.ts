import type { LogSource } from '@rescind/feed';
import type { GuardOptions } from '@rescind/guard';
import { createGuard } from '@rescind/guard';
import type { MemoryLog } from '@rescind/guard/testing';
import { createMemoryLog, memoryTransport } from '@rescind/guard/testing';
import { silentTelemetry, systemClock } from '@rescind/revocation';
import { expect, it, onTestFinished } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { AUDIENCE, openTestIssuer } from './issuer.ts';
import { freshPath } from './setting.ts';

/** Publishes a log of record into a log in memory, as the relay does into a topic: events, and a heartbeat behind them. */
function relay(source: LogSource, log: MemoryLog): void {
  let sent = 0;
  const send = async () => {
    const rows = source.read(sent, 10_000);
    sent = rows.at(-1)?.seq ?? sent;
    log.append(rows.map(({ jws }) => jws));
    const { jws } = await source.heartbeat();
    log.append([jws]);
  };
  const stop = source.onAppend(() => void send());
  const timer = setInterval(() => void send(), 100);
  onTestFinished(() => {
    stop();
    clearInterval(timer);
  });
}

async function setUp() {
  const issuer = await openTestIssuer();
  const log = createMemoryLog();
  relay(issuer.source(), log);
  const denylistPath = freshPath();
  const open = (more: Partial<GuardOptions> = {}) => {
    const feed = { primary: memoryTransport({ log }) };
    const base = { issuer: issuer.url, audience: AUDIENCE, telemetry: silentTelemetry };
    const guard = createGuard({ ...base, denylistPath, feed, ...more });
    onTestFinished(() => guard.close());
    return guard;
  };
  return { issuer, log, open };
}

it('a guard follows a log in memory by its real follower, and continues from its position after a restart', async () => {
  const { issuer, log, open } = await setUp();
  const first = open();
  await first.ready(AbortSignal.timeout(20_000));
  issuer.revoke({ claim: 'sid', value: 'gone' });
  await waitFor('the revocation', () => !first.decide(issuer.token({ sid: 'gone' })).accepted);
  await first.close();

  // The records that the first guard has read are gone.
  log.removeOldest(log.records.length - 1);
  issuer.revoke({ claim: 'sid', value: 'later' });
  const second = open();
  await second.ready(AbortSignal.timeout(20_000));
  for (const sid of ['gone', 'later']) expect(second.decide(issuer.token({ sid })).accepted).toBe(false);
  expect(second.decide(issuer.token({ sid: 'other' })).accepted).toBe(true);
  expect(second.view()).toMatchObject({ complete: true, suspect: null, seq: 2, transport: 'memory' });
});

it('and by two transports with different names', async () => {
  const { issuer, log, open } = await setUp();
  const other = createMemoryLog();
  relay(issuer.source(), other);
  const feed = { primary: memoryTransport({ log }), fallback: memoryTransport({ log: other, name: 'memory_2' }) };
  expect(() => open({ feed: { primary: feed.primary, fallback: memoryTransport({ log: other }) } })).toThrow(
    /^feed\.fallback /,
  );
  const guard = open({ feed });
  await guard.ready(AbortSignal.timeout(20_000));
  log.isUp = false;
  issuer.revoke({ claim: 'sid', value: 'gone' });
  await waitFor('the revocation', () => !guard.decide(issuer.token({ sid: 'gone' })).accepted, 20_000);
  expect(guard.view().transport).toBe('memory_2');
  expect(guard.health().find(({ name }) => name === 'transport_memory')).toMatchObject({ state: 'disconnected' });
  log.isUp = true;
  await waitFor(
    'the view is complete by the memory transport again',
    () => guard.view().complete && guard.view().transport === 'memory',
    20_000,
  );
});

it('reports by the metric too that the view is suspect because of the clock', async () => {
  const { open } = await setUp();
  const suspect = new Map<string | undefined, number>();
  const telemetry = {
    ...silentTelemetry,
    gauge(name: string, value: number, labels?: Readonly<Record<string, string>>) {
      if (name === 'rescind_view_suspect') suspect.set(labels?.reason, value);
    },
  };
  const guard = open({ telemetry, clock: { ...systemClock, now: () => systemClock.now() - 120_000 } });
  await waitFor('a heartbeat from ahead', () => guard.view().suspect === 'clock');
  await waitFor('the metric', () => suspect.get('clock') === 1);
  expect([...suspect.values()].reduce((sum, value) => sum + value)).toBe(1);
});
