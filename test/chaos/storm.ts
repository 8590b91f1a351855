import { spawn } from 'node:child_process';
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { canFailDisk, failDisk } from './disk.ts';
import type { Ledger } from './ledger.ts';
import type { Node } from './node.ts';
import type { Oracle } from './oracle.ts';
import type { Fault, FaultKind, Storm } from './schedule.ts';
import type { TopicAccess } from './topic.ts';
import type { World } from './world.ts';

/** A fault that was injected. */
export interface Injection {
  readonly kind: FaultKind;
  /** The name of the process, or `kafka`. */
  readonly target: string;
  /** Monotonic ms of the driver. */
  readonly from: number;
  /** When it had ended; null: it lasts. */
  to: number | null;
  /** How often it had an effect: processes killed, calls that failed, connections cut, … */
  effects: number;
}

export interface StormOptions {
  readonly world: World;
  readonly topic: TopicAccess;
  readonly ledger: Ledger;
  readonly oracle: Oracle;
  readonly now: () => number;
  /** The epoch of the issuer, as far as it is known. */
  readonly epoch: () => string;
  readonly log: (line: string) => void;
  readonly injections: Injection[];
  /** Whether the storm ends early. */
  readonly isOver: () => boolean;
}

/** A fault that lasts: `end` undoes it, and has no effect when nothing is left to undo. */
interface Begun {
  readonly end: () => Promise<void>;
}

const NOTHING: Begun = { end: async () => undefined };
/** How long a restore may take, with its repetitions. */
const RESTORE_LIMIT_MS = 90_000;

/** Injects the faults of a storm at their times, and ends them: each after its time, and all that last at the end of the storm. */
export async function runStorm(storm: Storm, options: StormOptions): Promise<void> {
  const { now, log, injections, world } = options;
  const startedAt = now();
  const inject = createInjector(options);
  if (storm.faults.some(({ kind }) => kind === 'restore')) await backup(world);
  const ends = new Map<number, () => Promise<void>>();
  const running = storm.faults.map(async (fault, index) => {
    await delay(Math.max(0, startedAt + fault.at - now()));
    const node = processOf(fault, world);
    while (node?.isUp === false && fault.amount !== 1 && now() < startedAt + storm.forMs) await delay(20);
    if (now() > startedAt + storm.forMs) return;
    const injection: Injection = { kind: fault.kind, target: nameOf(fault, world), from: now(), to: null, effects: 0 };
    injections.push(injection);
    let ended: Promise<void> | undefined;
    try {
      const { end } = await inject(fault, injection);
      ends.set(index, () => {
        ended ??= end().finally(() => {
          injection.to = now();
        });
        return ended;
      });
      await delay(Math.min(fault.forMs, Math.max(0, startedAt + storm.forMs - now())));
      if (now() < startedAt + storm.forMs) await ends.get(index)?.();
    } catch (error) {
      injection.to = now();
      log(`${fault.kind} of ${injection.target}: ${String(error).split('\n')[0]}`);
    }
  });
  while (now() < startedAt + storm.forMs && !options.isOver()) await delay(50);
  // In the order of the plan, and not in that in which they began: a fleet must converge in any order.
  for (const index of storm.healing)
    await ends
      .get(index)?.()
      .catch((error: unknown) => log(String(error)));
  await Promise.all(running);
  await Promise.all([...ends.values()].map((end) => end().catch(() => undefined)));
  await world.broker.start().catch((error: unknown) => log(String(error)));
  for (const node of world.nodes) {
    node.setLinks('up');
    node.resume();
  }
  await Promise.all(world.nodes.map((node) => node.up()));
}

const nameOf = ({ kind, target }: Fault, { nodes }: World): string => {
  if (kind.endsWith('-broker')) return `kafka-${target}`;
  if (kind.startsWith('topic') || kind === 'rubbish') return 'kafka';
  return nodes[target]?.process.name ?? '?';
};

/** The process that a fault disturbs; undefined: it is one of Kafka. */
const processOf = ({ kind, target }: Fault, { nodes }: World): Node | undefined =>
  kind.endsWith('-broker') || kind.startsWith('topic') || kind === 'rubbish' || kind === 'restore'
    ? undefined
    : nodes[target];

function createInjector({ world, topic, ledger, oracle, now, epoch, log }: StormOptions) {
  const { broker, fleet } = world;
  let brokers: Promise<void> = Promise.resolve();
  const changeBroker = (work: () => Promise<void>) => {
    const done = brokers.then(work);
    brokers = done.catch(() => undefined);
    return done;
  };

  async function failWrites(node: Node, kind: FaultKind, injection: Injection): Promise<Begun> {
    const error = kind === 'disk-full' ? 'ENOSPC' : 'EROFS';
    const report = join(world.directory, `strace-${Math.round(now())}-${node.process.name}`);
    const pid = node.process.pid();
    if (pid === undefined || node.failing !== undefined || !canFailDisk) return NOTHING;
    node.failing = await failDisk(pid, node.database, error, report);
    const { failing } = node;
    return {
      async end() {
        if (failing === undefined) return;
        if (node.failing === failing) node.failing = undefined;
        injection.effects += await failing.stop();
        rmSync(report, { force: true });
      },
    };
  }

  function disturbLinks({ kind, amount }: Fault, node: Node, injection: Injection): Begun {
    const before = node.linkEffects();
    node.setLinks(kind === 'slow' ? { slowMs: amount } : kind === 'cut' ? 'cut' : 'silence');
    return {
      async end() {
        node.setLinks('up');
        injection.effects += node.linkEffects() - before;
      },
    };
  }

  function setClock(node: Node, amount: number, injection: Injection): Begun {
    node.setClock(amount);
    if (node.isUp) injection.effects += 1;
    return { end: async () => node.setClock(0) };
  }

  const restore = (injection: Injection) =>
    world.issuer.whileDown(async () => {
      oracle.restoring(true);
      ledger.restored(now());
      for (const suffix of ['', '-wal', '-shm']) rmSync(world.issuer.database + suffix, { force: true });
      copyFileSync(backupOf(world), world.issuer.database);
      const end = now() + RESTORE_LIMIT_MS;
      while (now() < end && injection.effects === 0) {
        const { status, output } = await runRestore(world);
        if (status === 0) injection.effects += 1;
        else {
          log(`restore ended with ${status}: ${output.slice(-300)}`);
          await delay(1_000);
        }
      }
    });

  async function disturbBroker({ kind, target }: Fault, injection: Injection): Promise<Begun> {
    const isKill = kind === 'kill-broker';
    await changeBroker(() => (isKill ? broker.stop(target) : broker.pause(target)));
    injection.effects += 1;
    return { end: () => changeBroker(() => (isKill ? broker.start(target) : broker.resume(target))) };
  }

  return async (fault: Fault, injection: Injection): Promise<Begun> => {
    const { kind, target, amount, forMs } = fault;
    if (kind === 'kill-broker' || kind === 'freeze-broker') return disturbBroker(fault, injection);
    if (kind === 'rubbish') {
      await topic.writeRubbish(amount, fleet.issuer.url, epoch());
      injection.effects += amount;
      return NOTHING;
    }
    if (kind === 'topic-deleted') {
      await topic.remove();
      injection.effects += 1;
      return NOTHING;
    }
    if (kind === 'topic-truncated') {
      injection.effects += await topic.truncate();
      return NOTHING;
    }
    const node = world.nodes[target] ?? world.issuer;
    if (kind === 'restore') {
      await restore(injection);
      return NOTHING;
    }
    if (kind === 'kill') {
      if (await node.kill(forMs)) injection.effects += 1;
      return NOTHING;
    }
    if (kind === 'disk-full' || kind === 'read-only') return failWrites(node, kind, injection);
    if (kind === 'clock') return setClock(node, amount, injection);
    if (kind !== 'freeze') return disturbLinks(fault, node, injection);
    if (node.freeze()) injection.effects += 1;
    return { end: async () => node.resume() };
  };
}

const backupOf = ({ directory }: World) => join(directory, 'backup.sqlite');

async function backup(world: World): Promise<void> {
  rmSync(backupOf(world), { force: true });
  const database = new Database(world.issuer.database, { readonly: true });
  try {
    await database.backup(backupOf(world));
  } finally {
    database.close();
  }
}

/** Runs `restore` of user-management. */
async function runRestore({ issuer }: World): Promise<{ status: number | null; output: string }> {
  const { main, environment } = issuer.process;
  const child = spawn(process.execPath, [main, 'restore'], {
    env: { PATH: process.env.PATH, ...environment, PORT: '0', MANAGEMENT_PORT: '0', ADMIN_PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RESTORE_LIMIT_MS,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  }
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, output };
}
