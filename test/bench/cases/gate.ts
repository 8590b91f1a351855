import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:http';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Fleet, ServiceProcess } from '@rescind/dev-fleet';
import { httpTransport } from '@rescind/feed';
import { createGuard } from '@rescind/guard';
import type { Case, Spread } from '../case.ts';
import { acceptedToken, openBenchFleet } from '../material/fleet.ts';
import { spreadOf } from '../race.ts';

const MAIN = fileURLToPath(new URL('../../../services/gate/src/main.js', import.meta.url));

/** A decision about one token, one after the other. */
interface Contestant {
  readonly name: string;
  /** The process that decides; undefined: this one. */
  readonly server?: ServiceProcess;
  decide(): Promise<void> | void;
}

/** Measures what a service pays for a decision that another process makes. */
export const gate: Case = {
  id: 'gate',
  what: 'a decision in process, by the gate, and by introspection, one after the other over one connection',
  pinned: false,
  async run({ quick, directory, say }) {
    const [rounds, calls] = quick ? [3, 500] : [9, 3_000];
    const socketPath = join(directory, 'gate.sock');
    const environment = { AUDIENCE: 'prices,orders', SOCKET_PATH: socketPath };
    await using fleet = await openBenchFleet({
      ...{ prices: 1, orders: 1 },
      others: [{ name: 'gate', main: MAIN, environment }],
    });
    const token = await acceptedToken(
      { ...fleet, instances: fleet.instances.filter(({ name }) => name !== 'gate') },
      await fleet.client.register(),
    );
    await using guard = await openGuardOf(fleet, directory);
    const contestants = contestantsOf(fleet, { token, socketPath, decide: (one) => guard.decide(one).accepted });
    const micros = new Map(contestants.map(({ name }) => [name, [] as number[]]));
    const cpu = new Map(
      contestants.filter(({ server }) => server !== undefined).map(({ name }) => [name, [] as number[]]),
    );
    for (let round = -1; round < rounds; round++) {
      say(round < 0 ? 'warming up …' : `round ${round + 1} …`);
      for (const { name, server, decide } of contestants) {
        const [before, start] = [cpuMicros(server), performance.now()];
        for (let call = 0; call < calls; call++) await decide();
        if (round < 0) continue;
        micros.get(name)?.push(((performance.now() - start) * 1_000) / calls);
        cpu.get(name)?.push((cpuMicros(server) - before) / calls);
      }
    }
    const spreads = (measured: ReadonlyMap<string, readonly number[]>, more = ''): Spread[] =>
      [...measured].map(([name, values]) => spreadOf(name + more, values, 'µs'));
    return {
      bars: [],
      measured: [...spreads(micros), ...spreads(cpu, ': CPU of the process')],
      settings: { calls, rounds, connections: 1, algorithm: 'RS256', transport: 'HTTP/1.1, keep-alive, loopback' },
    };
  },
};

interface Deciding {
  readonly token: string;
  readonly socketPath: string;
  decide(token: string): boolean;
}

function contestantsOf(fleet: Fleet, { token, socketPath, decide }: Deciding): Contestant[] {
  const server = fleet.instances.find(({ name }) => name === 'gate');
  if (server === undefined) throw new Error('there is no gate');
  const bearer = { authorization: `Bearer ${token}` };
  const form = { 'content-type': 'application/x-www-form-urlencoded', authorization: `Basic ${credential(fleet)}` };
  const body = new URLSearchParams({ token }).toString();
  return [
    {
      name: 'guard.decide, in process',
      decide() {
        if (!decide(token)) throw new Error('the guard refused');
      },
    },
    { name: 'gate, Unix socket', server, decide: asking({ socketPath, path: '/auth', headers: bearer }) },
    { name: 'gate, TCP', server, decide: asking({ ...addressOf(server.url), path: '/auth', headers: bearer }) },
    {
      name: 'introspection, TCP',
      server: fleet.issuer,
      decide: asking(
        { ...addressOf(fleet.issuer.url), path: '/oauth2/introspect', method: 'POST', headers: form },
        body,
      ),
    },
  ];
}

const secretOf = ({ directory }: Fleet) => readFileSync(join(directory, 'prices', 'feed-client-secret'), 'utf8');
const credential = (fleet: Fleet) => Buffer.from(`prices:${secretOf(fleet)}`).toString('base64');

function addressOf(url: string): Pick<RequestOptions, 'host' | 'port'> {
  const { hostname, port } = new URL(url);
  return { host: hostname, port };
}

function asking(options: RequestOptions, body?: string): () => Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return async () => {
    const sent = request({ ...options, agent });
    sent.end(body);
    const [response] = await once(sent, 'response');
    const answered = await text(response);
    if (response.statusCode !== 200 || answered.includes('"active":false')) {
      throw new Error(`${options.path} answered ${response.statusCode}: ${answered}`);
    }
  };
}

async function openGuardOf(fleet: Fleet, directory: string) {
  const issuer = fleet.issuer.url;
  const transport = httpTransport({ issuer, clientId: 'prices', clientSecret: secretOf(fleet) });
  const denylistPath = join(directory, 'denylist.sqlite');
  const guard = createGuard({ issuer, audience: 'prices', feed: { primary: transport }, denylistPath });
  await guard.ready();
  return guard;
}

const TICK_MICROS = 10_000;

/** User and system time of a process, from its statistics of Linux. */
function cpuMicros(server: ServiceProcess | undefined): number {
  if (server === undefined) return 0;
  const fields = readFileSync(`/proc/${server.pid()}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
}
