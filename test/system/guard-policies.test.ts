import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Fleet, ServiceProcess, Tokens } from '@rescind/dev-fleet';
import { bearer, codeOf, openFleet, request } from '@rescind/dev-fleet';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cable } from '../support/cable.ts';
import { openCable } from '../support/cable.ts';
import { checkOf } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

// Each cell of the tables in docs/guard.md: a service with a route for each policy, and real things that are away.

const POLICIES = ['deny', 'allow', 'introspect', 'always'] as const;
type Policy = (typeof POLICIES)[number];
type Row = Readonly<Record<Policy, string>>;

const [good, revokedSince] = tablesOf(readFileSync(new URL('../../docs/guard.md', import.meta.url), 'utf8'));

/** The tables that begin with `policy`: by the first cell of a row, what is answered to each policy. */
function tablesOf(page: string): [ReadonlyMap<string, Row>, ReadonlyMap<string, Row>] {
  const blocks = page.split(/\n\n+/).filter((block) => /^\| policy /.test(block));
  const [first, second] = blocks.map((block) => {
    const rows = block.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
    return new Map(rows.slice(2).map(([, condition = '', ...cells]) => [condition, toRow(cells)]));
  });
  if (first === undefined || second === undefined) throw new Error('docs/guard.md has lost a table');
  return [first, second];
}

function toRow(cells: readonly string[]): Row {
  const [deny = '', allow = '', introspect = '', always = ''] = cells.map((cell) => /`(\w+)`/.exec(cell)?.[1] ?? cell);
  return { deny, allow, introspect, always };
}

/** Long enough for the second way to be taken (3 s) and for the cells of a condition. */
const MAX_STALENESS_S = 15;
const MAIN = fileURLToPath(new URL('../support/policies/main.ts', import.meta.url));

let broker: Broker;
let fleet: Fleet;
let way: Cable;
let alive: Tokens;
let known: Tokens;
/** Alive, until a condition revokes one. */
const spare: Tokens[] = [];

const instance = () => fleet.instances[0] as ServiceProcess;
const starter = () => fleet.instances[1] as ServiceProcess;

beforeAll(async () => {
  broker = await openBroker({ own: true });
  const environment = { MAX_STALENESS: `${MAX_STALENESS_S}s` };
  fleet = await openFleet({
    ...{ brokers: broker.brokers, prices: 0, orders: 0, started: false },
    others: ['first', 'second'].map((name) => ({ name, main: MAIN, environment })),
  });
  way = await openCable(Number(new URL(fleet.issuer.url).port));
  for (const one of fleet.instances) one.environment.LOG_URL = `http://127.0.0.1:${way.port}`;
  await fleet.issuer.start();
  await fleet.issuer.ready();
  await instance().start();
  await instance().ready();
  const user = await fleet.client.register();
  alive = await fleet.client.login(user, 'alive');
  known = await fleet.client.login(user, 'known');
  for (const name of ['1', '2', '3', '4']) spare.push(await fleet.client.login(user, name));
  await fleet.client.logout(known.access_token);
  await untilAnswered(instance(), 'deny', known, 'token_revoked');
});

afterAll(async () => {
  await fleet?.close();
  await way?.close();
  await broker?.close();
});

/** What a route answers: `200`, or the code. */
async function answerOf(service: ServiceProcess, policy: Policy, { access_token: token }: Tokens): Promise<string> {
  const answer = await request(`${service.url}/${policy}`, bearer(token));
  return answer.status === 200 ? '200' : (codeOf(answer) ?? String(answer.status));
}

async function untilAnswered(service: ServiceProcess, policy: Policy, tokens: Tokens, code: string): Promise<void> {
  let last = '';
  await waitFor(
    `${policy} answers ${code}`,
    async () => {
      last = await answerOf(service, policy, tokens);
      return last === code;
    },
    30_000,
  ).catch((error: unknown) => {
    throw new Error(`the last answer was ${last}`, { cause: error });
  });
}

/** Waits for a view that is read by this way, or that is older than it may be. */
async function untilView(state: 'kafka' | 'http' | 'stale'): Promise<void> {
  const holds = async () => {
    if (state === 'stale') return (await checkOf(instance(), 'view'))?.freshness === 'stale';
    const feed = await checkOf(instance(), 'feed');
    return feed?.status === 'pass' && feed.way === state && feed.lag === 0;
  };
  await waitFor(`the view is ${state}`, holds, 60_000);
}

/** Revokes one more, and says which: where the log goes on the instance has to hear of it first. */
async function revokeOne(heard: boolean): Promise<Tokens> {
  const gone = spare.pop() as Tokens;
  expect((await fleet.client.logout(gone.access_token)).status).toBe(204);
  if (heard) await untilAnswered(instance(), 'allow', gone, 'token_revoked');
  return gone;
}

/** A test for each cell of a row: a good token, and one that was known to be revoked before. */
function cells(condition: string, service: () => ServiceProcess = instance): void {
  const row = good.get(condition);
  it.each(POLICIES)(`a good token: %s`, async (policy) => {
    expect(await answerOf(service(), policy, alive)).toBe(row?.[policy]);
  });
  if (service !== instance) return;
  it.each(POLICIES)(`one known to be revoked: %s`, async (policy) => {
    expect(await answerOf(service(), policy, known)).toBe('token_revoked');
  });
}

/** A test for each cell of a row of the second table. */
function revokedCells(condition: string, heard: boolean): void {
  const row = revokedSince.get(condition);
  let gone: Tokens;
  describe('revoked since', () => {
    beforeAll(async () => {
      gone = await revokeOne(heard);
    });
    it.each(POLICIES)('%s', async (policy) => {
      expect(await answerOf(instance(), policy, gone)).toBe(row?.[policy]);
    });
  });
}

describe('all well', () => {
  beforeAll(() => untilView('kafka'));
  cells('all well');
  revokedCells('all well', true);
});

describe('Kafka away: killed', () => {
  beforeAll(async () => {
    await broker.stop();
    await untilView('http');
  });
  cells('Kafka away');
  revokedCells('Kafka away', true);
  afterAll(async () => {
    await broker.start();
    await untilView('kafka');
  });
});

describe('user-management away: frozen', () => {
  beforeAll(() => fleet.issuer.pause());
  cells('user-management away');
  afterAll(() => fleet.issuer.resume());
});

describe('both away: Kafka frozen, user-management killed', () => {
  beforeAll(async () => {
    await untilView('kafka');
    await Promise.all([broker.pause(), fleet.issuer.stop('SIGKILL')]);
  });
  cells('both away');
  describe('until the view is stale', () => {
    beforeAll(() => untilView('stale'));
    cells('stale, user-management away');
  });
  afterAll(async () => {
    await broker.resume();
    await fleet.issuer.start();
    await untilView('kafka');
    // The circuit is closed again.
    await untilAnswered(instance(), 'always', alive, '200');
  });
});

describe('the log cut off on both ways, user-management there', () => {
  beforeAll(async () => {
    way.cut();
    await broker.pause();
    await starter().start();
    await untilAnswered(starter(), 'deny', alive, 'view_not_ready');
  });
  describe('starting', () => cells('starting, the log out of reach', starter));
  describe('until the view is stale', () => {
    beforeAll(() => untilView('stale'));
    cells('stale, user-management can be asked');
    revokedCells('stale, user-management can be asked', false);
  });
  it('and everything is made up for when the log is back', async () => {
    const gone = spare.pop() as Tokens;
    await fleet.client.logout(gone.access_token);
    way.mend();
    await broker.resume();
    await starter().ready(60_000);
    for (const service of fleet.instances) {
      await untilAnswered(service, 'allow', gone, 'token_revoked');
      for (const policy of POLICIES) expect(await answerOf(service, policy, alive)).toBe('200');
    }
  });
});
