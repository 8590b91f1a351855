import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { join } from 'node:path';
import autocannon from 'autocannon';
import type { Case, Setting, Spread } from '../case.ts';
import type { Child } from '../material/child.ts';
import { startChild } from '../material/child.ts';
import { readKey, writeKeys } from '../material/events.ts';
import { makePlainTables } from '../material/plain-tables.ts';
import type { BenchRedis } from '../material/redis.ts';
import { openRedis } from '../material/redis.ts';
import { fillFile } from '../material/rows.ts';
import { newTokens } from '../material/tokens.ts';
import { ratio, spreads } from '../race.ts';

const entriesOf = ({ quick }: Setting) => (quick ? 100_000 : 1_000_000);
const CONNECTIONS = 50;
const TOKENS = 1_000;
const NONE = 'no auth';

/** The compared servers: their kinds and names. */
const RIVALS = {
  none: NONE,
  guard: 'guard',
  jsonwebtoken: 'jsonwebtoken alone, no revocation',
  sqlite: 'jsonwebtoken + four SQLite reads',
  redis: 'jsonwebtoken + Redis',
  'oauth2-jwt-bearer': 'express-oauth2-jwt-bearer, no revocation',
} as const;

interface Server {
  readonly name: string;
  readonly url: string;
  readonly child: Child;
}

/** The figures of one server in one round. */
interface Load {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

export const p3: Case = {
  id: 'P3',
  what: 'Express, keep-alive, saturated, against the same application with no auth',
  pinned: false,
  async prepare(setting) {
    const { directory } = setting;
    writeKeys(directory);
    fillFile(join(directory, 'denylist.db'), entriesOf(setting));
    makePlainTables(join(directory, 'plain.db'), entriesOf(setting));
  },
  async run(setting) {
    const { quick, directory, say } = setting;
    // Client and server each have a core of their own, if there are two cores and `taskset`.
    const core = cpus().length - 1;
    const pinned = core > 0 && spawnSync('taskset', ['-cp', '0', String(process.pid)]).status === 0;
    await using redis = await openRedis(directory, entriesOf(setting));
    if (redis === undefined) say('no redis-server here');
    await using servers = await startServers(directory, redis, pinned ? core : undefined);
    const requests = newTokens(TOKENS, readKey(directory, 'token')).map((token) => ({
      headers: { authorization: `Bearer ${token}` },
    }));
    const duration = quick ? 1 : 3;
    const perSecond = new Map<string, number[]>(servers.all.map(({ name }) => [name, []]));
    const cpu = new Map<string, number[]>(servers.all.map(({ name }) => [name, []]));
    const redisCpu: number[] = [];
    for (let round = -1; round < (quick ? 3 : 6); round++) {
      say(round < 0 ? 'warming up …' : `round ${round + 1} …`);
      for (const server of servers.all) {
        const before = redis?.cpu() ?? 0;
        const load = await loadOnce(server, requests, duration);
        if (round < 0) continue;
        perSecond.get(server.name)?.push(load.perSecond);
        cpu.get(server.name)?.push(load.cpuMicros);
        if (redis !== undefined && server.name === RIVALS.redis) {
          redisCpu.push((redis.cpu() - before) / (load.perSecond * duration));
        }
      }
    }
    return {
      bars: [{ what: 'requests a second, × no auth', figure: ratio(perSecond, RIVALS.guard, NONE), atLeast: 0.85 }],
      measured: [
        ...spreads(perSecond, 'requests/s'),
        ...servers.all.map(({ name }) => shareOf(perSecond, name)).filter(({ name }) => !name.startsWith(NONE)),
        ...spreads(cpu, 'µs').map((one) => ({ ...one, name: `${one.name}: server CPU a request` })),
        ...spreads(new Map(redisCpu.length > 0 ? [['redis-server: CPU a request', redisCpu]] : []), 'µs'),
      ],
      settings: {
        entries: entriesOf(setting),
        connections: CONNECTIONS,
        tokens: TOKENS,
        algorithm: 'RS256',
        secondsARound: duration,
        cores: pinned ? 'server on one, load and Redis on another' : 'not pinned',
      },
    };
  },
};

function shareOf(perSecond: ReadonlyMap<string, readonly number[]>, name: string): Spread {
  const share = ratio(perSecond, name, NONE);
  return { name: `${name}, × ${NONE}`, median: share, min: share, max: share, unit: '×' };
}

async function startServers(directory: string, redis: BenchRedis | undefined, core: number | undefined) {
  await using starting = new AsyncDisposableStack();
  const all: Server[] = [];
  for (const [kind, name] of Object.entries(RIVALS)) {
    if (kind === 'redis' && redis === undefined) continue;
    const child = starting.use(startChild('serve-express.ts', [kind, directory, redis?.socket ?? ''], core));
    all.push({ name, child, url: `http://127.0.0.1:${await child.line()}/` });
  }
  const started = starting.move();
  return { all, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

async function loadOnce({ name, url, child }: Server, requests: autocannonRequests, duration: number): Promise<Load> {
  const cpu = async () => {
    child.send('');
    return Number(await child.line());
  };
  const before = await cpu();
  const result = await autocannon({ url, connections: CONNECTIONS, duration, requests });
  const used = (await cpu()) - before;
  const answered = result['2xx'];
  if (result.non2xx > 0 || result.errors > 0 || answered === 0) {
    throw new Error(`${name}: ${result.non2xx} refused, ${result.errors} failed, ${answered} answered`);
  }
  return { perSecond: answered / result.duration, cpuMicros: used / answered };
}

type autocannonRequests = Parameters<typeof autocannon>[0]['requests'];
