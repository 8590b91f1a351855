import type { Broker } from '@rescind/dev-kafka';
import type { Tokens, User } from '../client.ts';
import type { Fleet } from '../fleet.ts';
import { until } from '../service-process.ts';
import { expectAccepted, expectStatus, logOutAndWatch, slowest } from './acts.ts';
import { ask, round, untilRefused } from './measure.ts';
import { operatorActs } from './operator.ts';
import type { Stage } from './stage.ts';
import { tokenIsStolen } from './thief.ts';

/** Devices that log in and out one after another, so that the figure is more than one throw of the dice. */
const MORE_DEVICES = 20;

interface People {
  readonly user: User;
  readonly laptop: Tokens;
  readonly phone: Tokens;
}

/** Plays the whole story. Each line is requests that were made; a step that fails is told, and the next one tried. */
export async function tellStory(stage: Stage): Promise<void> {
  const people = await oneLogsOut(stage);
  if (people === undefined) return;
  await moreDevices(stage, people.user);
  await instanceComesBack(stage, people);
  await tokenIsStolen(stage, people.user);
  await operatorActs(stage, people.user);
  if (stage.broker !== undefined) await brokerGoesAway(stage, stage.broker, people.user);
}

async function oneLogsOut({ fleet, narrator, samples }: Stage): Promise<People | undefined> {
  const { client, instances } = fleet;
  const all = instances.length;
  narrator.chapter('One person, two devices');
  let people: People | undefined;
  await narrator.step('a laptop and a phone log in', async () => {
    const user = await client.register();
    people = { user, laptop: await client.login(user, 'laptop'), phone: await client.login(user, 'phone') };
    return {};
  });
  if (people === undefined) return undefined;
  const { laptop, phone } = people;
  await narrator.step(`${all} of ${all} instances accept both`, async () => {
    await expectAccepted(instances, laptop);
    await expectAccepted(instances, phone);
    return {};
  });

  await narrator.step('the laptop logs out, and every instance refuses its token', async () => {
    const refusals = await logOutAndWatch(fleet, laptop);
    samples.push(...refusals.map(({ ms }) => ms));
    return {
      detail: refusals.map(({ instance, ms }) => `${instance} ${round(ms)} ms`).join('   '),
      ms: slowest(refusals),
    };
  });
  await narrator.step('the phone goes on working everywhere', async () => {
    await expectAccepted(instances, phone);
    return {};
  });
  await narrator.step('the refresh token of the laptop is dead too', async () => {
    expectStatus(await client.refresh(laptop.refresh_token), 400, 'refresh');
    return {};
  });
  return people;
}

async function moreDevices({ fleet, narrator, samples }: Stage, user: User): Promise<void> {
  await narrator.step(`${MORE_DEVICES} more devices log in and out, one after another`, async () => {
    const slow: number[] = [];
    for (let device = 1; device <= MORE_DEVICES; device += 1) {
      const tokens = await fleet.client.login(user, `device ${device}`);
      await expectAccepted(fleet.instances, tokens);
      const refusals = await logOutAndWatch(fleet, tokens);
      samples.push(...refusals.map(({ ms }) => ms));
      slow.push(slowest(refusals));
    }
    const worst = Math.max(...slow);
    return { detail: `the slowest instance refused after ${round(worst)} ms at worst`, ms: worst };
  });
}

async function instanceComesBack({ fleet, narrator }: Stage, { phone }: People): Promise<void> {
  const away = fleet.instances[1];
  if (away === undefined) return;
  const others = fleet.instances.filter((instance) => instance !== away);
  narrator.chapter('An instance that was away');
  await narrator.step(`${away.name} is killed`, async () => {
    await away.stop('SIGKILL');
    return {};
  });
  await narrator.step(`"log out everywhere": the ${others.length} others refuse the phone`, async () => {
    expectStatus(await fleet.client.logoutEverywhere(phone), 204, 'logout-everywhere');
    const refusals = await untilRefused(others, phone.access_token, performance.now());
    return { detail: `${round(slowest(refusals))} ms`, ms: slowest(refusals) };
  });
  await narrator.step(`${away.name} comes back: not ready until it has caught up, then it refuses`, async () => {
    const began = performance.now();
    await away.start();
    const listening = performance.now();
    // It is asked from its first moment on, as a load balancer that ignores readiness would.
    let early = 0;
    for (;;) {
      const health = await away.health();
      const { status, code } = await ask(away, phone.access_token);
      if (status === 200) throw new Error('it accepted a revoked token');
      if (status === 401 && code === 'token_revoked' && health.status === 200) break;
      early += 1;
      if (performance.now() - listening > 30_000) throw new Error(`it is not ready: ${status} ${code ?? ''}`);
    }
    const ms = performance.now() - began;
    return {
      detail: `asked ${early} times before it was ready, accepted 0; ready ${round(ms)} ms after its start`,
      ms,
    };
  });
}

async function brokerGoesAway({ fleet, narrator }: Stage, broker: Broker, user: User): Promise<void> {
  const { client, instances } = fleet;
  narrator.chapter('Kafka dies');
  if (broker.kind === 'given') {
    narrator.say('left out: this Kafka was given by KAFKA_BROKERS, and is not ours to kill');
    return;
  }
  let tokens: Tokens | undefined;
  await narrator.step('a tablet logs in; then the broker is killed (SIGKILL)', async () => {
    tokens = await client.login(user, 'tablet');
    await expectAccepted(instances, tokens);
    await broker.stop();
    return {};
  });
  if (tokens === undefined) return;
  const tablet = tokens;
  await narrator.step(
    'its logout is accepted without Kafka, and reaches the fleet by the standby streams',
    async () => {
      const refusals = await logOutAndWatch(fleet, tablet);
      return { detail: `every instance refused after ${round(slowest(refusals))} ms`, ms: slowest(refusals) };
    },
  );
  await narrator.step('while Kafka is away, HTTP is as quick', async () => {
    const another = await client.login(user, 'watch');
    await expectAccepted(instances, another);
    const refusals = await logOutAndWatch(fleet, another);
    return { detail: `every instance refused after ${round(slowest(refusals))} ms`, ms: slowest(refusals) };
  });
  await narrator.step('the broker comes back: all read from Kafka again, and the log is whole', async () => {
    const began = performance.now();
    await broker.start();
    await until(
      'every instance reads a whole log from Kafka',
      async () => (await wholeByKafka(fleet)) === instances.length,
      60_000,
    );
    return { detail: `${instances.length} of ${instances.length}`, ms: performance.now() - began };
  });
}

/** How many instances read from Kafka, have all of the log, and say so in their health. */
async function wholeByKafka({ instances }: Fleet): Promise<number> {
  const answers = await Promise.all(instances.map((instance) => instance.health()));
  return answers.filter(({ status, body }) => {
    const feed = body.checks?.find(({ name }) => name === 'feed');
    return status === 200 && feed?.status === 'pass' && feed.way === 'kafka' && feed.lag === 0;
  }).length;
}
