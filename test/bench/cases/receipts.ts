import { Agent, request } from 'node:http';
import type { Case } from '../case.ts';
import type { Child } from '../material/child.ts';
import { startChild } from '../material/child.ts';
import { middle, spreadOf } from '../race.ts';

const INSTANCES = 1_000;
/** Positions that the issuer keeps of each instance, and those of one report. */
const STEPS = 256;
const STEPS_PER_REPORT = 64;
/** The issuer refuses a report that comes sooner. In ms. */
const MIN_PAUSE_MS = 250;
const IN_FLIGHT = 16;
/** At idle each instance reports each 5 s; while revocations are many all together report at most so often, a second. */
const RATES = { idle: INSTANCES / 5, most: 1_000 };

interface Position {
  readonly epoch: string;
  readonly seq: number;
}

/** What it costs the issuer that 1,000 instances report, beside servers that parse the same JSON and do nothing. */
export const receipts: Case = {
  id: 'receipts',
  pinned: false,
  what: `reports of ${INSTANCES} instances, taken by the issuer`,
  async run({ quick, directory, say }) {
    const rounds = quick ? 5 : 25;
    await using issuer = await open('issuer', directory);
    await using node = await open('node', directory);
    await using express = await open('express', directory);
    const contestants = { issuer, node, express };
    const micros: Record<string, number[]> = { issuer: [], node: [], express: [] };
    const rates: Record<string, number[]> = { issuer: [], node: [], express: [] };
    const empty = await issuer.bytes();
    for (let round = -2; round < rounds; round++) {
      say(round < 0 ? 'warming up …' : `round ${round + 1} …`);
      const at = await issuer.revoke();
      for (const [name, one] of Object.entries(contestants)) {
        const [before, began] = [await one.micros(), performance.now()];
        await one.report(at);
        const took = performance.now() - began;
        if (round < 0) continue;
        micros[name]?.push(((await one.micros()) - before) / INSTANCES);
        rates[name]?.push((INSTANCES / took) * 1_000);
      }
    }
    say(`${STEPS} positions of each instance …`);
    for (let filled = 0; filled < STEPS; filled += STEPS_PER_REPORT) {
      const positions: Position[] = [];
      while (positions.length <= STEPS_PER_REPORT) positions.push(await issuer.revoke());
      await issuer.report(positions.at(-1) as Position, positions.slice(0, -1));
    }
    const kept = ((await issuer.bytes()) - empty) / INSTANCES;
    const ratioTo = (rival: string) =>
      middle((micros.issuer ?? []).map((value, round) => value / (micros[rival]?.[round] ?? Number.NaN)));
    const share = (perSecond: number) => [(middle(micros.issuer ?? []) * perSecond) / 10_000];
    return {
      bars: [
        {
          what: 'CPU of a report, × express with the same JSON and credential',
          figure: ratioTo('express'),
          atMost: 1.5,
        },
        { what: `kB of memory an instance, with ${STEPS} positions`, figure: kept / 1_000, atMost: 32 },
      ],
      measured: [
        ...Object.entries(micros).map(([name, values]) => spreadOf(`${name}: CPU a report`, values, 'µs')),
        ...Object.entries(rates).map(([name, values]) => spreadOf(`${name}: reports answered`, values, '/s')),
        spreadOf('issuer, × node:http', [ratioTo('node')], '×'),
        spreadOf('issuer: of a core, idle (200 reports a second)', share(RATES.idle), '%'),
        spreadOf('issuer: of a core, at the most (1,000 a second)', share(RATES.most), '%'),
        spreadOf('issuer: memory an instance', [kept], 'B'),
      ],
      settings: { instances: INSTANCES, rounds, inFlight: IN_FLIGHT, store: 'SQLite, synchronous FULL' },
    };
  },
};

async function open(kind: 'issuer' | 'node' | 'express', directory: string) {
  const child: Child = startChild('serve-reports.ts', [kind, directory]);
  const { port } = JSON.parse(await child.line()) as { port: number };
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
  const ask = async <T>(line: string): Promise<T> => {
    child.send(line);
    return JSON.parse(await child.line()) as T;
  };
  let reportedAt = 0;

  const send = (index: number, { epoch, seq }: Position, earlier: readonly Position[]) =>
    new Promise<void>((resolve, reject) => {
      const service = index % 2 === 0 ? 'prices' : 'orders';
      const body = JSON.stringify({
        ...{
          key: `instance-${index}`.padEnd(24, '-'),
          instance: `${service}-${index}:4711`,
          version: '1.4.0',
          epoch,
          seq,
        },
        ...{ heldMs: 12.3, ageMs: 640, suspect: null, transport: 'kafka', leaving: false },
        earlier: earlier.map((one) => ({ seq: one.seq, heldMs: 20 })),
      });
      const authorization = `Basic ${btoa(`${service}:bench-secret-of-${service}`)}`;
      const headers = { authorization, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const sent = request({ agent, port, host: '127.0.0.1', method: 'POST', path: '/revocations/reports', headers });
      sent.on('error', reject);
      sent.on('response', (response) => {
        response.resume().on('end', () => {
          if (response.statusCode === 200) resolve();
          else reject(new Error(`${kind} answered ${response.statusCode}`));
        });
      });
      sent.end(body);
    });

  return {
    micros: async () => (await ask<{ micros: number }>('cpu')).micros,
    bytes: async () => (await ask<{ bytes: number }>('memory')).bytes,
    revoke: () => ask<Position>('revoke'),
    /** Sends one report of each instance. */
    async report(at: Position, earlier: readonly Position[] = []): Promise<void> {
      const pauseMs = reportedAt + MIN_PAUSE_MS - performance.now();
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      let next = 0;
      const worker = async () => {
        while (next < INSTANCES) await send(next++, at, earlier);
      };
      await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
      reportedAt = performance.now();
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await child[Symbol.asyncDispose]();
    },
  };
}
