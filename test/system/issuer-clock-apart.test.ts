import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Fleet } from '@rescind/dev-fleet';
import { codeOf, request } from '@rescind/dev-fleet';
import { openBroker } from '@rescind/dev-kafka';
import { openPublisher } from '@rescind/feed-kafka';
import { basicAuthorization } from '@rescind/revocation/http';
import { decodeJwt } from 'jose';
import { expect, it, onTestFinished } from 'vitest';
import { createAdministrator } from '../support/administration.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { checkOf, fleetOf, untilAll, untilComplete } from '../support/fleet.ts';
import { testTopic } from '../support/kafka-topic.ts';
import { waitFor } from '../support/wait.ts';

const PRELOAD = fileURLToPath(new URL('../support/wall-clock.mjs', import.meta.url));
const HOUR_MS = 3_600_000;
const TOLERANCE_MS = 60_000;

/** A fleet over Kafka that has run with the right time, and whose issuer is stopped. Everything else keeps the machine's clock. */
async function stoppedFleet() {
  const broker = await openBroker();
  onTestFinished(() => broker.close());
  const file = join(temporaryDirectory(), 'offset');
  const setWall = (ms: number) => writeFileSync(file, String(ms));
  setWall(0);
  const fleet = await fleetOf({
    brokers: broker.brokers,
    prices: 1,
    orders: 1,
    issuerEnvironment: { NODE_OPTIONS: `--import=${PRELOAD}`, WALL_CLOCK_OFFSET_FILE: file },
  });
  const { client, instances, issuer } = fleet;
  const user = await client.register();
  const [phone, laptop] = [await client.login(user, 'phone'), await client.login(user, 'laptop')];
  for (const { access_token } of [phone, laptop]) await untilAll(instances, access_token, '200');
  await issuer.stop();
  return { fleet, brokers: broker.brokers, setWall, user, phone, laptop };
}

const basicOf = ({ operator: { name, secret } }: Fleet) => ({
  Authorization: basicAuthorization(name, secret),
});

function tryLogin({ issuer }: Fleet, user: object) {
  return request(`${issuer.url}/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(user),
  });
}

/** The times of all heartbeats on the topic. */
async function heartbeatTimes({ issuer, topic }: Fleet, brokers: readonly string[]): Promise<number[]> {
  await using publisher = openPublisher({ brokers, topic, clientId: 'test', log: issuer.url, minRetentionMs: 1 });
  const times: number[] = [];
  for await (const batch of publisher.replay()) {
    for (const payload of batch.map((jws) => decodeJwt(jws))) {
      if (payload.seq === undefined) times.push(Number(payload.iat_ms), Number(payload.wall_ms));
    }
  }
  return times;
}

it.each([
  ['ahead', HOUR_MS],
  ['behind', -HOUR_MS],
])(
  'an issuer that starts with its wall clock an hour %s mints nothing until it agrees with Kafka, and revokes meanwhile',
  async (_, offset) => {
    const { fleet, brokers, setWall, user, phone, laptop } = await stoppedFleet();
    const { client, instances, issuer } = fleet;
    setWall(offset);
    await issuer.start();

    // Logs in at once, while the comparison is pending.
    const refused = await tryLogin(fleet, user);
    expect([refused.status, codeOf(refused)]).toEqual([503, 'clock_parted']);
    expect((await client.refresh(phone.refresh_token)).status).toBe(503);
    await issuer.ready();
    const check = await checkOf(issuer, 'clock');
    expect(check).toMatchObject({ status: 'fail', comparison: 'parted', trusted: null });
    const [wall, publisher] = [check?.wallTime, check?.publisherTime].map((time) => Date.parse(String(time)));
    expect(Math.abs(Number(wall) - Number(publisher) - offset)).toBeLessThan(TOLERANCE_MS);
    expect(Math.abs(Number(publisher) - Date.now())).toBeLessThan(TOLERANCE_MS);
    const apart = await waitFor('the difference is logged', () => issuer.line('clock_apart'));
    expect(apart).toMatchObject({ level: 'error', wallTime: expect.any(String) });

    expect((await client.logout(laptop.access_token)).status).toBe(204);
    await untilAll(instances, laptop.access_token, 'token_revoked');
    const emergency = await createAdministrator(fleet.adminUrl, basicOf(fleet)).post('/admin/emergency', {
      confirm: 'everybody',
      why: 'drill',
    });
    expect(emergency.status).toBe(201);
    await untilAll(instances, phone.access_token, 'token_revoked');
    const latest = Math.max(...(await heartbeatTimes(fleet, brokers)));
    expect(latest).toBeLessThan(Date.now() + TOLERANCE_MS);

    setWall(0);
    const after = await waitFor('a login succeeds without a command', async () => {
      const answer = await tryLogin(fleet, user);
      return answer.status === 200 ? (answer.body as { access_token: string }) : undefined;
    });
    await untilAll(instances, after.access_token, '200');
    expect(await checkOf(issuer, 'clock')).toMatchObject({ status: 'pass', comparison: 'agreed' });
    await waitFor('the agreement is logged', () => issuer.line('clock_agrees'));
    await untilComplete(instances, 'kafka');
    await waitFor('every view is fresh', async () => {
      const views = await Promise.all(instances.map((instance) => checkOf(instance, 'feed')));
      return views.every((view) => view?.suspect === null && Number(view?.ageMs) < 5_000);
    });
  },
);

it('a topic with the time of its producers gets no event and no comparison until it is corrected', async () => {
  const { fleet, brokers, setWall, user } = await stoppedFleet();
  const { client, issuer } = fleet;
  const topic = testTopic(brokers, fleet.topic);
  const { settings } = await topic.describe();
  const names = ['cleanup.policy', 'retention.ms', 'retention.bytes', 'min.insync.replicas', 'compression.type'];
  const kept = Object.fromEntries(names.map((name) => [name, String(settings[name])]));
  await topic.set({ ...kept, 'message.timestamp.type': 'CreateTime' });
  const end = await topic.end();
  setWall(HOUR_MS);
  await issuer.start();

  // As while Kafka is away: by its wall clock, and health names the setting.
  const { access_token } = await client.login(user, 'not compared');
  expect(Number(decodeJwt(access_token).iat_ms)).toBeGreaterThan(Date.now() + TOLERANCE_MS);
  expect(await checkOf(issuer, 'clock')).toMatchObject({ status: 'pass', comparison: 'unknown' });
  const reason = expect.stringContaining('message.timestamp.type is CreateTime, must be LogAppendTime');
  await waitFor(
    'health reports the setting of the topic',
    async () => (await checkOf(issuer, 'kafka'))?.reason !== undefined,
  );
  expect(await checkOf(issuer, 'kafka')).toMatchObject({ status: 'warn', reason });
  expect(await topic.end()).toBe(end);

  await topic.set({ ...kept, 'message.timestamp.type': 'LogAppendTime' });
  const isParted = async () => (await checkOf(issuer, 'clock'))?.comparison === 'parted';
  await waitFor('the comparison ends without a restart', isParted, 40_000);
  const refused = await tryLogin(fleet, user);
  expect([refused.status, codeOf(refused)]).toEqual([503, 'clock_parted']);
});

it('tokens have the time of Kafka while TRUSTED_CLOCK names it, and health and log report it', async () => {
  const { fleet, setWall, user } = await stoppedFleet();
  const { client, instances, issuer } = fleet;
  setWall(HOUR_MS);
  issuer.environment.TRUSTED_CLOCK = 'kafka';
  await issuer.start();
  await issuer.ready();
  const { access_token } = await client.login(user, 'by the clock of Kafka');
  expect(Number(decodeJwt(access_token).iat_ms)).toBeLessThan(Date.now() + TOLERANCE_MS);
  await untilAll(instances, access_token, '200');
  const trusted = await waitFor('the trusted clock is logged', () => issuer.line('clock_trusted'));
  expect(trusted).toMatchObject({ trusted: 'publisher' });
  expect(await checkOf(issuer, 'clock')).toMatchObject({ status: 'warn', comparison: 'parted', trusted: 'publisher' });

  setWall(0);
  await waitFor('the clocks agree', async () => (await checkOf(issuer, 'clock'))?.comparison === 'agreed');
  expect(await checkOf(issuer, 'clock')).toMatchObject({ status: 'warn', trusted: 'publisher' });
  await issuer.stop();
  delete issuer.environment.TRUSTED_CLOCK;
  await issuer.start();
  await issuer.ready();
  expect(await checkOf(issuer, 'clock')).toMatchObject({ status: 'pass', comparison: 'agreed' });
  const again = await client.login(user, 'by its own clock');
  await untilAll(instances, again.access_token, '200');
});
