import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CliError } from './errors.ts';

/** The services of this project, by the name of their package. */
export const SERVICES = ['user-management', 'gate', 'prices', 'orders'] as const;

/**
 * The main file of a service: of one that is installed beside this package, or of the given path.
 * @throws CliError `service_missing`
 */
export function findMain(service: string, mainPath: string | undefined): string {
  const path = mainPath ?? installedMain(service);
  if (path !== undefined && existsSync(path)) return path;
  throw new CliError('usage', 'service_missing', `The main file of ${service} was not found`, {
    next: 'name it by --main PATH',
  });
}

function installedMain(service: string): string | undefined {
  try {
    return join(dirname(fileURLToPath(import.meta.resolve(`@rescind/${service}`))), 'main.js');
  } catch {
    return undefined;
  }
}

export interface ServiceRun {
  /** Null: ended by a signal. */
  readonly exitCode: number | null;
  /** The lines of its log that are JSON. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  /** Lines that are no JSON, such as a crash of Node.js. */
  readonly rest: string;
}

/** Runs `node <main> <command>` with this environment alone. Its credentials stay in the environment, not in arguments. */
export function runService(
  main: string,
  parameters: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<ServiceRun> {
  const { promise, resolve, reject } = Promise.withResolvers<ServiceRun>();
  const child = spawn(process.execPath, [main, ...parameters], {
    env: { ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const take = (chunk: string) => {
    text += chunk;
  };
  child.stdout.setEncoding('utf8').on('data', take);
  child.stderr.setEncoding('utf8').on('data', take);
  child.once('error', reject);
  child.once('close', (exitCode) => {
    const lines: Readonly<Record<string, unknown>>[] = [];
    const rest: string[] = [];
    for (const line of text.split('\n')) {
      const parsed = parseLine(line);
      if (parsed !== undefined) lines.push(parsed);
      else if (line !== '') rest.push(line);
    }
    resolve({ exitCode, lines, rest: rest.join('\n') });
  });
  return promise;
}

/** Undefined: it is no line of the log, such as one of a crash, or one that was cut. */
function parseLine(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}
