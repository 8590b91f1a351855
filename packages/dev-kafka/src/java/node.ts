import type { ChildProcess } from 'node:child_process';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Enough for tests and demos, several clusters to a machine; start-up wants the first compiler only. */
const JAVA = ['-Xms64m', '-Xmx320m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData'];

const LOGGING = `Configuration:
  Appenders: {Console: {name: STDOUT, PatternLayout: {pattern: "[%d] %p %m (%c)%n"}}}
  Loggers: {Root: {level: WARN, AppenderRef: [{ref: STDOUT}]}}
`;

const LOG_TAIL_LINES = 20;

/** One broker process. */
export interface JavaNode {
  /** The process, or undefined when it does not run. */
  readonly pid: number | undefined;
  /** Writes the storage's first files. */
  format(clusterId: string, formatArguments: readonly string[]): Promise<void>;
  spawn(): void;
  /** @throws Error with the end of its log, when the process has ended by itself */
  check(): void;
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

export function createJavaNode(jars: string, directory: string, properties: string): JavaNode {
  mkdirSync(directory, { recursive: true });
  const settings = join(directory, 'server.properties');
  const logging = join(directory, 'log4j2.yaml');
  const log = join(directory, 'broker.log');
  writeFileSync(settings, properties, { mode: 0o600 });
  writeFileSync(logging, LOGGING);
  const java = ['-cp', join(jars, '*'), `-Dlog4j2.configurationFile=${logging}`];
  let child: ChildProcess | undefined;

  return {
    get pid() {
      return child?.pid;
    },
    async format(clusterId, formatArguments) {
      const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', settings, ...formatArguments];
      await run('java', [...JAVA, ...java, ...format]).catch((error: unknown) => {
        throw new Error('Kafka could not format its storage', { cause: error });
      });
    },
    spawn() {
      const output = openSync(log, 'a');
      // Not of the terminal's group: Ctrl-C is for the parent, which stops its brokers itself.
      child = spawn('java', [...JAVA, ...java, 'kafka.Kafka', settings], {
        stdio: ['ignore', output, output],
        detached: true,
      });
      child.on('error', () => undefined);
      child.unref();
      closeSync(output);
    },
    check() {
      if (child === undefined || (child.exitCode === null && child.signalCode === null)) return;
      const tail = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
      throw new Error(`Kafka ended by itself (${child.exitCode ?? child.signalCode}); its last words:\n${tail}`);
    },
    signal(signal) {
      child?.kill(signal);
    },
    async kill() {
      const killed = child;
      child = undefined;
      if (killed === undefined || killed.exitCode !== null || killed.signalCode !== null) return;
      const gone = once(killed, 'exit');
      killed.ref();
      killed.kill('SIGKILL');
      await gone;
    },
  };
}
