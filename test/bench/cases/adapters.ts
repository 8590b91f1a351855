import { join } from 'node:path';
import type { Case, Setting, Spread } from '../case.ts';
import { readKey, writeKeys } from '../material/events.ts';
import { loadOnce, separateCores, startLoadedServer, tokenRequests } from '../material/load.ts';
import { fillFile } from '../material/rows.ts';
import { middle, spreadOf } from '../race.ts';

const entriesOf = ({ quick }: Setting) => (quick ? 10_000 : 1_000_000);
const CONNECTIONS = 20;
const TOKENS = 1_000;

/** The frameworks, each with what the guard adds to it, and the path of the request. */
const FRAMEWORKS = {
  express: 'Express',
  fastify: 'Fastify',
  nestjs: 'NestJS on Express, against a guard that passes all',
  hono: 'Hono',
  passport: 'Express with Passport, against Express alone',
  'express-jwt': 'isRevoked of express-jwt, against express-jwt alone',
  'graphql-yoga': 'GraphQL Yoga, against a context of its own',
} as const;

const pathOf = (kind: string) => (kind === 'graphql-yoga' ? '/graphql?query=%7Buser%7D' : '/');

export const adapters: Case = {
  id: 'adapters',
  what: 'each adapter: CPU of a request, against the same framework without the guard',
  pinned: false,
  async prepare(setting) {
    writeKeys(setting.directory);
    fillFile(join(setting.directory, 'denylist.db'), entriesOf(setting));
  },
  async run(setting) {
    const { quick, directory, say } = setting;
    const core = separateCores();
    const duration = quick ? 1 : 2;
    const requests = tokenRequests(TOKENS, readKey(directory, 'token'));
    const load = { requests, duration, connections: CONNECTIONS };
    const measured: Spread[] = [];
    for (const [kind, name] of Object.entries(FRAMEWORKS)) {
      say(`${name} …`);
      const start = (how: string) =>
        startLoadedServer(`${name}, ${how}`, 'serve-adapter.ts', [kind, how, directory], core, pathOf(kind));
      await using bare = await start('bare');
      await using guarded = await start('guarded');
      const [added, without]: [number[], number[]] = [[], []];
      for (let round = -1; round < (quick ? 2 : 5); round++) {
        const alone = await loadOnce(bare, load);
        const withGuard = await loadOnce(guarded, load);
        if (round < 0) continue;
        without.push(alone.cpuMicros);
        added.push(withGuard.cpuMicros - alone.cpuMicros);
      }
      measured.push(spreadOf(`${name}: added`, added, 'µs'), spreadOf(`${name}: without`, without, 'µs'));
      say(`  ${middle(added).toFixed(1)} µs more than ${middle(without).toFixed(1)}`);
    }
    return {
      bars: [],
      measured,
      settings: {
        entries: entriesOf(setting),
        connections: CONNECTIONS,
        tokens: `${TOKENS}, seen before`,
        algorithm: 'RS256',
        secondsARound: duration,
        cores: core === undefined ? 'not pinned' : 'server on one, load on another',
      },
    };
  },
};
