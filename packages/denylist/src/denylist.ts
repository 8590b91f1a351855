import type { EpochMillis, HealthCheck, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { mergeRows, UNBOUNDED } from '@rescind/revocation/cut-off';
import type { Find } from '@rescind/revocation/judge';
import type { LogChange, LogState, Quarantined } from '@rescind/revocation/log-state';
import { METRICS } from '@rescind/revocation/metrics';
import { createWalLimit } from '@rescind/revocation/storage';
import type { Database } from 'better-sqlite3';
import type { Digests } from './digest.ts';
import { createFileAccess, createFileWatch, sqliteCodeOf } from './file-access.ts';
import { createLogStates } from './log-states.ts';
import { createMemory, createRowCache, createRowCounts } from './memory.ts';
import { createPendingWrites } from './pending-writes.ts';
import { MAX_WAL_BYTES } from './schema.ts';
import type { Changes, RowKey } from './table.ts';
import { createTable } from './table.ts';

/**
 * The denylist of one process: cut-offs in a SQLite file, with the position in each log they stand for. Everything is
 * synchronous. What cannot be read throws RescindError `denylist_unreadable`, what cannot be written
 * `denylist_unwritable`; neither leaves half a change in the file.
 *
 * A change is enforced first and durable later: `enforce` denies from memory, `flush` writes. The file never vouches for more
 * than it holds, since rows and position are written by the same transaction.
 */
export interface Denylist extends Find, AsyncDisposable {
  /** The claims of the rows of this issuer, in the file or pending. Reads memory, allocates nothing. */
  names(iss: string): readonly string[];
  /**
   * The row of this key: that of the file, merged with the pending one. Memory answers that there is none, in some 0.1 µs; the file
   * returns a row. With more rows than `maxMemoryEntries`, and for a moment after the start, each call reads the file (some 5 to
   * 10 µs). While the file cannot be read, a pending row that nothing can exceed is returned.
   */
  row(iss: string, claim: string, value: string): CutOffRow | undefined;

  /** The stored state of a log, or undefined. */
  load(log: string): LogState | undefined;
  /** The quarantined events of a log in the file, in order. */
  quarantined(log: string): readonly Quarantined[];
  /**
   * Enforces the change from this call on, whatever the disk does. The change is pending until it is in the file.
   * @throws RescindError `denylist_unwritable` only when the denylist is closed
   */
  enforce(change: LogChange): void;
  /**
   * Writes all pending changes in one transaction. If that fails they stay pending and enforced, and the position in the file stays
   * with the rows in the file.
   * @throws RescindError `denylist_unwritable`
   */
  flush(): void;
  /** How many rows are enforced and not yet in the file. A quarantined event counts as a hundred. */
  pendingRows(): number;
  /** `enforce`, then `flush`. */
  commit(change: LogChange): void;

  /** A document stored beside the rows, such as a key set. */
  read(name: string): string | undefined;
  /** Stores a document under this name, in place of the former one. */
  write(name: string, text: string): void;

  /**
   * Removes rows of these issuers whose `expiresAt` lies before a time, never one that is to stay for good. Examines
   * 100 000 rows, or a 32nd of the table if that is more. The next call continues there: call it once a minute.
   * @param before log time in the file less the tolerance, ms
   * @param most the greatest number of rows removed at once (default 10 000): a longer pause would be felt
   * @returns how many were removed from the file; call again soon when it is `most`
   */
  prune(issuers: readonly string[], before: EpochMillis, most?: number): number;
  /**
   * Drops pending rows of these issuers whose `expiresAt` lies before a time: a row that denies no token any more need not reach
   * the file.
   * @param before log time of the follower less the tolerance, ms
   */
  prunePending(issuers: readonly string[], before: EpochMillis): void;

  /** How many rows the file has. */
  count(): number;
  /** How many rows the file has of each claim. */
  countByClaim(): Record<string, number>;

  /**
   * The check `denylist`: how many rows the file has and how many are pending, whether `memory` or the `file` answers look-ups, and
   * any fault of the file.
   */
  health(): HealthCheck[];
  /** Writes pending changes if possible. Others are logged, and the log delivers them again. Idempotent. */
  close(): void;
}

export interface DenylistParts {
  readonly database: Database;
  /** A descriptor of the file, to read its pages. `release` closes it. */
  readonly file: number;
  /** Of its file. */
  readonly digests: Digests;
  /** The name under which a damaged file was moved away at the start, if one was. */
  readonly damaged: string | null;
  readonly telemetry: Telemetry;
  readonly maxMemoryEntries: number;
  /** Gives the lock and the descriptor back, when SQLite has closed the file. */
  release(): void;
}

/** 10 000 rows are removed in some 50 ms. */
const MAX_PRUNED = 10_000;
/** Rows examined by one call: some 10 ms. */
const PRUNE_RANGE = 100_000;
/** After so many calls every row has been examined, however large the table. */
const PRUNE_CALLS = 32;

/** How often the write-ahead log is measured, in ms. */
const WAL_EVERY_MS = 1_000;

/** So many rows in one commit are a catch-up: one event seldom has more than a few. */
const CATCH_UP_ROWS = 100;

/** So many commits of a catch-up that move rows write some 4 MB to the write-ahead log. */
const MOVES_PER_CHECKPOINT = 2;

const MAX_COLLISIONS = 1_000;

const NOTHING: Changes = { added: [], changed: [], removed: [] };

const LABELS: ReadonlySet<string> = new Set(METRICS.rescind_denylist_entries.labels.claim);

/** The label of a claim: a cut-off may be by any claim, a metric has bounded labels. */
function metricLabel(claim: string): string {
  return LABELS.has(claim) ? claim : 'other';
}

export function createDenylist(parts: DenylistParts): Denylist {
  const { database, file, digests, damaged, telemetry, maxMemoryEntries, release } = parts;
  const table = createTable(database, digests.rows);
  const logStates = createLogStates(database, digests.logs);
  const rowCounts = createRowCounts(table.countRows());
  const memory = createMemory({ table, most: maxMemoryEntries, telemetry, count: rowCounts.count });
  const rowCache = createRowCache();
  const pending = createPendingWrites();
  const wal = createWalLimit({ database, maxBytes: MAX_WAL_BYTES, gauge: 'rescind_denylist_wal_bytes', telemetry });
  const watch = createFileWatch(database, telemetry);
  const timer = setInterval(() => {
    wal.enforce();
    watch.check();
    access.retry();
  }, WAL_EVERY_MS).unref();
  const access = createFileAccess({ database, file, digests, watch, rolledBack });
  const { read: reading } = access;
  function rolledBack(): void {
    logStates.rolledBack();
    table.rolledBack();
  }
  /** Keys of which memory has the fingerprint, and the file, compared with its digests, no row. */
  const collisions = new Set<string>();

  function writing(work: () => Changes): Changes {
    const changes = access.write(work);
    const touched = rowCounts.committed(changes);
    rowCache.committed(changes);
    memory.committed(changes);
    reportCounts(touched);
    return changes;
  }

  function reportCounts(claims: Iterable<string>): void {
    const counts: Record<string, number> = {};
    for (const [claim, rows] of Object.entries(rowCounts.countByClaim()))
      counts[metricLabel(claim)] = (counts[metricLabel(claim)] ?? 0) + rows;
    for (const claim of new Set([...claims].map(metricLabel)))
      telemetry.gauge('rescind_denylist_entries', counts[claim] ?? 0, { claim });
  }
  reportCounts(Object.keys(rowCounts.countByClaim()));

  function row(iss: string, claim: string, value: string): CutOffRow | undefined {
    const pendingRow = pending.find(iss, claim, value);
    return pendingRow === undefined ? rowOfFile(iss, claim, value) : withRowOfFile(pendingRow);
  }

  function withRowOfFile(pendingRow: CutOffRow): CutOffRow {
    try {
      const held = rowOfFile(pendingRow.iss, pendingRow.claim, pendingRow.value);
      return held === undefined ? pendingRow : mergeRows(held, pendingRow);
    } catch (error) {
      // A row of the file denies no more than this.
      if (pendingRow.issuedUntil === UNBOUNDED) return pendingRow;
      throw error;
    }
  }

  /** Called at each look-up. The two arrays are joined again only when one of them has been replaced. */
  const joined = new Map<string, { held: readonly string[]; pending: readonly string[]; all: readonly string[] }>();
  function names(iss: string): readonly string[] {
    const pendingNames = pending.names(iss);
    const held = rowCounts.names(iss);
    if (pendingNames.length === 0) return held;
    const known = joined.get(iss);
    if (known?.held === held && known.pending === pendingNames) return known.all;
    const all = [...new Set([...held, ...pendingNames])];
    joined.set(iss, { held, pending: pendingNames, all });
    return all;
  }

  function rowOfFile(iss: string, claim: string, value: string): CutOffRow | undefined {
    if (memory.excludes(iss, claim, value)) return undefined;
    const known = database.open ? rowCache.find(iss, claim, value) : undefined;
    if (known !== undefined) return known;
    const read = reading(() => table.row(iss, claim, value));
    if (read !== undefined) rowCache.put(read);
    else if (memory.lookups() === 'memory') expectCollision(iss, claim, value);
    return read;
  }

  /**
   * Memory has the fingerprint of a key, and the file has no row of it: two keys of one fingerprint, or a file that has lost a
   * row. The whole file is compared (0.5 s for a million rows), once for each key. A client cannot choose a collision.
   * @throws RescindError `denylist_unreadable` for a file that differs from its digests
   */
  function expectCollision(iss: string, claim: string, value: string): void {
    const key = JSON.stringify([iss, claim, value]);
    if (collisions.has(key)) return;
    access.compare();
    if (collisions.size >= MAX_COLLISIONS) collisions.clear();
    collisions.add(key);
  }

  /** Not while memory is being filled: it would find them twice, or not at all. */
  function moveSome(anyway: boolean): void {
    if (memory.lookups() === 'filling' || !table.moveSome(anyway)) return;
    moves += 1;
    if (moves % MOVES_PER_CHECKPOINT === 0) setImmediate(checkpoint);
  }
  let moves = 0;

  /**
   * Copies the write-ahead log into the file, in a turn of its own: with the commit it would be one long pause. If it fails, the next one
   * copies more.
   */
  function checkpoint(): void {
    if (!database.open || database.inTransaction) return;
    try {
      database.pragma('wal_checkpoint(PASSIVE)');
    } catch (error) {
      watch.note(error);
    }
  }

  const mayHold = ({ iss, claim, value }: RowKey) => !memory.excludes(iss, claim, value);

  /** The next start then finds all rows in order. Rows that cannot be moved are as durable where they are. */
  function moveAll(): void {
    try {
      access.write(() => {
        table.moveAll();
        return NOTHING;
      });
    } catch (error) {
      telemetry.log('warn', 'denylist_rows_not_moved', { error: sqliteCodeOf(error) });
    }
  }

  function enforce(change: LogChange): void {
    if (!database.open) throw new RescindError('denylist_unwritable', { detail: 'closed' });
    pending.add(change);
  }

  function flush(): void {
    if (pending.isEmpty()) return;
    const rows = [...pending.rows()];
    writing(() => {
      for (const change of pending.logs()) logStates.apply(change);
      // A single event must not wait for it.
      moveSome(rows.length === 0);
      return table.apply(rows, mayHold, rows.length >= CATCH_UP_ROWS);
    });
    pending.clear();
  }

  /** The log delivers again what is lost with this process: the position in the file is before it. */
  function flushLast(): void {
    try {
      flush();
    } catch (error) {
      telemetry.log('warn', 'denylist_closed_with_pending_rows', { rows: pending.count(), error: sqliteCodeOf(error) });
      pending.clear();
    }
  }

  function close(): void {
    if (!database.open) return;
    clearInterval(timer);
    flushLast();
    memory.close();
    moveAll();
    database.close();
    release();
  }

  function health(): HealthCheck {
    const { failure } = access;
    const error = database.open ? failure.read || failure.write : 'closed';
    const fault = watch.fault();
    const overLimit = wal.overLimit();
    const details = {
      entries: rowCounts.count(),
      pendingRows: pending.count(),
      lookups: memory.lookups(),
      ...(damaged !== null && { replaced: damaged }),
      ...(fault !== undefined && { fault }),
      ...(error !== '' && { error }),
      ...overLimit,
    };
    if (!database.open || failure.read !== '' || !watch.isTrusted())
      return { name: 'denylist', status: 'fail', ...details };
    // A damaged file means that the disk must be examined, although its rows have been fetched again.
    const isSound = failure.write === '' && damaged === null && overLimit === undefined && fault === undefined;
    return { name: 'denylist', status: isSound ? 'pass' : 'warn', ...details };
  }

  return {
    names,
    row,
    load: (log) => reading(() => logStates.load(log)),
    quarantined: (log) => reading(() => logStates.quarantined(log)),
    enforce,
    flush,
    pendingRows: pending.count,
    commit(change) {
      enforce(change);
      flush();
    },
    read: (name) => reading(() => logStates.read(name)),
    write(name, text) {
      writing(() => {
        logStates.write(name, text);
        return NOTHING;
      });
    },
    prune(issuers, before, most = MAX_PRUNED) {
      const range = Math.max(PRUNE_RANGE, Math.ceil(rowCounts.count() / PRUNE_CALLS));
      return writing(() => {
        moveSome(true);
        const removed: RowKey[] = [];
        for (const iss of new Set(issuers)) removed.push(...table.remove(iss, before, most - removed.length, range));
        return { ...NOTHING, removed };
      }).removed.length;
    },
    prunePending: pending.prune,
    count: rowCounts.count,
    countByClaim: rowCounts.countByClaim,
    health: () => [health()],
    close,
    async [Symbol.asyncDispose]() {
      close();
    },
  };
}
