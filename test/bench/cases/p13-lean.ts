import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from '@rescind/dev-build';
import type { ServiceProcess } from '@rescind/dev-fleet';
import { openFleet } from '@rescind/dev-fleet';
import type { Case } from '../case.ts';
import { residentMegabytes } from '../machine.ts';
import { clockMs } from '../material/arrivals.ts';
import { middle, spreadOf } from '../race.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const processFile = (name: string) => join(ROOT, 'test/bench/processes', name);
const builtService = (name: string) => join(ROOT, 'build/services', name, 'dist/main.js');

/** An application as a process: what starts it, and its variables. */
interface Contestant {
  readonly name: string;
  readonly main: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** One start: ms from the start of the process until it listens, and MB of resident memory after it has been idle. */
interface Start {
  readonly startMs: number;
  readonly megabytes: number;
}

async function startOnce({ name, main, environment }: Contestant, idleMs: number): Promise<Start> {
  for (const suffix of ['', '-wal', '-shm', '.lock']) rmSync(`${environment.DENYLIST_PATH}${suffix}`, { force: true });
  const began = clockMs();
  const child = spawn(process.execPath, [main], {
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  try {
    const listens = (async () => {
      for await (const line of createInterface(child.stdout))
        if (line.includes('"listening"')) return clockMs() - began;
      throw new Error(`${name} ended before it listened`);
    })();
    const startMs = await listens;
    child.stdout.resume();
    await delay(idleMs);
    return { startMs, megabytes: residentMegabytes(child.pid ?? 0) };
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

/** The variables of a process of the fleet, on ports of its own. */
const variablesOf = ({ environment, url, managementUrl, adminUrl }: ServiceProcess) => ({
  ...environment,
  PORT: new URL(url).port,
  MANAGEMENT_PORT: new URL(managementUrl).port,
  ...(adminUrl !== undefined && { ADMIN_PORT: new URL(adminUrl).port }),
});

export const p13: Case = {
  id: 'P13',
  what: 'start and memory of idle processes: what is built, beside Express with jsonwebtoken',
  pinned: false,
  async prepare({ say }) {
    say('npm run build …');
    await build(ROOT);
  },
  async run({ quick, directory }) {
    const [rounds, idleMs] = quick ? [2, 2_000] : [7, 10_000];
    await using fleet = await openFleet({ prices: 1, orders: 0, started: false });
    await using others = await openFleet({ prices: 0, orders: 0, started: false });
    const { issuer } = fleet;
    const [prices] = fleet.instances;
    if (prices === undefined) throw new Error('the fleet has no instance');
    await issuer.start();
    await issuer.ready();
    const publicKeyFile = join(directory, 'public.pem');
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    writeFileSync(publicKeyFile, publicKey.export({ type: 'spki', format: 'pem' }));
    const guarded = variablesOf(prices);
    const contestants: readonly Contestant[] = [
      {
        name: 'Express with jsonwebtoken',
        main: processFile('serve-verified.mjs'),
        environment: { ...guarded, PUBLIC_KEY_FILE: publicKeyFile },
      },
      { name: 'Express with the guard', main: processFile('serve-guarded.mjs'), environment: guarded },
      { name: 'services/prices', main: builtService('prices'), environment: guarded },
      {
        name: 'services/user-management',
        main: builtService('user-management'),
        environment: variablesOf(others.issuer),
      },
    ];
    const starts = new Map<string, Start[]>(contestants.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const contestant of contestants) starts.get(contestant.name)?.push(await startOnce(contestant, idleMs));
    }
    const figures = (name: string, of: keyof Start) => (starts.get(name) ?? []).map((start) => start[of]);
    const rival = 'Express with jsonwebtoken';
    const ratio = (name: string, of: keyof Start) =>
      middle(figures(name, of).map((figure, round) => figure / (figures(rival, of)[round] ?? Number.NaN)));
    return {
      bars: [
        {
          what: 'memory of the guarded application',
          figure: ratio('Express with the guard', 'megabytes'),
          atMost: 1.4,
        },
        { what: 'start of the guarded application', figure: ratio('Express with the guard', 'startMs'), atMost: 1.5 },
        { what: 'memory of services/prices', figure: ratio('services/prices', 'megabytes'), atMost: 1.4 },
        { what: 'start of services/prices', figure: ratio('services/prices', 'startMs'), atMost: 1.5 },
        {
          what: 'memory of user-management, MB',
          figure: middle(figures('services/user-management', 'megabytes')),
          atMost: 160,
        },
      ],
      measured: contestants.flatMap(({ name }) => [
        spreadOf(`start of ${name}`, figures(name, 'startMs'), 'ms'),
        spreadOf(`memory of ${name}`, figures(name, 'megabytes'), 'MB'),
      ]),
      settings: { rounds, idleSeconds: idleMs / 1_000, log: 'HTTP' },
    };
  },
};
