import type { Clock, DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import type { RefusedUserEvent } from '../issuer-user-events.ts';
import { toOrigin } from '../session/login.ts';
import type { NewUserEvent } from '../store/user-events.ts';
import type { Transactions } from '../transactions.ts';
import type { UserEventRecorder } from './recorder.ts';

/** Refusals that wait to be written. */
export interface Refusals {
  /** @see IssuerUserEvents.refused */
  add(refusal: RefusedUserEvent): void;
  /** Writes what is due, in one small transaction; cheap when nothing is. */
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
/** Rows that begin in a minute. Those without a user have a limit of their own, so that guessed names displace no event of a user. */
const MOST_OF_USER = 10;
const MOST_OF_ADDRESS = 20;
const MOST_WITHOUT_USER = 20;
const MOST_IN_A_MINUTE = 120;
/** Rows that begin in a day: some 10 MB. In 30 days a flood that never ends fills some 300 MB. */
const MOST_IN_A_DAY = 20_000;

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

type Dropped = 'user' | 'address' | 'no_user' | 'minute' | 'day' | 'failed';

/** Coalesces refusals: the first of a kind is written within a second, those of the rest of the minute as one row after it. */
export function createRefusals({ transactions, recorder, now, clock, telemetry }: RefusalsOptions): Refusals {
  const entries = new Map<string, Entry>();
  const minute = createWindow(MINUTE_MS, clock);
  const day = createWindow(DAY_MS, clock);

  const drop = (reason: Dropped, count = 1) => telemetry.count('rescind_user_events_dropped_total', { reason }, count);

  /** The limit that is reached; undefined: none, and the row counts. */
  function take({ sub, address }: Entry['event']): Dropped | undefined {
    const inMinute: readonly (readonly [Dropped, string, number])[] = [
      ['minute', '', MOST_IN_A_MINUTE],
      sub === null ? ['no_user', 'none', MOST_WITHOUT_USER] : ['user', `sub ${sub}`, MOST_OF_USER],
      ...(address === null ? [] : [['address', `address ${address}`, MOST_OF_ADDRESS] as const]),
    ];
    if (day.taken('') >= MOST_IN_A_DAY) return 'day';
    const reached = inMinute.find(([, key, most]) => minute.taken(key) >= most);
    if (reached !== undefined) return reached[0];
    day.take('');
    for (const [, key] of inMinute) minute.take(key);
    return undefined;
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
    const rows = due(isClosing);
    if (rows.length === 0) return;
    try {
      await transactions.run(async (tx) => {
        for (const row of rows) await recorder.record(tx, row);
      });
    } catch (error) {
      for (const { count } of rows) drop('failed', count);
      throw error;
    }
  }

  return {
    add({ origin, deviceName, ...refusal }) {
      const { type, code, sub = null, sid = null, clientId = null, reason = null } = refusal;
      const members = { type, code, sub, sid, clientId, reason, ...toOrigin(origin), deviceName: deviceName ?? null };
      const event = { ...members, actor: null, txn: null };
      const key = JSON.stringify(Object.values(event));
      const [at, monotonic] = [now(), clock.monotonic()];
      const entry = entries.get(key);
      if (entry !== undefined && monotonic < entry.until) {
        if (entry.count === 0) entry.at = at;
        entry.lastAt = at;
        entry.count += 1;
        return;
      }
      const reached = take(event);
      if (reached !== undefined) return drop(reached);
      const left = entry?.count ?? 0;
      entries.set(key, {
        event,
        until: monotonic + MINUTE_MS,
        at: left > 0 && entry ? entry.at : at,
        lastAt: at,
        count: left + 1,
        isFirst: true,
      });
    },
    flush: () => write(false),
    async close() {
      try {
        await write(true);
      } catch {
        // They were counted.
      }
    },
  };
}

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
