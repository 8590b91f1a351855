import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { guardSockets } from '@rescind/guard/socket.io';
import { openTestKit } from '@rescind/guard/testing';
import { Server } from 'socket.io';
import type { Case } from '../case.ts';
import { residentMegabytes } from '../machine.ts';
import { spreadOf } from '../race.ts';

const CLIENTS = fileURLToPath(new URL('../processes/socket-clients.ts', import.meta.url));

/** Measures the resources of ten thousand guarded sockets, and the time in which all of them end. */
export const p14Sockets: Case = {
  id: 'P14-sockets',
  what: 'ten thousand sockets of Socket.IO: memory, CPU, and the end of all',
  pinned: false,
  async run({ quick, say }) {
    const count = quick ? 500 : 10_000;
    const idleMs = quick ? 1_000 : 10_000;
    say(`${count} guarded sockets …`);
    const guarded = await measure(count, idleMs);
    if (guarded.told !== count) throw new Error(`only ${guarded.told} of ${count} were told why they ended`);
    return {
      bars: [
        {
          what: `the longest turn of the event loop while ${count} sockets end, CPU time, ms`,
          figure: Math.max(...guarded.turnsMs),
          atMost: 50,
        },
      ],
      measured: [
        spreadOf('memory of the process for each socket, with its token', [guarded.kilobytes], 'kB'),
        spreadOf('a turn of the event loop while all end, CPU time', guarded.turnsMs, 'ms'),
        spreadOf(
          'pauses of the event loop while all end, p99, with the other processes of the machine',
          [guarded.pauseMs],
          'ms',
        ),
        spreadOf('a request to the same process while all end', guarded.requestsMs, 'ms'),
        spreadOf('the longest of these pauses', [guarded.longestPauseMs], 'ms'),
        spreadOf(`CPU of ${count} idle sockets`, [guarded.cpu], '% of a core'),
        spreadOf(
          `from the revocation of all ${count} until the last one is closed at its client`,
          [guarded.endMs],
          'ms',
        ),
      ],
      settings: { sockets: count, idleMs, transport: 'WebSocket, loopback' },
    };
  },
};

interface Measured {
  readonly kilobytes: number;
  readonly cpu: number;
  readonly endMs: number;
  /** CPU time of each turn of the event loop: other processes of the machine do not lengthen it. */
  readonly turnsMs: readonly number[];
  readonly pauseMs: number;
  readonly longestPauseMs: number;
  /** Of requests that were sent one after another while the sockets ended. */
  readonly requestsMs: readonly number[];
  readonly told: number;
}

async function measure(count: number, idleMs: number): Promise<Measured> {
  await using kit = openTestKit();
  const tokens = Array.from({ length: count }, (_, number) => kit.token({ sid: `s${number}`, sub: `u${number}` }));
  const http = createServer((_request, response) => void response.end('ok'));
  const io = new Server(http, { transports: ['websocket'] });
  guardSockets(io, kit.guard, { origins: [] });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const before = memory();
  const clients = spawn(process.execPath, [CLIENTS], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(clients.stdout)[Symbol.asyncIterator]();
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  clients.stdin.end([url, ...tokens].join('\n'));
  const { value: opened } = await lines.next();
  if (opened !== 'open') throw new Error('the clients could not connect');
  const kilobytes = ((memory() - before) * 1_000) / count;
  const start = process.cpuUsage();
  await delay(idleMs);
  const { user, system } = process.cpuUsage(start);
  const cpu = ((user + system) / 1_000 / idleMs) * 100;

  const pauses = monitorEventLoopDelay({ resolution: 1 });
  pauses.enable();
  const end = lines.next();
  const turns = measureTurns(end);
  const began = performance.now();
  kit.revoke({ claim: 'iss', value: 'https://issuer.test' });
  const requests = askUntil(end, url);
  const { value: closed } = await end;
  const endMs = performance.now() - began;
  pauses.disable();
  const requestsMs = await requests;
  const turnsMs = await turns;
  io.close();
  return {
    kilobytes,
    cpu,
    endMs,
    pauseMs: pauses.percentile(99) / 1e6,
    longestPauseMs: pauses.max / 1e6,
    requestsMs,
    turnsMs,
    told: Number(String(closed).split(' ')[1]),
  };
}

/** Sends one request after another until `end`. @returns how long each took, in ms */
async function askUntil(end: Promise<unknown>, url: string): Promise<number[]> {
  let isEnded = false;
  void end.then(() => {
    isEnded = true;
  });
  const took: number[] = [];
  while (!isEnded) {
    const began = performance.now();
    const response = await fetch(url);
    await response.text();
    took.push(performance.now() - began);
  }
  return took;
}

/** Measures every turn of the event loop until `end`. @returns the CPU time of each, in ms */
async function measureTurns(end: Promise<unknown>): Promise<number[]> {
  let isEnded = false;
  void end.then(() => {
    isEnded = true;
  });
  const took: number[] = [];
  let before = process.threadCpuUsage();
  while (!isEnded) {
    await nextTurn();
    const { user, system } = process.threadCpuUsage();
    took.push((user + system - before.user - before.system) / 1_000);
    before = { user, system };
  }
  return took;
}

function memory(): number {
  globalThis.gc?.();
  return residentMegabytes(process.pid);
}
