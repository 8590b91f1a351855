import type { Publisher } from '@rescind/feed';
import type { Issuer, IssuerOptions } from '@rescind/issuer';
import type { Telemetry } from '@rescind/revocation';
import { createManualClock, silentTelemetry, systemClock } from '@rescind/revocation';
import { describe, expect, test } from 'vitest';
import { stolenKey } from '../../support/thief.ts';
import { waitFor } from '../../support/wait.ts';
import type { IssuerSetting } from './issuer-setting.ts';
import {
  codeOf,
  createIssuerSetting,
  ISSUER,
  login,
  loginAndLogout,
  payloadOf,
  refresh,
  Topic,
} from './issuer-setting.ts';

const HOUR_MS = 3_600_000;

/** The clock of this machine plus a difference. */
function wrongClock(aheadMs: number) {
  const state = { aheadMs };
  const clock = { now: () => Date.now() + state.aheadMs, monotonic: systemClock.monotonic };
  const set = (ms: number) => {
    state.aheadMs = ms;
  };
  return { clock, set };
}

/** A publisher of a broker whose clock is this machine's. */
function clockedPublisher(topic: Topic, appendedAt: () => number | undefined = () => Date.now()): Publisher {
  let at: number | undefined;
  const publisher = topic.publisher();
  return {
    ...publisher,
    async publish(batch) {
      await publisher.publish(batch);
      at = appendedAt();
    },
    appendedAt: () => at,
  };
}

const clockOf = (issuer: Issuer) => issuer.health().find(({ name }) => name === 'clock');
const isBeat = (jws: string) => payloadOf(jws).seq === undefined;

/** Runs an issuer with the right time, and returns its files and its topic. */
async function ranBefore() {
  const setting = createIssuerSetting();
  const topic = new Topic();
  const issuer = await setting.open({ publisher: clockedPublisher(topic) });
  await issuer.ready;
  const session = await login(issuer);
  await loginAndLogout(issuer);
  await waitFor('a heartbeat after the event', () => topic.records.length > 1 && topic.records.some(isBeat), 20_000);
  await issuer.close();
  return { setting, topic, session };
}

async function openWrong(setting: IssuerSetting, topic: Topic, aheadMs: number, more: Partial<IssuerOptions> = {}) {
  const { clock, set } = wrongClock(aheadMs);
  const lines: (readonly [string, string, object | undefined])[] = [];
  const telemetry: Telemetry = {
    ...silentTelemetry,
    log: (level, event, fields) => void lines.push([level, event, fields]),
  };
  const issuer = await setting.open({ publisher: clockedPublisher(topic), clock, telemetry, ...more });
  const logged = (event: string) => lines.filter((line) => line[1] === event);
  return { issuer, set, logged };
}

describe('at a start', () => {
  test('sends the last record of the topic once more before any other record', async () => {
    const { setting, topic } = await ranBefore();
    const before = [...topic.records];
    const { issuer } = await openWrong(setting, topic, 0);
    await issuer.ready;
    await waitFor('a heartbeat', () => topic.records.slice(before.length + 1).some(isBeat), 20_000);
    expect(topic.records[before.length]).toBe(before.at(-1));
    expect(topic.records.filter((jws) => jws === before.at(-1))).toHaveLength(2);
    expect(clockOf(issuer)).toMatchObject({ status: 'pass', comparison: 'agreed' });
  });

  test('sends no record that this log has not signed', async () => {
    const { setting, topic } = await ranBefore();
    topic.records.push('rubbish', 'a.b.c');
    const last = topic.records.at(-3);
    const from = topic.records.length;
    const { issuer } = await openWrong(setting, topic, 0);
    await issuer.ready;
    expect(topic.records[from]).toBe(last);
    expect(topic.records.slice(from)).not.toContain('rubbish');
  });

  test('compares the first acknowledgement when the topic is empty', async () => {
    const { issuer, logged } = await openWrong(createIssuerSetting(), new Topic(), HOUR_MS);
    await issuer.ready;
    await waitFor('the clocks are compared', () => clockOf(issuer)?.comparison === 'parted', 20_000);
    expect(await codeOf(() => login(issuer))).toBe('clock_parted');
    expect(logged('clock_apart')).toHaveLength(1);
  });

  test('publishes no heartbeat that is older than the comparison, also to an empty topic', async () => {
    const { setting, topic } = await ranBefore();
    topic.records.length = 0;
    const clocked = clockedPublisher(topic);
    let slowUntil: number | undefined;
    let compared: number | undefined;
    const publisher: Publisher = {
      ...clocked,
      async publish(batch) {
        // Another heartbeat is made meanwhile: there is one each second.
        slowUntil ??= performance.now() + 1_500;
        await waitFor('the slow phase of the broker is over', () => performance.now() > Number(slowUntil), 20_000);
        await clocked.publish(batch);
        compared ??= topic.records.length;
      },
    };
    const { issuer } = await openWrong(setting, topic, HOUR_MS, { publisher });
    await issuer.ready;
    const isAhead = (jws: string) => Number(payloadOf(jws).iat_ms) > Date.now() + 60_000;
    const published = () => topic.records.slice(compared).filter(isBeat);
    await waitFor('heartbeats after the comparison', () => compared !== undefined && published().length > 1, 20_000);
    expect(published().filter(isAhead)).toEqual([]);
  });

  test('logs a topic without broker timestamps once, and continues to mint', async () => {
    const { setting, topic } = await ranBefore();
    const publisher = clockedPublisher(topic, () => undefined);
    const { issuer, logged } = await openWrong(setting, topic, HOUR_MS, { publisher });
    await issuer.ready;
    expect(await codeOf(() => login(issuer))).toBeUndefined();
    const { length } = topic.records;
    await waitFor('three more records are acknowledged', () => topic.records.length > length + 2, 20_000);
    expect(logged('clock_not_compared')).toHaveLength(1);
    expect(clockOf(issuer)).toMatchObject({ comparison: 'unknown' });
  });

  test('distinguishes a forged record from a forgotten one by the slower clock', async () => {
    const { setting, topic } = await ranBefore();
    const { issuer, logged } = await openWrong(setting, topic, HOUR_MS);
    await issuer.ready;
    const thief = stolenKey(setting.keysPath, ISSUER);
    const { epoch } = issuer.log.snapshot();
    const at = Date.now() + 1_000;
    const times = { iat: Math.floor(at / 1_000), iat_ms: at };
    await issuer.log.receiveEvidence(thief.heartbeat(epoch, { head: 99, last: 'x', ...times }));
    expect(logged('event_key_stolen')).toMatchObject([['error', 'event_key_stolen', { kid: thief.kid }]]);
    expect(logged('database_restored')).toEqual([]);
    expect(issuer.log.snapshot().epoch > epoch).toBe(true);
  });

  test('holds a login and a refresh until the comparison has ended', async () => {
    const { setting, topic, session } = await ranBefore();
    const { issuer } = await openWrong(setting, topic, 0);
    const [begun, refreshed] = await Promise.all([login(issuer), refresh(issuer, session)]);
    expect(clockOf(issuer)).toMatchObject({ comparison: 'agreed' });
    expect([begun.sid, refreshed.sid]).toEqual([expect.any(String), session.sid]);
  });

  test('waits for an unreachable publisher until its first failure only', async () => {
    const { setting, topic, session } = await ranBefore();
    topic.isDown = true;
    const { issuer } = await openWrong(setting, topic, HOUR_MS);
    await issuer.ready;
    expect(clockOf(issuer)).toMatchObject({ comparison: 'unknown' });
    await issuer.transaction((tx) => tx.endSession({ sid: session.sid, reason: 'logout' }));
    const from = topic.records.length;
    topic.isDown = false;
    await waitFor('a heartbeat', () => topic.records.slice(from).some(isBeat), 20_000);
    // No heartbeat from before the comparison is published.
    for (const jws of topic.records.slice(from).filter(isBeat))
      expect(Number(payloadOf(jws).iat_ms)).toBeLessThan(Date.now() + 1_000);
    expect(clockOf(issuer)).toMatchObject({ status: 'fail', comparison: 'parted' });
  });
});

describe.each([
  ['ahead', HOUR_MS],
  ['behind', -HOUR_MS],
])('an issuer whose wall clock is an hour %s of the broker’s', (_, aheadMs) => {
  test('mints nothing while the clocks differ, reports the slower time, at least the clock floor, and names both', async () => {
    const { setting, topic, session } = await ranBefore();
    const floor = Date.now();
    const { issuer, logged } = await openWrong(setting, topic, aheadMs);
    await issuer.ready;
    expect(await codeOf(() => login(issuer))).toBe('clock_parted');
    expect(await codeOf(() => refresh(issuer, session))).toBe('clock_parted');
    const at = Number(payloadOf((await issuer.log.heartbeat()).jws).iat_ms);
    expect(at).toBeLessThanOrEqual(Date.now() + 1);
    expect(at).toBeGreaterThan(floor - 60_000);
    const check = clockOf(issuer);
    expect(check).toMatchObject({ status: 'fail', comparison: 'parted', trusted: null });
    const times = [check?.wallTime, check?.publisherTime].map((time) => Date.parse(String(time)));
    expect(Math.abs(Number(times[0]) - Number(times[1]) - aheadMs)).toBeLessThan(60_000);
    expect(logged('clock_apart')).toMatchObject([['error', 'clock_apart', { trusted: null }]]);
    expect(
      (await issuer.transaction((tx) => tx.endSession({ sid: session.sid, reason: 'logout' })))?.seq,
    ).toBeGreaterThan(0);
  });

  test('mints as soon as the clocks agree, and logs it', async () => {
    const { setting, topic } = await ranBefore();
    const { issuer, set, logged } = await openWrong(setting, topic, aheadMs);
    await issuer.ready;
    set(0);
    expect(await codeOf(() => login(issuer))).toBeUndefined();
    expect(clockOf(issuer)).toMatchObject({ status: 'pass', comparison: 'agreed' });
    await waitFor('the agreement is logged', () => logged('clock_agrees').length === 1, 20_000);
  });

  test.each(['issuer', 'publisher'] as const)(
    'mints by the clock of the %s while that is trusted, and warns',
    async (trustedClock) => {
      const { setting, topic } = await ranBefore();
      const { issuer, logged } = await openWrong(setting, topic, aheadMs, { trustedClock });
      await issuer.ready;
      const offset = trustedClock === 'issuer' ? aheadMs : 0;
      if (offset < 0) {
        // The clock floor is an hour ahead of that clock.
        expect(await codeOf(() => login(issuer))).toBe('clock_parted');
      } else {
        const { iat_ms: at } = payloadOf((await login(issuer)).access_token);
        expect(Math.abs(Number(at) - Date.now() - offset)).toBeLessThan(60_000);
      }
      await waitFor('the clocks are compared', () => clockOf(issuer)?.comparison === 'parted', 20_000);
      expect(clockOf(issuer)).toMatchObject({ status: offset < 0 ? 'fail' : 'warn', trusted: trustedClock });
      expect(logged('clock_trusted')).toMatchObject([['warn', 'clock_trusted', { trusted: trustedClock }]]);
    },
  );
});

test('compares nothing and delays nothing without a publisher that has a clock', async () => {
  const issuer = await createIssuerSetting().open({
    publisher: new Topic().publisher(),
    clock: createManualClock(HOUR_MS),
  });
  expect(await codeOf(() => login(issuer))).toBeUndefined();
  expect(clockOf(issuer)).toEqual({ name: 'clock', status: 'pass', partedMs: 0, leadMs: 0 });
});
