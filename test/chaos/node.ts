import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceProcess } from '@rescind/dev-fleet';
import type { FailingDisk } from './disk.ts';
import type { Link, LinkState } from './links.ts';

/** A process of the fleet, with everything that a fault can do to it. A supervisor starts it again whenever it has ended. */
export interface Node {
  readonly process: ServiceProcess;
  /** Its SQLite file. */
  readonly database: string;
  /** How often it has ended. */
  readonly endings: number;
  /** Whether it listens and is not frozen. */
  readonly isUp: boolean;
  /** Kills it (SIGKILL), also while it starts; it is started again after `downMs`. Resolves with whether there was a process. */
  kill(downMs: number): Promise<boolean>;
  /** Kills it and runs `work` before it is started again. */
  whileDown(work: () => Promise<void>): Promise<void>;
  /** Starts it for the first time, and again from now on. Resolves when it listens. */
  supervise(): Promise<void>;
  /** Resolves when it listens. */
  up(): Promise<void>;
  /** Suspends it (SIGSTOP). @returns false: there is no process */
  freeze(): boolean;
  resume(): void;
  setLinks(state: LinkState): void;
  /** How many connections and chunks a fault of its links has concerned. */
  linkEffects(): number;
  /** What its disk fails with at present. */
  failing: FailingDisk | undefined;
  /** Sets its wall clock wrong by so many ms. */
  setClock(offsetMs: number): void;
  /** Whether its wall clock is behind (-1) or ahead (1), or was until a moment ago; 0: neither. */
  clockError(): -1 | 0 | 1;
  close(): Promise<void>;
}

interface NodeOptions {
  readonly process: ServiceProcess;
  readonly links: readonly Link[];
  readonly clockFile: string;
  readonly database: string;
  readonly now: () => number;
  /** Called when it stops to run: killed, or frozen. */
  readonly stopped: () => void;
  /** Called when the process is gone. */
  readonly ended: () => void;
  /** Called when it begins to run: started, or resumed. */
  readonly runs: () => void;
  /** Called when a start has failed that no fault has interrupted. */
  readonly failedStart: (error: unknown) => void;
}

/** How often the state of the process is looked at. */
const POLL_MS = 20;
/** How long after a change of its clock a process may still show what it has made of the former one. */
const CLOCK_MS = 2_000;

export function createNode(options: NodeOptions): Node {
  const { process, links, now } = options;
  let endings = 0;
  let kills = 0;
  let isFrozen = false;
  let isClosed = false;
  let isListening = false;
  /** How many calls of `whileDown` keep it from being started. */
  let holders = 0;
  let downUntil = 0;
  let supervisor: Promise<void> | undefined;
  const clock = { error: 0 as -1 | 0 | 1, until: 0 };

  async function start(): Promise<void> {
    const before = kills;
    options.runs();
    try {
      await process.start();
      isListening = true;
    } catch (error) {
      // A start that was killed has failed for this reason.
      if (before === kills && !isClosed) options.failedStart(error);
      await end();
    }
  }

  async function end(): Promise<void> {
    options.stopped();
    isListening = false;
    await process.stop('SIGKILL');
    isFrozen = false;
    endings += 1;
    options.ended();
  }

  async function superviseAlways(): Promise<void> {
    while (!isClosed) {
      if (process.pid() === undefined && holders === 0 && now() >= downUntil) await start();
      else await delay(POLL_MS);
    }
  }

  async function kill(downMs: number): Promise<boolean> {
    const ran = process.pid() !== undefined;
    kills += 1;
    downUntil = Math.max(downUntil, now() + downMs);
    await end();
    return ran;
  }

  async function up(): Promise<void> {
    while (!isClosed && !(isListening && process.pid() !== undefined)) await delay(POLL_MS);
  }

  return {
    process,
    database: options.database,
    failing: undefined,
    setClock(offsetMs) {
      writeFileSync(options.clockFile, String(offsetMs));
      if (offsetMs === 0) clock.until = now() + CLOCK_MS;
      else Object.assign(clock, { error: Math.sign(offsetMs), until: Number.POSITIVE_INFINITY });
    },
    clockError: () => (now() < clock.until ? clock.error : 0),
    get endings() {
      return endings;
    },
    get isUp() {
      return isListening && process.pid() !== undefined && !isFrozen;
    },
    kill,
    async whileDown(work) {
      holders += 1;
      try {
        await kill(0);
        while (process.pid() !== undefined) await delay(POLL_MS);
        await work();
      } finally {
        holders -= 1;
      }
    },
    async supervise() {
      supervisor ??= superviseAlways();
      await up();
    },
    up,
    freeze() {
      if (process.pid() === undefined) return false;
      process.pause();
      isFrozen = true;
      options.stopped();
      return true;
    },
    resume() {
      if (!isFrozen) return;
      isFrozen = false;
      if (process.pid() !== undefined) options.runs();
      process.resume();
    },
    setLinks(state) {
      for (const link of links) link.set(state);
    },
    linkEffects: () => links.reduce((sum, link) => sum + link.effects, 0),
    async close() {
      isClosed = true;
      await process.stop('SIGKILL');
      await supervisor;
      for (const link of links) link.close();
    },
  };
}
