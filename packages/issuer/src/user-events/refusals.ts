import type { Clock, DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { RefusedUserEvent } from '../issuer-user-events.ts';
import { toOrigin } from '../session/login.ts';
import type { NewUserEvent } from '../store/user-events.ts';
import type { Transactions } from '../transactions.ts';
import type { UserEventRecorder } from './recorder.ts';

/** Refusals that wait to be written. */
export interface Refusals {
  /** @see IssuerUserEvents.refused */
  add(refusal: RefusedUserEvent): void;
  /** Writes what is due, in one transaction. Without anything due it begins none. */
  flush(): Promise<void>;
  /** Writes everything. */
  close(): Promise<void>;
}

interface RefusalsOptions {
  readonly transactions: Pick<Transactions, 'run'>;
  readonly recorder: UserEventRecorder;
  readonly now: () => EpochMillis;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

const MINUTE_MS: DurationMs = 60_000;
const DAY_MS: DurationMs = 24 * 60 * MINUTE_MS;

/** How many rows may begin in a minute and in a day. */
interface RowLimit {
  readonly minute: number;
  readonly day: number;
}

/**
 * Rows with an origin: some 10 MB a day. Those without a user have a limit of their own, and one user and one address cannot use up a
 * day, so that a flood of guessed names, or of one stranger, displaces no event of another user.
 */
const DETAILED = {
  user: { minute: 10, day: 1_000 },
  address: { minute: 20, day: 2_000 },
  noUser: { minute: 20, day: 5_000 },
  all: { minute: 120, day: 20_000 },
} as const;
/**
 * Rows without an origin: what exceeds the limits above is one row for each user, code and minute; what exceeds this one is one row for
 * each code and minute, without a user. So every refusal is in the `count` of a row. Some 5 MB a day.
 */
const SUMMARIES: RowLimit = { minute: 60, day: 10_000 };
/** Rows that wait while they cannot be written: memory. */
const MAX_WAITING = 5_000;
/** Rows of one transaction: a few ms. */
const MAX_AT_ONCE = 200;
const MAX_DEVICE_NAME_LENGTH = 128;

/** Equal refusals of a minute. */
interface Entry {
  readonly event: Omit<NewUserEvent, 'at' | 'lastAt' | 'count'>;
  /** Monotonic: when another entry begins. */
  readonly until: DurationMs;
  /** Those that have not been written. */
  at: EpochMillis;
  lastAt: EpochMillis;
  count: number;
  isFirst: boolean;
}

/** The limit by which a refusal is dropped, or that its write has failed: a label of the metric. */
type Dropped = 'user' | 'address' | 'no_user' | 'minute' | 'day' | 'failed';

/**
 * Coalesces refusals: the first of a kind is written within a second, those of the rest of the minute as one row after it. What cannot be
 * written, because the storage fails, waits.
 */
export function createRefusals({ transactions, recorder, now, clock, telemetry }: RefusalsOptions): Refusals {
  const entries = new Map<string, Entry>();
  const minute = createWindow(MINUTE_MS, clock);
  const day = createWindow(DAY_MS, clock);
  /** Rows that are due. A failed write leaves them for the next one. */
  let waiting: NewUserEvent[] = [];
  let isClosed = false;

  const drop = (reason: Dropped, count = 1) => telemetry.count('rescind_user_events_dropped_total', { reason }, count);

  /** The limit that is reached; undefined: none, and the row counts. */
  function take(limits: readonly (readonly [reason: Dropped, key: string, limit: RowLimit])[]): Dropped | undefined {
    for (const [reason, key, limit] of limits) {
      if (day.taken(key) >= limit.day) return reason === 'minute' ? 'day' : reason;
      if (minute.taken(key) >= limit.minute) return reason;
    }
    for (const [, key] of limits) {
      day.take(key);
      minute.take(key);
    }
    return undefined;
  }

  function takeDetailed({ sub, address }: Entry['event']): Dropped | undefined {
    return take([
      ['minute', 'all', DETAILED.all],
      sub === null ? ['no_user', 'none', DETAILED.noUser] : ['user', `sub ${sub}`, DETAILED.user],
      ...(address === null ? [] : [['address', `address ${address}`, DETAILED.address] as const]),
    ]);
  }

  /** Counts a refusal in its present entry. @returns false: there is none */
  function addToPresent(key: string, at: EpochMillis): boolean {
    const entry = entries.get(key);
    if (entry === undefined || clock.monotonic() >= entry.until) return false;
    if (entry.count === 0) entry.at = at;
    entry.lastAt = at;
    entry.count += 1;
    return true;
  }

  function begin(key: string, event: Entry['event'], at: EpochMillis, isFirst: boolean): void {
    const former = entries.get(key);
    if (former === undefined && entries.size + waiting.length >= MAX_WAITING) {
      drop('failed');
      return;
    }
    const left = former?.count ?? 0;
    const begunAt = former !== undefined && left > 0 ? former.at : at;
    entries.set(key, {
      ...{ event, until: clock.monotonic() + MINUTE_MS, isFirst },
      ...{ at: begunAt, lastAt: at, count: left + 1 },
    });
  }

  /** Counts a refusal that gets no row of its own in the row of its user, or in that of its code. */
  function summarize({ type, code, sub }: Entry['event'], at: EpochMillis): void {
    for (const of of sub === null ? [null] : [sub, null]) {
      const event = { ...NO_DETAIL, type, code, sub: of };
      const key = JSON.stringify(['summary', type, code, of]);
      if (addToPresent(key, at)) return;
      if (of !== null && take([['minute', 'summaries', SUMMARIES]]) !== undefined) continue;
      begin(key, event, at, false);
      return;
    }
  }

  /** Takes what is due out of the entries. */
  function due(isClosing: boolean): NewUserEvent[] {
    const rows: NewUserEvent[] = [];
    for (const [key, entry] of entries) {
      const isOver = isClosing || clock.monotonic() >= entry.until;
      if (entry.count > 0 && (entry.isFirst || isOver)) {
        const { event, at, lastAt, count } = entry;
        rows.push({ ...event, at, lastAt, count });
        Object.assign(entry, { count: 0, isFirst: false });
      }
      if (isOver) entries.delete(key);
    }
    return rows;
  }

  async function write(isClosing: boolean): Promise<void> {
    waiting.push(...due(isClosing));
    while (waiting.length > 0) {
      const rows = waiting.slice(0, MAX_AT_ONCE);
      waiting = waiting.slice(MAX_AT_ONCE);
      try {
        await transactions.run(async (tx) => {
          for (const row of rows) await recorder.write(tx, row);
        });
      } catch (error) {
        // A failure of the storage ends; rows that cannot be written at all must not hold up the others.
        if (error instanceof RescindError && !isClosed) waiting = [...rows, ...waiting];
        else for (const { count } of rows) drop('failed', count);
        throw error;
      }
    }
  }

  return {
    add({ origin, deviceName, ...refusal }) {
      const { type, code, sub = null, sid = null, clientId = null, reason = null } = refusal;
      const members = { type, code, sub, sid, clientId, reason, ...toOrigin(origin) };
      const name = deviceName?.toWellFormed().slice(0, MAX_DEVICE_NAME_LENGTH) ?? null;
      const event = { ...members, deviceName: name, actor: null, txn: null };
      const key = JSON.stringify(Object.values(event));
      const at = now();
      if (isClosed) return drop('failed');
      if (addToPresent(key, at)) return;
      const reached = takeDetailed(event);
      if (reached === undefined) return begin(key, event, at, true);
      drop(reached);
      summarize(event, at);
    },
    flush: () => write(false),
    async close() {
      try {
        await write(true);
      } catch {
        for (const { count } of waiting) drop('failed', count);
        waiting = [];
      }
      isClosed = true;
    },
  };
}

const NO_DETAIL = {
  ...{ sid: null, clientId: null, reason: null, actor: null, txn: null },
  ...{ address: null, userAgent: null, deviceName: null },
} as const;

/** Counts by key within a window of time. */
function createWindow(lengthMs: DurationMs, clock: Clock) {
  const counts = new Map<string, number>();
  let until = 0;
  const present = () => {
    if (clock.monotonic() >= until) {
      counts.clear();
      until = clock.monotonic() + lengthMs;
    }
    return counts;
  };
  return {
    taken: (key: string) => present().get(key) ?? 0,
    take: (key: string) => void present().set(key, (present().get(key) ?? 0) + 1),
  };
}
