import { join } from 'node:path';
import type { Case, Setting, Spread } from '../case.ts';
import { readKey, writeKeys } from '../material/events.ts';
import type { LoadedServer } from '../material/load.ts';
import { loadOnce, separateCores, startLoadedServer, tokenRequests } from '../material/load.ts';
import { makePlainTables } from '../material/plain-tables.ts';
import type { BenchRedis } from '../material/redis.ts';
import { openRedis } from '../material/redis.ts';
import { fillFile } from '../material/rows.ts';
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
    const core = separateCores();
    await using redis = await openRedis(directory, entriesOf(setting));
    if (redis === undefined) say('no redis-server here');
    await using servers = await startServers(directory, redis, core);
    const requests = tokenRequests(TOKENS, readKey(directory, 'token'));
    const duration = quick ? 1 : 3;
    const perSecond = new Map<string, number[]>(servers.all.map(({ name }) => [name, []]));
    const cpu = new Map<string, number[]>(servers.all.map(({ name }) => [name, []]));
    const redisCpu: number[] = [];
    for (let round = -1; round < (quick ? 3 : 6); round++) {
      say(round < 0 ? 'warming up …' : `round ${round + 1} …`);
      for (const server of servers.all) {
        const before = redis?.cpu() ?? 0;
        const load = await loadOnce(server, { requests, duration, connections: CONNECTIONS });
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
        cores: core === undefined ? 'not pinned' : 'server on one, load and Redis on another',
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
  const all: LoadedServer[] = [];
  for (const [kind, name] of Object.entries(RIVALS)) {
    if (kind === 'redis' && redis === undefined) continue;
    const parameters = [kind, directory, redis?.socket ?? ''];
    all.push(starting.use(await startLoadedServer(name, 'serve-express.ts', parameters, core)));
  }
  const started = starting.move();
  return { all, [Symbol.asyncDispose]: () => started.disposeAsync() };
}
