import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import type { SigningKey } from '@rescind/token/signing';
import autocannon from 'autocannon';
import { startChild } from './child.ts';
import { newTokens } from './tokens.ts';

type Requests = Parameters<typeof autocannon>[0]['requests'];

/** A server in a process of its own, under load. */
export interface LoadedServer extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  /** The CPU it has used so far, in µs. */
  cpu(): Promise<number>;
}

/** The figures of one server in one round. */
interface Load {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

interface LoadOptions {
  readonly requests: Requests;
  /** In s. */
  readonly duration: number;
  readonly connections: number;
}

/**
 * Gives this process, which makes the load, the first core. Returns a core for servers, if there are two cores and `taskset`.
 */
export function separateCores(): number | undefined {
  const core = cpus().length - 1;
  const isPinned = core > 0 && spawnSync('taskset', ['-cp', '0', String(process.pid)]).status === 0;
  return isPinned ? core : undefined;
}

export const tokenRequests = (count: number, key: SigningKey): Requests =>
  newTokens(count, key).map((token) => ({ headers: { authorization: `Bearer ${token}` } }));

/** Starts a script of `processes` that prints its port, and its CPU on each line of input. */
export async function startLoadedServer(
  name: string,
  script: string,
  parameters: readonly string[],
  core: number | undefined,
  path = '/',
): Promise<LoadedServer> {
  const child = startChild(script, [...parameters], core);
  try {
    return {
      name,
      url: `http://127.0.0.1:${await child.line()}${path}`,
      async cpu() {
        child.send('');
        return Number(await child.line());
      },
      [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
    };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

/** @throws Error if a request was refused or failed */
export async function loadOnce({ name, url, cpu }: LoadedServer, options: LoadOptions): Promise<Load> {
  const before = await cpu();
  const result = await autocannon({ url, ...options });
  const used = (await cpu()) - before;
  const answered = result['2xx'];
  if (result.non2xx > 0 || result.errors > 0 || answered === 0) {
    throw new Error(`${name}: ${result.non2xx} refused, ${result.errors} failed, ${answered} answered`);
  }
  return { perSecond: answered / result.duration, cpuMicros: used / answered };
}
