import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { FleetOptions } from '@rescind/dev-fleet';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { temporaryDirectory } from '../support/directory.ts';
import { brokerOfOwn, checkOf, fleetOf, untilAll, untilComplete, verdictOf } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

// An instance that was suspended, or whose clocks show that, accepts no token with a view older than MAX_STALENESS.

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

const PRELOAD = fileURLToPath(new URL('../support/wall-clock.mjs', import.meta.url));
const MAX_STALENESS_MS = 20_000;

/** One instance whose wall clock can be set, with `ofAll` that of the issuer too. */
async function onePrices({ ofAll = false, ...options }: FleetOptions & { readonly ofAll?: boolean }) {
  const file = join(temporaryDirectory(), 'offset');
  const clock = { NODE_OPTIONS: `--import=${PRELOAD}`, WALL_CLOCK_OFFSET_FILE: file };
  const setWall = (ms: number) => writeFileSync(file, String(ms));
  setWall(0);
  const fleet = await fleetOf({
    ...options,
    prices: 1,
    orders: 0,
    guardedEnvironment: { MAX_STALENESS: `${MAX_STALENESS_MS}ms`, ...clock },
    ...(ofAll && { issuerEnvironment: clock }),
  });
  const [prices] = fleet.instances;
  if (prices === undefined) throw new Error('one instance was asked for');
  const user = await fleet.client.register();
  const [gone, valid] = [await fleet.client.login(user, 'gone'), await fleet.client.login(user, 'valid')];
  await untilAll([prices], gone.access_token, '200');
  return { ...fleet, prices, setWall, gone: gone.access_token, valid: valid.access_token };
}

/** The responses of an instance to requests that waited while it was suspended, and to later ones. */
function askWithoutPause(ask: () => Promise<string>) {
  const answers: string[] = [];
  let isOver = false;
  const lane = async () => {
    while (!isOver) answers.push(await ask());
  };
  const lanes = Promise.all([lane(), lane(), lane(), lane()]);
  return {
    async stop() {
      isOver = true;
      await lanes;
      return answers;
    },
  };
}

/** Longer than MAX_STALENESS, and than each time-out of Kafka's session. */
const STANDSTILL_MS = 65_000;

it.each(['nothing else happens', 'Kafka is killed', 'the issuer is killed', 'Kafka and the issuer are killed'])(
  'an instance that is suspended for 65 s (SIGSTOP), while %s, never accepts what was revoked',
  async (what) => {
    const own = what.startsWith('Kafka') ? await brokerOfOwn() : broker;
    const { client, issuer, prices, gone, valid } = await onePrices({ brokers: own.brokers });
    await untilComplete([prices], 'kafka');
    prices.pause();
    expect((await client.logout(gone)).status).toBe(204);
    await waitFor('Kafka has the logout', async () => (await checkOf(issuer, 'relay'))?.lagEvents === 0, 30_000);
    if (what.startsWith('Kafka')) await own.stop();
    if (what.includes('issuer')) await issuer.stop('SIGKILL');
    await sleep(STANDSTILL_MS);
    const asking = askWithoutPause(() => verdictOf(prices, gone));
    prices.resume();
    const both = what.endsWith('are killed');
    if (both) {
      await waitFor('the instance answers', async () => (await checkOf(prices, 'feed')) !== undefined);
      expect(await verdictOf(prices, valid)).toBe('view_stale');
      await issuer.start();
    }
    await untilAll([prices], gone, 'token_revoked', 60_000);
    const answers = await asking.stop();
    expect(new Set(answers)).not.toContain('200');
    expect(answers).toContain('token_revoked');
    if (what === 'the issuer is killed') await issuer.start();
    await untilAll([prices], valid, '200', 60_000);
  },
);

it('a suspended machine, by its clocks: the wall clock has advanced, the monotonic clock has not', async () => {
  // For the issuer the same time has passed when it starts again.
  const { issuer, prices, setWall, valid } = await onePrices({ ofAll: true });
  await issuer.stop('SIGKILL');
  expect(await verdictOf(prices, valid)).toBe('200');
  setWall(MAX_STALENESS_MS + 5_000);
  expect(await verdictOf(prices, valid)).toBe('view_stale');
  // The age is stored, so it is known after a restart.
  await waitFor(
    'the age is in the file',
    async () => Number((await checkOf(prices, 'feed'))?.ageMs) > MAX_STALENESS_MS,
  );
  await prices.stop('SIGKILL');
  await prices.start();
  await waitFor('the instance has opened its file', async () => (await checkOf(prices, 'feed')) !== undefined);
  expect(await verdictOf(prices, valid)).toBe('view_not_ready');
  await issuer.start();
  await untilAll([prices], valid, '200', 60_000);
});

it.each<[string, boolean]>([
  ['without a log', false],
  ['with the backlog of Kafka alone', true],
])(
  'an instance is started anew with its wall clock 120 s behind, %s: it does not treat its view as fresh',
  async (_, hasKafka) => {
    const { client, issuer, prices, setWall, gone, valid } = await onePrices({
      ...(hasKafka && { brokers: broker.brokers }),
    });
    await prices.stop('SIGTERM');
    expect((await client.logout(gone)).status).toBe(204);
    await issuer.stop('SIGTERM');
    setWall(-120_000);
    await prices.start();
    await waitFor('the instance has opened its file', async () => (await checkOf(prices, 'feed')) !== undefined);
    const until = performance.now() + 8_000;
    // After 5 s without an answer it would be ready by the age in its file, if that were known.
    while (performance.now() < until) {
      for (const token of [gone, valid]) expect(await verdictOf(prices, token)).not.toBe('200');
      await sleep(100);
    }
    expect((await checkOf(prices, 'feed'))?.ageMs).toBeNull();
    await issuer.start();
    await untilAll([prices], gone, 'token_revoked', 60_000);
    await untilAll([prices], valid, '200', 60_000);
  },
);
