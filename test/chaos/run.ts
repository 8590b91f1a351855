import { setTimeout as delay } from 'node:timers/promises';
import type { Outcome } from './ledger.ts';
import { createLedger } from './ledger.ts';
import type { Invariant, Violation } from './oracle.ts';
import { createOracle } from './oracle.ts';
import type { FaultKind, Storm } from './schedule.ts';
import { FAULT_KINDS, planStorm } from './schedule.ts';
import type { Settled, SettleOptions } from './settle.ts';
import { checkLog, settle, sweep } from './settle.ts';
import type { Injection } from './storm.ts';
import { runStorm } from './storm.ts';
import { openTopicAccess, outboxLength, repeated } from './topic.ts';
import { openWatch, STATES } from './watch.ts';
import { createWorkload, OPERATIONS } from './workload.ts';
import { MAX_STALENESS_MS, openWorld } from './world.ts';

export interface RunOptions {
  readonly seed: number;
  readonly brokers: 1 | 3;
  readonly instances: number;
  readonly minutes: number;
  /** The run ends after the storm that reaches this number of kills, if its minutes are not over before. */
  readonly kills?: number | undefined;
  /** How many events the outbox gets before the first storm. Default 0. */
  readonly events?: number | undefined;
  /** The directory `services` of a tree with a mutant. */
  readonly services?: string | undefined;
  /** Instead of the storms of the seed: this one alone, once. */
  readonly storm?: Storm | undefined;
  /** The run ends at the first violation of this invariant. */
  readonly until?: Invariant | undefined;
  /** Whether the run ends as soon as this returns true. */
  readonly isOver: () => boolean;
  readonly log: (line: string) => void;
}

interface Round {
  readonly round: number;
  readonly startedAt: number;
  readonly kills: number;
  readonly settled: Settled;
  readonly unexpected: readonly string[];
  readonly violations: readonly Violation[];
}

/** The first round that failed, or the one that the end of the run has interrupted after a violation. */
interface Failure {
  readonly storm: Storm;
  /** How many events the outbox had when the storm began. */
  readonly events: number;
  /** The last log lines of each process. */
  readonly logs: Readonly<Record<string, readonly string[]>>;
}

export interface RunResult {
  readonly seed: number;
  readonly brokers: number;
  readonly instances: number;
  readonly minutes: number;
  readonly kills: number;
  readonly answers: number;
  readonly rounds: readonly Round[];
  readonly violations: readonly Violation[];
  /** Errors of the driver or of a check: what they concern is unknown. */
  readonly errors: readonly string[];
  readonly operations: Readonly<Record<string, Readonly<Record<Outcome, number>>>>;
  readonly faults: Readonly<
    Record<string, { readonly injected: number; readonly effective: number; readonly effects: number }>
  >;
  readonly states: Readonly<Record<string, number>>;
  readonly latencies: Readonly<Record<string, readonly number[]>>;
  readonly safety: 'green' | 'red' | 'unknown';
  readonly liveness: 'green' | 'red';
  /** What the run has not covered. */
  readonly uncovered: readonly string[];
  readonly failure: Failure | undefined;
}

/** The age at which the ledger forgets a token: before it expires (15 minutes), after which a refusal does not show whether it is revoked. */
const FORGOTTEN_MS = 9 * 60_000;
/** How many operations run at a time, and the pause of a lane between two. */
const LANES = 4;
const OPERATION_PAUSE_MS = 60;
/** How often outbox and topic are read at most until a read succeeds: the driver and its broker run on a busy machine, too. */
const READ_ATTEMPTS = 3;
/** After this time the log names what the fleet was waiting for. */
const LATE_MS = 5_000;
/** How many log lines of each process are kept of a round that failed. */
const KEPT_LINES = 2_000;

/** Runs storms until the time is over, each with healing and settling. The oracle checks every answer meanwhile. */
export async function run(options: RunOptions): Promise<RunResult> {
  const { seed, log } = options;
  const began = performance.now();
  const now = () => performance.now() - began;
  const errors: string[] = [];
  const violations: Violation[] = [];
  const failed = (error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    errors.push(text);
    log(`a check failed: ${text}`);
  };
  const oracle = createOracle({
    maxStalenessMs: MAX_STALENESS_MS,
    slackMs: 1_000,
    violated(violation) {
      violations.push(violation);
      log(`VIOLATION ${violation.invariant}: ${violation.detail}`);
    },
  });
  const ledger = createLedger();
  const injections: Injection[] = [];
  const world = await openWorld({ ...options, services: options.services, oracle, now, log });
  const topic = openTopicAccess(world.broker.brokers, world.fleet.topic);
  const watch = openWatch({ world, ledger, oracle, now, seed, injections, failed });
  const workload = createWorkload({ world, ledger, oracle, now, seed, revoked: watch.revoked });
  let isStorm = false;
  let isOver = false;
  const lanes = Array.from({ length: LANES }, async () => {
    while (!isOver) {
      if (isStorm) await workload.step();
      await delay(OPERATION_PAUSE_MS);
    }
  }).map((lane) => lane.catch(failed));

  const isOverEarly = () => options.isOver() || violations.some(({ invariant }) => invariant === options.until);
  const { kills: mostKills = Number.POSITIVE_INFINITY } = options;
  const rounds: Round[] = [];
  let failure: Failure | undefined;
  const toFailure = (storm: Storm, events: number): Failure => {
    const logs = world.nodes.map(({ process }) => [process.name, process.lines.slice(-KEPT_LINES)] as const);
    return { storm, events, logs: Object.fromEntries(logs) };
  };
  try {
    await workload.fillOutbox(options.events ?? 0);
    const startedAt = now();
    const parts: SettleOptions = { world, ledger, oracle, watch, workload, now };
    const known = new Map<string, readonly number[]>();
    for (let round = 0; ; round += 1) {
      const isTimeOver = now() - startedAt > options.minutes * 60_000;
      const isEnough = options.storm === undefined ? isTimeOver || killsOf(injections) >= mostKills : round > 0;
      if (isEnough || isOverEarly()) break;
      const storm = options.storm ?? planStorm(options, round);
      const events = outboxLength(world.issuer.database);
      const before = { violations: violations.length, injections: injections.length, at: now() };
      isStorm = true;
      const epoch = () => watch.epoch;
      await runStorm(storm, { world, topic, ledger, oracle, now, epoch, log, injections, isOver: isOverEarly });
      isStorm = false;
      if (isOverEarly()) {
        if (violations.length > before.violations) failure ??= toFailure(storm, events);
        break;
      }
      const settled = await settle(parts);
      const unexpected = 'ms' in settled ? await sweep(parts) : [];
      oracle.restoring(false);
      const isTopicKept = !injections.slice(before.injections).some(({ kind }) => kind.startsWith('topic-'));
      await repeated(READ_ATTEMPTS, () => checkLog(parts, topic, known, isTopicKept), log).catch(failed);
      ledger.forget(now() - FORGOTTEN_MS);
      const added = violations.slice(before.violations);
      const kills = injections
        .slice(before.injections)
        .filter(({ kind, effects }) => kind === 'kill' && effects > 0).length;
      const result = { round, startedAt: before.at, kills, settled, unexpected, violations: added };
      rounds.push(result);
      if (added.length > 0 || unexpected.length > 0 || 'missing' in settled) failure ??= toFailure(storm, events);
      log(describe(result, killsOf(injections)));
    }
  } catch (error) {
    failed(error);
  } finally {
    isOver = true;
    await Promise.all([...lanes, watch.stop()]);
    await world.close().catch(failed);
  }
  const faults = summaryOf(injections);
  const states = Object.fromEntries(watch.states);
  const isLive = rounds.every(({ settled, unexpected }) => 'ms' in settled && unexpected.length === 0);
  return {
    seed,
    brokers: options.brokers,
    instances: options.instances,
    minutes: now() / 60_000,
    kills: killsOf(injections),
    answers: watch.answers,
    rounds,
    violations,
    errors,
    operations: ledger.operations,
    faults,
    states,
    latencies: Object.fromEntries(watch.latencies),
    safety: violations.length > 0 ? 'red' : errors.length > 0 || rounds.length === 0 ? 'unknown' : 'green',
    liveness: isLive && rounds.length > 0 ? 'green' : 'red',
    uncovered: uncoveredOf(faults, ledger.operations, states),
    failure,
  };
}

const killsOf = (injections: readonly Injection[]) =>
  injections.filter(({ kind, effects }) => kind === 'kill' && effects > 0).length;

function describe({ round, settled, unexpected, violations }: Round, kills: number): string {
  const late = 'ms' in settled && settled.ms > LATE_MS ? `; last: ${settled.last}` : '';
  const end = 'ms' in settled ? `settled in ${Math.round(settled.ms)} ms${late}` : `NOT SETTLED: ${settled.missing}`;
  const rest = unexpected.length > 0 ? `; UNEXPECTED: ${unexpected.slice(0, 3).join('; ')}` : '';
  return `round ${round}: ${kills} kills so far, ${violations.length} violations, ${end}${rest}`;
}

function summaryOf(injections: readonly Injection[]): RunResult['faults'] {
  return Object.fromEntries(
    FAULT_KINDS.map((kind: FaultKind) => {
      const ofKind = injections.filter((injection) => injection.kind === kind);
      const effective = ofKind.filter(({ effects }) => effects > 0).length;
      return [
        kind,
        { injected: ofKind.length, effective, effects: ofKind.reduce((sum, { effects }) => sum + effects, 0) },
      ];
    }),
  );
}

/** A fault without effect, an operation that never succeeded and a state that was never reached prove nothing. */
function uncoveredOf(
  faults: RunResult['faults'],
  operations: RunResult['operations'],
  states: RunResult['states'],
): string[] {
  return [
    ...FAULT_KINDS.filter((kind) => (faults[kind]?.effective ?? 0) === 0).map((kind) => `fault ${kind}`),
    ...OPERATIONS.filter((name) => (operations[name]?.ok ?? 0) === 0).map((name) => `operation ${name}`),
    ...STATES.filter((state) => (states[state] ?? 0) === 0).map((state) => `state ${state}`),
  ];
}
