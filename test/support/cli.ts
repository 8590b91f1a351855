import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { secretOf } from './administration.ts';
import { inherited } from './process.ts';

const MAIN = fileURLToPath(new URL('../../packages/cli/src/main.js', import.meta.url));

/** The result of `rescind`, run as a process of its own whose streams are pipes. */
export interface CliRun {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `rescind` with this environment alone. @param input what it reads from standard input */
export function runRescind(
  parameters: readonly string[],
  environment: Readonly<Record<string, string>>,
  input = '',
): Promise<CliRun> {
  const { promise, resolve } = Promise.withResolvers<CliRun>();
  const child = spawn(process.execPath, [MAIN, ...parameters], {
    env: { ...inherited(), ...environment },
  });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text;
    });
  child.stdin.on('error', () => undefined).end(input);
  child.once('close', (exitCode) => resolve({ exitCode, ...texts }));
  return promise;
}

/** The environment of an operator of `openAdministered`. */
export function operatorEnvironment(
  { adminUrl, managementUrl }: { readonly adminUrl: string; readonly managementUrl: string },
  name = 'ada',
): Record<string, string> {
  return {
    RESCIND_SERVER: adminUrl,
    RESCIND_MANAGEMENT: managementUrl,
    RESCIND_OPERATOR: name,
    RESCIND_OPERATOR_SECRET: secretOf(name),
  };
}

/** Rows of a table that was written to a pipe, by the names of its columns. */
export function rowsOf(stdout: string): Record<string, string>[] {
  const [head = '', ...lines] = stdout.trimEnd().split('\n');
  const names = head.split('\t');
  return lines.map((line) => Object.fromEntries(line.split('\t').map((value, at) => [names[at] ?? '', value])));
}
