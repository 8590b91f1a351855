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

// Tests each cell of the tables in docs/guard.md: a service with a route for each policy, and processes that are really down.

const POLICIES = ['deny', 'allow', 'introspect', 'always'] as const;
type Policy = (typeof POLICIES)[number];
type Row = Readonly<Record<Policy, string>>;

const [good, revokedSince] = tablesOf(readFileSync(new URL('../../docs/guard.md', import.meta.url), 'utf8'));

/** The tables that begin with `policy`: for the first cell of each row, the response under each policy. */
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

/** Long enough for the follower to read the fallback transport (after 3 s) and for the cells of a condition. */
const MAX_STALENESS_S = 15;
const MAIN = fileURLToPath(new URL('../support/policies/main.ts', import.meta.url));

let broker: Broker;
let fleet: Fleet;
let link: Cable;
let alive: Tokens;
let known: Tokens;
/** Sessions that are valid until a test revokes them. */
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
  link = await openCable(Number(new URL(fleet.issuer.url).port));
  for (const one of fleet.instances) one.environment.LOG_URL = `http://127.0.0.1:${link.port}`;
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
  await link?.close();
  await broker?.close();
});

/** The response of a route: `200`, or the error code. */
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

/** Waits for a view that is read by this transport, or that is stale. */
async function untilView(state: 'kafka' | 'http' | 'stale'): Promise<void> {
  const holds = async () => {
    if (state === 'stale') return (await checkOf(instance(), 'view'))?.freshness === 'stale';
    const feed = await checkOf(instance(), 'feed');
    return feed?.status === 'pass' && feed.transport === state && feed.lag === 0;
  };
  await waitFor(`the view is ${state}`, holds, 60_000);
}

/** Revokes one more session and returns its tokens. @param reaches waits until the instance has applied the revocation */
async function revokeOne(reaches: boolean): Promise<Tokens> {
  const gone = spare.pop() as Tokens;
  expect((await fleet.client.logout(gone.access_token)).status).toBe(204);
  if (reaches) await untilAnswered(instance(), 'allow', gone, 'token_revoked');
  return gone;
}

/** A test for each cell of a row: a valid token, and one whose revocation the instance applied before. */
function cells(condition: string, service: () => ServiceProcess = instance): void {
  const row = good.get(condition);
  it.each(POLICIES)(`a valid token: %s`, async (policy) => {
    expect(await answerOf(service(), policy, alive)).toBe(row?.[policy]);
  });
  if (service !== instance) return;
  it.each(POLICIES)(`a token revoked before: %s`, async (policy) => {
    expect(await answerOf(service(), policy, known)).toBe('token_revoked');
  });
}

/** A test for each cell of a row of the second table. */
function revokedCells(condition: string, reaches: boolean): void {
  const row = revokedSince.get(condition);
  let gone: Tokens;
  describe('revoked since', () => {
    beforeAll(async () => {
      gone = await revokeOne(reaches);
    });
    it.each(POLICIES)('%s', async (policy) => {
      expect(await answerOf(instance(), policy, gone)).toBe(row?.[policy]);
    });
  });
}

describe('all up', () => {
  beforeAll(() => untilView('kafka'));
  cells('all up');
  revokedCells('all up', true);
});

describe('Kafka down: killed', () => {
  beforeAll(async () => {
    await broker.stop();
    await untilView('http');
  });
  cells('Kafka down');
  revokedCells('Kafka down', true);
  afterAll(async () => {
    await broker.start();
    await untilView('kafka');
  });
});

describe('user-management down: frozen', () => {
  beforeAll(() => fleet.issuer.pause());
  cells('user-management down');
  afterAll(() => fleet.issuer.resume());
});

describe('both down: Kafka frozen, user-management killed', () => {
  beforeAll(async () => {
    await untilView('kafka');
    await Promise.all([broker.pause(), fleet.issuer.stop('SIGKILL')]);
  });
  cells('both down');
  describe('until the view is stale', () => {
    beforeAll(() => untilView('stale'));
    cells('stale, user-management down');
  });
  afterAll(async () => {
    await broker.resume();
    await fleet.issuer.start();
    await untilView('kafka');
    // Waits until the circuit breaker is closed again.
    await untilAnswered(instance(), 'always', alive, '200');
  });
});

describe('the log cut off on both transports, user-management up', () => {
  beforeAll(async () => {
    link.cut();
    await broker.pause();
    await starter().start();
    await untilAnswered(starter(), 'deny', alive, 'view_not_ready');
  });
  describe('starting', () => cells('starting, the log unreachable', starter));
  describe('until the view is stale', () => {
    beforeAll(() => untilView('stale'));
    cells('stale, user-management up');
    revokedCells('stale, user-management up', false);
  });
  it('applies everything once the log is back', async () => {
    const gone = spare.pop() as Tokens;
    await fleet.client.logout(gone.access_token);
    link.mend();
    await broker.resume();
    await starter().ready(60_000);
    for (const service of fleet.instances) {
      await untilAnswered(service, 'allow', gone, 'token_revoked');
      for (const policy of POLICIES) expect(await answerOf(service, policy, alive)).toBe('200');
    }
  });
});
