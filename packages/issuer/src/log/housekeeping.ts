import { readOwnEvent } from '@rescind/feed';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import type { Store } from '../store/store.ts';
import type { Transactions, Unit } from '../transactions.ts';

/** Keeps the log and the tables no longer than they are needed for. */
export interface Housekeeping {
  /** Does what is due; cheap when nothing is. */
  run(): Promise<void>;
}

interface HousekeepingOptions {
  readonly store: Store;
  readonly transactions: Transactions;
  readonly now: () => EpochMillis;
  readonly eventRetentionMs: DurationMs;
}

/** Of one transaction: a signature takes a millisecond, and nobody else writes meanwhile. */
const MAX_ROWS_AT_ONCE = 100;
/** A few milliseconds of reading; a million sessions are gone through in a few hours. */
const SESSIONS_AT_ONCE = 5_000;
/** No policy lets a lost answer be asked for again after it. */
const LONGEST_GRACE_MS: DurationMs = 60_000;
/** Of the tables nobody waits for. */
const TABLES_EVERY_MS: DurationMs = 60_000;

export function createHousekeeping({ store, transactions, now, ...lengths }: HousekeepingOptions): Housekeeping {
  let tablesDoneAt: EpochMillis = 0;
  /** How far through the sessions the last piece came. */
  let sweptTo = '';

  /** A row below this E denies nothing any more: no reader takes its tokens. */
  const deadBefore = (at: EpochMillis) => at - CLOCK_TOLERANCE_MS;
  const staleBefore = (at: EpochMillis) => at - lengths.eventRetentionMs / 2;

  async function isLogDue(at: EpochMillis): Promise<boolean> {
    const bottom = await store.read.outbox.bottom();
    return bottom !== undefined && (bottom.expiresAt <= deadBefore(at) || bottom.appendedAt < staleBefore(at));
  }

  /** From the bottom only: what is dead goes; what has been there too long goes to the head, so that it pins no floor. */
  /**
   * What is deleted at a time stays dead only if the clock never shows an earlier one: a wall clock that was ahead across
   * a restart and is set back would let a token of a forgotten row look alive.
   */
  async function timeOfSweep(unit: Unit): Promise<EpochMillis> {
    const at = unit.now();
    await unit.store.meta.raiseClockFloor(at);
    return at;
  }

  async function sweepLog(unit: Unit): Promise<void> {
    const { meta, outbox } = unit.store;
    const at = await timeOfSweep(unit);
    for (let rows = 0; rows < MAX_ROWS_AT_ONCE; rows += 1) {
      const row = await outbox.bottom();
      if (row === undefined) break;
      if (row.expiresAt > deadBefore(at)) {
        if (row.appendedAt >= staleBefore(at)) break;
        unit.append(readOwnEvent(row.jws));
      }
      await outbox.delete(row.seq);
    }
    await unit.flush();
    const head = (await meta.identity())?.head ?? 0;
    await meta.moveFloor((await outbox.lowestLive(deadBefore(at))) ?? head + 1);
  }

  async function sweepTables(unit: Unit): Promise<void> {
    const { revocations, sessions, clients } = unit.store;
    const at = await timeOfSweep(unit);
    await revocations.prune(deadBefore(at));
    await clients.pruneAssertions(deadBefore(at));
    sweptTo = await sessions.sweep(sweptTo, SESSIONS_AT_ONCE, deadBefore(at), at - LONGEST_GRACE_MS);
  }

  return {
    async run() {
      const at = now();
      if (await isLogDue(at)) await transactions.run(sweepLog);
      if (Math.abs(at - tablesDoneAt) < TABLES_EVERY_MS) return;
      tablesDoneAt = at;
      await transactions.run(sweepTables);
    },
  };
}
