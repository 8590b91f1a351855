import type { Broker } from '@rescind/dev-kafka';
import type { Socket } from 'socket.io-client';
import { io as connectSocket } from 'socket.io-client';
import type { FleetResponse, Tokens, User } from '../client.ts';
import { request } from '../client.ts';
import type { Fleet } from '../fleet.ts';
import { until } from '../service-process.ts';
import { ask, expectAccepted, expectStatus, logOutAndWatch, round, slowest, untilRefused } from './measure.ts';
import type { Narrator } from './narrator.ts';

/** How many devices log in and out one after another, for a median of many samples. */
const MORE_DEVICES = 20;
/** How long a socket may take to connect or to end. */
const SOCKET_LIMIT_MS = 10_000;

interface People {
  readonly user: User;
  readonly laptop: Tokens;
  readonly phone: Tokens;
}

/** Runs all steps of the demo, each by real requests. After a failed step it continues with the next one. */
export async function runStory(stage: Stage): Promise<void> {
  const people = await oneLogsOut(stage);
  if (people === undefined) return;
  await moreDevices(stage, people.user);
  await instanceComesBack(stage, people);
  await tokenIsStolen(stage, people.user);
  await playerLogsOut(stage, people.user);
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
  await narrator.step('the refresh token of the laptop is refused too', async () => {
    expectStatus(await client.refresh(laptop.refresh_token), 400, 'refresh');
    return {};
  });
  return people;
}

async function moreDevices({ fleet, narrator, samples }: Stage, user: User): Promise<void> {
  await narrator.step(`${MORE_DEVICES} more devices log in and out, one after another`, async () => {
    const times: number[] = [];
    for (let device = 1; device <= MORE_DEVICES; device += 1) {
      const tokens = await fleet.client.login(user, `device ${device}`);
      await expectAccepted(fleet.instances, tokens);
      const refusals = await logOutAndWatch(fleet, tokens);
      samples.push(...refusals.map(({ ms }) => ms));
      times.push(slowest(refusals));
    }
    const worst = Math.max(...times);
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
    // It gets requests from its start on, as from a load balancer that ignores readiness.
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
    narrator.note('skipped: this Kafka is given by KAFKA_BROKERS, and the demo does not stop it');
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
  await narrator.step('while Kafka is down, HTTP is as fast', async () => {
    const another = await client.login(user, 'watch');
    await expectAccepted(instances, another);
    const refusals = await logOutAndWatch(fleet, another);
    return { detail: `every instance refused after ${round(slowest(refusals))} ms`, ms: slowest(refusals) };
  });
  await narrator.step('the broker comes back: all instances read from Kafka again, with the complete log', async () => {
    const began = performance.now();
    await broker.start();
    await until(
      'every instance reads the complete log from Kafka',
      async () => (await completeByKafka(fleet)) === instances.length,
      60_000,
    );
    return { detail: `${instances.length} of ${instances.length}`, ms: performance.now() - began };
  });
}

/** How many instances report in their health that they read from Kafka and have the complete log. */
async function completeByKafka({ instances }: Fleet): Promise<number> {
  const answers = await Promise.all(instances.map((instance) => instance.health()));
  return answers.filter(({ status, body }) => {
    const feed = body.checks?.find(({ name }) => name === 'feed');
    return status === 200 && feed?.status === 'pass' && feed.transport === 'kafka' && feed.lag === 0;
  }).length;
}

/** Two devices of one user are connected to the game; one logs out. */
async function playerLogsOut({ fleet, narrator }: Stage, user: User): Promise<void> {
  const { client, gameUrl } = fleet;
  if (gameUrl === undefined) return;
  narrator.chapter('A live socket');
  const sockets: Socket[] = [];
  try {
    let tablet: Tokens | undefined;
    await narrator.step('a tablet and a console join the game by sockets, with the token that they have', async () => {
      tablet = await client.login(user, 'tablet');
      const console = await client.login(user, 'console');
      for (const { access_token: token } of [tablet, console]) {
        const socket = connectSocket(gameUrl, {
          path: '/game/socket.io',
          transports: ['websocket'],
          forceNew: true,
          auth: { token },
        });
        sockets.push(socket);
        await until('the socket is connected', async () => socket.connected, SOCKET_LIMIT_MS);
      }
      return {};
    });
    const [first, second] = sockets;
    if (tablet === undefined || first === undefined || second === undefined) return;
    const { access_token } = tablet;
    await narrator.step('the tablet logs out: its socket ends with the reason; the console goes on', async () => {
      let reason: string | undefined;
      first.on('session:end', ({ code }: { readonly code: string }) => {
        reason = code;
      });
      expectStatus(await client.logout(access_token), 204, 'logout');
      const began = performance.now();
      await until('the socket has ended', async () => !first.connected, SOCKET_LIMIT_MS);
      const ms = performance.now() - began;
      if (reason !== 'session_ended' || !second.connected) throw new Error(`it ended by ${reason ?? 'nothing'}`);
      return { detail: `${round(ms)} ms`, ms };
    });
  } finally {
    for (const socket of sockets) socket.disconnect();
  }
}

/** A thief reuses a refresh token; the reuse ends the session. */
async function tokenIsStolen({ fleet, narrator }: Stage, user: User): Promise<void> {
  const { client, instances } = fleet;
  narrator.chapter('A stolen refresh token');
  let stolen: Tokens | undefined;
  let present: Tokens | undefined;
  await narrator.step('a desktop logs in and refreshes twice; each refresh token works once', async () => {
    stolen = await client.login(user, 'desktop');
    const next = await client.refreshed(stolen.refresh_token);
    present = await client.refreshed(next.refresh_token);
    await expectAccepted(instances, present);
    return {};
  });
  if (stolen === undefined || present === undefined) return;
  const { refresh_token } = stolen;
  const { access_token } = present;
  await narrator.step('a thief uses the first one again: the session ends, access tokens included', async () => {
    expectStatus(await client.refresh(refresh_token), 400, 'refresh');
    const refusals = await untilRefused(instances, access_token, performance.now());
    return { detail: `every instance refused after ${round(slowest(refusals))} ms`, ms: slowest(refusals) };
  });
}

/** An operator previews a cut-off of all users, and then performs it. */
async function operatorActs({ fleet, narrator }: Stage, user: User): Promise<void> {
  const { client, instances } = fleet;
  narrator.chapter('The operator');
  let watch: Tokens | undefined;
  await narrator.step('previews a logout of everybody: how many sessions would end?', async () => {
    for (const device of ['television', 'car', 'watch']) watch = await client.login(user, device);
    if (watch !== undefined) await expectAccepted(instances, watch);
    const answer = await operate(fleet, 'revocations/preview', { cutoffs: [{ claim: 'iss' }] });
    expectStatus(answer, 200, 'the preview');
    const { sessions } = answer.body as { readonly sessions: number };
    if (sessions < 3) throw new Error(`${sessions} sessions, although three have just begun`);
    return { detail: `${sessions}; nothing has changed` };
  });
  if (watch === undefined) return;
  const { access_token } = watch;
  await narrator.step('logs everybody out by one call: every instance refuses', async () => {
    const answer = await operate(fleet, 'emergency', { confirm: 'everybody', why: 'the demo shows it' });
    expectStatus(answer, 201, 'the emergency');
    const refusals = await untilRefused(instances, access_token, performance.now());
    return { detail: `${round(slowest(refusals))} ms`, ms: slowest(refusals) };
  });
  await narrator.step('a new login works at once, everywhere', async () => {
    await expectAccepted(instances, await client.login(user, 'watch'));
    return {};
  });
}

function operate({ adminUrl, operator }: Fleet, what: string, body: object): Promise<FleetResponse> {
  const credential = Buffer.from(`${operator.name}:${operator.secret}`).toString('base64');
  return request(`${adminUrl}/admin/${what}`, {
    method: 'POST',
    headers: { authorization: `Basic ${credential}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

interface Stage {
  readonly fleet: Fleet;
  readonly broker: Broker | undefined;
  readonly narrator: Narrator;
  /** All times from the response to a logout to the refusal by an instance, in ms, with all processes running. */
  readonly samples: number[];
}
