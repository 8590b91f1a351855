import { readOwnEvent } from '@rescind/feed/event';
import type { DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS, RescindError } from '@rescind/revocation';
import type { KeyScheduler } from '../keys/scheduler.ts';
import type { ReadOnlyLatch } from '../storage.ts';

import type { Session } from '../store/sessions.ts';
import type { Store } from '../store/store.ts';
import type { Transaction } from '../transaction.ts';
import type { Transactions } from '../transactions.ts';
import type { UserEventRecorder } from '../user-events/recorder.ts';
import { eventMembersOf, isOfUser } from '../user-events/recorder.ts';

export interface Maintenance {
  /** The last error, or null. */
  lastError(): string | null;
  /** Resolves when no maintenance runs any more. */
  close(): Promise<void>;
}

interface MaintenanceOptions {
  /** Tries to write again what could not be written. */
  readonly probe: () => Promise<void>;
  /** Sets the gauges that only change with time. */
  readonly measure: () => Promise<void>;
  readonly housekeeping: Housekeeping;
  readonly scheduler: KeyScheduler;
  readonly latch: ReadOnlyLatch;
  /** Whether the comparison of the clocks is pending: nothing is due until it is done. */
  readonly isTimeAwaited: () => boolean;
  readonly telemetry: Telemetry;
}

const EVERY_MS: DurationMs = 1_000;

/** Runs cleanup and key rotation every second; key rotation also at the start. A failure is reported in health, and retried. */
export async function openMaintenance({
  housekeeping,
  scheduler,
  probe,
  measure,
  latch,
  isTimeAwaited,
  telemetry,
}: MaintenanceOptions): Promise<Maintenance> {
  let lastError: string | null = null;
  let isClosing = false;

  async function attempt(work: () => void | Promise<void>): Promise<string | null> {
    try {
      await work();
      return null;
    } catch (error) {
      // Writes are refused while the issuer closes: the next start does what is left.
      if (isClosing && error instanceof RescindError && error.code === 'stopping') return null;
      const reason = error instanceof Error ? error.message : String(error);
      telemetry.count('rescind_housekeeping_failures_total');
      if (lastError === null) telemetry.log('error', 'housekeeping_failed', { error: reason });
      return reason;
    }
  }

  async function keep(...works: (() => Promise<void>)[]): Promise<void> {
    if (latch.refusing() !== null || isTimeAwaited()) return;
    const errors: (string | null)[] = [];
    for (const work of works) errors.push(await attempt(work));
    lastError = errors.find((error) => error !== null) ?? null;
  }

  async function tryToWrite(): Promise<void> {
    try {
      await probe();
    } catch {
      // The failed write was counted, and health reports it.
    }
  }

  async function run(...works: (() => Promise<void>)[]): Promise<void> {
    await keep(...works);
    await attempt(measure);
  }

  await run(scheduler.run);
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    // No run starts while the previous one has not ended.
    running ??= (async () => {
      try {
        await tryToWrite();
        await run(housekeeping.run, scheduler.run);
      } finally {
        running = undefined;
      }
    })();
  }, EVERY_MS);
  return {
    lastError: () => lastError,
    async close() {
      isClosing = true;
      clearInterval(timer);
      await running;
    },
  };
}

/** Keeps the log and the tables no longer than they are needed for. */
interface Housekeeping {
  /** Does what is due; cheap when nothing is. */
  run(): Promise<void>;
}

interface HousekeepingOptions {
  readonly store: Store;
  readonly transactions: Transactions;
  readonly now: () => EpochMillis;
  readonly recorder: UserEventRecorder;
  readonly eventRetentionMs: DurationMs;
  readonly userEventRetentionMs: DurationMs;
  readonly refreshRecoveryMs: DurationMs;
}

/** The most rows of one transaction: a signature takes a millisecond, and other writers wait meanwhile. */
const MAX_ROWS_AT_ONCE = 100;
/** Sessions that one sweep reads, in a few ms. A million sessions take a few hours. */
const SESSIONS_AT_ONCE = 5_000;
/** The most events of users that are deleted in a second, which takes a few ms: 17 million a day. */
const USER_EVENTS_AT_ONCE = 200;
/** The longest grace that a policy allows for a retry. */
const LONGEST_GRACE_MS: DurationMs = 60_000;
/** The interval of sweeps of the tables, which are not urgent. */
const TABLES_EVERY_MS: DurationMs = 60_000;

export function createHousekeeping({
  store,
  transactions,
  recorder,
  now,
  ...lengths
}: HousekeepingOptions): Housekeeping {
  let tablesDoneAt: EpochMillis = 0;
  /** Where the next sweep continues: after this sid. */
  let sweptTo = '';

  /** A row whose E is at or below this denies nothing any more: no reader accepts its tokens. */
  const deadBefore = (at: EpochMillis) => at - CLOCK_TOLERANCE_MS;
  const staleBefore = (at: EpochMillis) => at - lengths.eventRetentionMs / 2;

  async function isLogDue(at: EpochMillis): Promise<boolean> {
    const lowest = await store.read.outbox.lowest();
    return lowest !== undefined && (lowest.expiresAt <= deadBefore(at) || lowest.appendedAt < staleBefore(at));
  }

  /**
   * The time of a sweep. Tokens of deleted rows stay expired only if the clock never shows an earlier time: after a wall clock that was ahead across
   * a restart has been set back, such a token would be valid again.
   */
  async function timeOfSweep(tx: Transaction): Promise<EpochMillis> {
    const at = tx.now();
    await tx.store.meta.raiseClockFloor(at);
    return at;
  }

  async function sweepLog(tx: Transaction): Promise<void> {
    const { meta, outbox } = tx.store;
    const at = await timeOfSweep(tx);
    for (let rows = 0; rows < MAX_ROWS_AT_ONCE; rows += 1) {
      const row = await outbox.lowest();
      if (row === undefined) break;
      if (row.expiresAt > deadBefore(at)) {
        if (row.appendedAt >= staleBefore(at)) break;
        tx.append(readOwnEvent(row.jws));
      }
      await outbox.delete(row.seq);
    }
    await tx.flush();
    const head = (await meta.identity())?.head ?? 0;
    await meta.moveFloor((await outbox.lowestLive(deadBefore(at))) ?? head + 1);
  }

  async function sweepTables(tx: Transaction): Promise<void> {
    const { revocations, sessions, clients } = tx.store;
    const at = await timeOfSweep(tx);
    await revocations.prune(deadBefore(at));
    await clients.pruneAssertions(deadBefore(at));
    const sealedBefore = at - Math.max(LONGEST_GRACE_MS, lengths.refreshRecoveryMs);
    for (const session of await sessions.lapsed(sweptTo, SESSIONS_AT_ONCE, deadBefore(at))) {
      await recordExpiry(tx, session);
    }
    sweptTo = await sessions.sweep(sweptTo, SESSIONS_AT_ONCE, deadBefore(at), sealedBefore);
  }

  /** Records the end of a session that has timed out: at the time of its deadline, once the session is forgotten. */
  async function recordExpiry(tx: Transaction, session: Session): Promise<void> {
    if (!isOfUser(session)) return;
    const { idleExpiresAt, absoluteExpiresAt } = session;
    const reason = idleExpiresAt < absoluteExpiresAt ? 'idle_timeout' : 'expired';
    const at = Math.min(idleExpiresAt, absoluteExpiresAt);
    await recorder.record(tx, { type: 'session_ended', at, reason, actor: 'expiry', ...eventMembersOf(session) });
  }

  async function pruneUserEvents(at: EpochMillis): Promise<void> {
    const before = at - lengths.userEventRetentionMs;
    const oldest = await store.read.userEvents.oldestAt();
    if (oldest === undefined || oldest >= before) return;
    await transactions.run((tx) => tx.store.userEvents.prune(before, USER_EVENTS_AT_ONCE));
  }

  return {
    async run() {
      const at = now();
      if (await isLogDue(at)) await transactions.run(sweepLog);
      await pruneUserEvents(at);
      if (Math.abs(at - tablesDoneAt) < TABLES_EVERY_MS) return;
      tablesDoneAt = at;
      await transactions.run(sweepTables);
    },
  };
}
