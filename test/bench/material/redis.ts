import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { CLAIMS } from './plain-tables.ts';
import { newId } from './rows.ts';

/** A Redis of this bench alone, on a socket in its directory. */
export interface BenchRedis extends AsyncDisposable {
  readonly socket: string;
  /** CPU it has used so far, in µs. */
  cpu(): number;
}

const FILL = 10_000;
/** Of `/proc/<pid>/stat`: a tick is 10 ms on every Linux. */
const TICK_MICROS = 10_000;

/** Undefined where there is no redis-server. */
export async function openRedis(directory: string, entries: number): Promise<BenchRedis | undefined> {
  if (spawnSync('redis-server', ['--version']).status !== 0) return undefined;
  const socket = join(directory, 'redis.sock');
  const options = ['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no', '--dir', directory];
  const server = spawn('redis-server', options, { stdio: 'ignore' });
  while (!existsSync(socket)) {
    if (server.exitCode !== null) throw new Error(`redis-server ended with ${server.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await fill(socket, entries);
  return { socket, cpu: () => cpuOf(server), [Symbol.asyncDispose]: () => end(server) };
}

async function fill(socket: string, entries: number): Promise<void> {
  const redis = new Redis({ path: socket });
  for (let from = 0; from < entries; from += FILL) {
    const names = Array.from({ length: FILL }, (_, at) => `${at % 100 < 3 ? CLAIMS[at % 3] : 'sid'}:${newId()}`);
    await redis.mset(names.flatMap((name) => [name, '1']));
  }
  redis.disconnect();
}

function cpuOf({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
}

async function end(server: ChildProcess): Promise<void> {
  const ended = once(server, 'exit');
  server.kill();
  await ended;
}
