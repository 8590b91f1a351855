import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Where the processes keep compiled code and stripped types: a start then takes half the CPU time. */
const COMPILE_CACHE = fileURLToPath(new URL('../../../node_modules/.cache/rescind-compile', import.meta.url));

/** One line of a service's log: JSON, as pino writes it. */
export type LogLine = Readonly<Record<string, unknown>>;

export interface ServiceOptions {
  /** The folder under services/. */
  readonly service: string;
  /** The main file. Default: the service's own. */
  readonly main?: string | undefined;
  /** Its name in messages, such as `prices-2`. */
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly port: number;
  readonly managementPort: number;
  /** Port of the administration, if the service has one. */
  readonly adminPort?: number | undefined;
  /** Called with the process id at each start. */
  readonly started: (pid: number) => void;
  /** Called with the process id when that process has ended: the system may give the id to another process. */
  readonly ended: (pid: number) => void;
}

/** A service as a process. Ports and files stay the same when it is started again. */
export interface ServiceProcess {
  readonly name: string;
  readonly service: string;
  /** Public address, without a slash at the end. */
  readonly url: string;
  readonly managementUrl: string;
  /** Address of the administration; undefined: the service has none. */
  readonly adminUrl: string | undefined;
  /** The main file. A change takes effect at the next start. */
  main: string;
  /** Its variables. A change takes effect at the next start. */
  readonly environment: Record<string, string>;
  /** All log lines since the first start. */
  readonly lines: readonly string[];
  /** The process id; undefined: it does not run. */
  pid(): number | undefined;
  /** Starts it. Resolves when it listens, before it is ready. @throws Error with the end of its log when it exits */
  start(): Promise<void>;
  /** Resolves when /readyz answers 200. @throws Error after `deadlineMs` (default 30 000) */
  ready(deadlineMs?: number): Promise<void>;
  /** The present response of /readyz; status 0 without a response within 10 s. */
  health(): Promise<{ readonly status: number; readonly body: HealthBody }>;
  /** Sends a signal (default SIGTERM). Resolves with the exit code when the process has ended. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** Freezes the process (SIGSTOP). */
  pause(): void;
  resume(): void;
  /** The first line with this `event` (or message), from index `from` on. */
  line(event: string, from?: number): LogLine | undefined;
}

export interface HealthBody {
  readonly status?: string;
  readonly checks?: readonly Readonly<Record<string, unknown> & { name: string; status: string }>[];
}

const SERVICES = fileURLToPath(new URL('../../../services/', import.meta.url));
/** A service starts in half a second; on two busy cores it takes longer. */
const LISTEN_LIMIT_MS = 30_000;
/** Long enough for a process that stands still for seconds on a busy machine: one that has ended refuses the connection at once. */
const HEALTH_LIMIT_MS = 10_000;

export function createServiceProcess(options: ServiceOptions): ServiceProcess {
  const { service, name, port, managementPort, adminPort, main = `${SERVICES}${service}/src/main.js` } = options;
  const environment: Record<string, string> = { ...options.environment };
  const lines: string[] = [];
  let child: ChildProcess | undefined;
  let ended: Promise<unknown> = Promise.resolve();

  const url = `http://127.0.0.1:${port}`;
  const managementUrl = `http://127.0.0.1:${managementPort}`;
  const adminUrl = adminPort === undefined ? undefined : `http://127.0.0.1:${adminPort}`;
  const tail = () => lines.slice(-15).join('\n');

  const line = (event: string, from = 0): LogLine | undefined => {
    for (const text of lines.slice(from)) {
      const parsed = parseLine(text);
      if (parsed?.event === event || parsed?.msg === event) return parsed;
    }
    return undefined;
  };

  const health = async () => {
    try {
      const response = await fetch(`${managementUrl}/readyz`, { signal: AbortSignal.timeout(HEALTH_LIMIT_MS) });
      return { status: response.status, body: (await response.json()) as HealthBody };
    } catch {
      return { status: 0, body: {} };
    }
  };

  return {
    name,
    service,
    url,
    managementUrl,
    adminUrl,
    main,
    environment,
    lines,
    line,
    health,
    pid: () => child?.pid,
    async start() {
      if (child !== undefined) throw new Error(`${name} runs already`);
      const from = lines.length;
      const started = spawn(process.execPath, [this.main], {
        env: {
          PATH: process.env.PATH,
          NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? COMPILE_CACHE,
          ...environment,
          PORT: String(port),
          MANAGEMENT_PORT: String(managementPort),
          ...(adminPort === undefined ? {} : { ADMIN_PORT: String(adminPort) }),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child = started;
      ended = once(started, 'close').then(() => {
        if (child === started) child = undefined;
        if (started.pid !== undefined) options.ended(started.pid);
      });
      for (const stream of [started.stdout, started.stderr]) {
        createInterface({ input: stream }).on('line', (text) => void lines.push(text));
      }
      if (started.pid !== undefined) options.started(started.pid);
      await until(
        `${name} listens`,
        () => line('listening', from) !== undefined,
        LISTEN_LIMIT_MS,
        () => {
          if (child !== started) throw new Error(`${name} ended at start:\n${tail()}`);
        },
      );
    },
    async ready(deadlineMs = 30_000) {
      const running = child;
      let last: unknown;
      const isReady = async () => {
        const answer = await health();
        last = answer.body;
        return answer.status === 200;
      };
      try {
        await until(`${name} is ready`, isReady, deadlineMs, () => {
          if (child !== running || running === undefined) throw new Error(`${name} has ended`);
        });
      } catch (error) {
        throw new Error(`${name} is not ready: ${JSON.stringify(last)}\n${tail()}`, { cause: error });
      }
    },
    async stop(signal = 'SIGTERM') {
      const running = child;
      if (running === undefined) return null;
      running.kill(signal);
      if (signal !== 'SIGKILL') running.kill('SIGCONT');
      await ended;
      return running.exitCode;
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
  };
}

function parseLine(text: string): LogLine | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as LogLine) : undefined;
  } catch {
    return undefined;
  }
}

/** Polls the condition every 20 ms. @throws Error after the deadline, or the error of `check` */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs: number,
  check: () => void = () => undefined,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await condition())) {
    check();
    if (performance.now() > end) throw new Error(`waited ${deadlineMs} ms until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
