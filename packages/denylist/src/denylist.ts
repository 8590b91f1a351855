import type {
  Cutoff,
  EpochMillis,
  Find,
  HealthCheck,
  LogChange,
  LogState,
  Quarantined,
  Telemetry,
} from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Database } from 'better-sqlite3';
import { createCensus } from './census.ts';
import { createLogs } from './logs.ts';
import type { Memory } from './memory.ts';
import { createMemory } from './memory.ts';
import { createRecent } from './recent.ts';
import type { Changes, RowKey } from './table.ts';
import { createTable } from './table.ts';

/**
 * The denylist of one process: cut-offs in a SQLite file, with the position in each log they stand for. Everything is
 * synchronous. What cannot be read throws RescindError `denylist_unreadable`, what cannot be written
 * `denylist_unwritable`; neither leaves half a change behind.
 */
export interface Denylist extends Find, AsyncDisposable {
  /** The claims that some row of this issuer is about. From memory, allocating nothing; never ahead of the file. */
  names(iss: string): readonly string[];
  /**
   * The row of this key. That there is none is said from memory, in some 0.1 µs; one that there is comes from the file. With
   * more rows than `maxMemoryEntries`, and for a moment after the start, the file is asked each time (some 5 to 10 µs).
   */
  row(iss: string, claim: string, value: string): Cutoff | undefined;

  /** What was last committed of a log, or undefined. */
  load(log: string): LogState | undefined;
  /** The events of a log that are kept aside, in order. */
  quarantined(log: string): readonly Quarantined[];
  /** Merges the rows, keeps the state and the quarantine: all in one transaction, or nothing. */
  commit(change: LogChange): void;

  /** A text kept beside the rows, such as a key set. */
  read(name: string): string | undefined;
  write(name: string, text: string): void;

  /**
   * Removes rows of these issuers whose `expiresAt` lies before a time, never one that is to stay for good. Looks at 100 000
   * rows, or a 32nd of the table if that is more, and goes on from there at the next call: call it once a minute.
   * @param before log time less the tolerance, ms
   * @param most the greatest number of rows removed at once (default 10 000): a longer pause would be felt
   * @returns how many were removed; call again soon when it is `most`
   */
  prune(issuers: readonly string[], before: EpochMillis, most?: number): number;

  /** How many rows there are. */
  count(): number;
  /** How many rows there are of each claim. */
  countByClaim(): Record<string, number>;

  /** `denylist`: its rows, whether look-ups are answered by `memory` or the `file`, and what is wrong with it. */
  health(): HealthCheck[];
  /** Idempotent. */
  close(): void;
}

export interface DenylistParts {
  readonly database: Database;
  /** The name of the file that was set aside at the start, if one was. */
  readonly damaged: string | null;
  readonly telemetry: Telemetry;
  readonly maxMemoryEntries: number;
  /** Gives the lock back, when the file has been closed. */
  release(): void;
}

/** 10 000 rows are removed in some 50 ms. */
const PRUNE_MOST = 10_000;
/** So many rows are looked at in some 10 ms. */
const PRUNE_STRETCH = 100_000;
/** However large the table: after so many calls every row has been looked at. */
const PRUNE_CALLS = 32;

/** So many rows in one commit are a catch-up: one event seldom has more than a few. */
const CATCH_UP_ROWS = 100;

const NOTHING: Changes = { added: [], changed: [], removed: [] };

export function createDenylist(parts: DenylistParts): Denylist {
  const { database, damaged, telemetry, maxMemoryEntries, release } = parts;
  const table = createTable(database);
  const logs = createLogs(database);
  const census = createCensus(table.tally());
  const memory = createMemory({ table, most: maxMemoryEntries, telemetry, count: census.count });
  const recent = createRecent();
  const selectDocument = database.prepare<[string], string>('SELECT text FROM document WHERE name = ?').pluck();
  const saveDocument = database.prepare<[string, string]>('INSERT OR REPLACE INTO document (name, text) VALUES (?, ?)');
  const inTransaction = database.transaction((work: () => Changes) => work());
  const trouble = { read: '', write: '' };

  function reading<T>(work: () => T): T {
    try {
      const answer = work();
      trouble.read = '';
      return answer;
    } catch (cause) {
      trouble.read = codeOf(cause);
      throw new RescindError('denylist_unreadable', { detail: trouble.read, cause });
    }
  }

  function writing(work: () => Changes): Changes {
    let changes: Changes;
    try {
      changes = inTransaction.immediate(work);
      trouble.write = '';
    } catch (cause) {
      trouble.write = codeOf(cause);
      if (database.open) table.rolledBack();
      throw new RescindError('denylist_unwritable', { detail: trouble.write, cause });
    }
    const touched = census.committed(changes);
    recent.committed(changes);
    memory.committed(changes);
    tell(touched);
    return changes;
  }

  function tell(claims: Iterable<string>): void {
    const counts = census.countByClaim();
    for (const claim of claims) telemetry.gauge('rescind_denylist_entries', counts[claim] ?? 0, { claim });
  }
  tell(Object.keys(census.countByClaim()));

  function row(iss: string, claim: string, value: string): Cutoff | undefined {
    if (memory.excludes(iss, claim, value)) return undefined;
    const known = database.open ? recent.find(iss, claim, value) : undefined;
    if (known !== undefined) return known;
    const read = reading(() => table.row(iss, claim, value));
    if (read !== undefined) recent.keep(read);
    return read;
  }

  /** Not while memory is being filled: it would find them twice, or not at all. */
  function moveSome(anyway: boolean): void {
    if (memory.lookups() !== 'filling') table.moveSome(anyway);
  }

  const mayHold = ({ iss, claim, value }: RowKey) => !memory.excludes(iss, claim, value);

  /** So that the next start finds all rows in order. What cannot be moved is as durable where it is. */
  function moveAll(): void {
    try {
      inTransaction.immediate(() => {
        table.moveAll();
        return NOTHING;
      });
    } catch (error) {
      telemetry.log('warn', 'denylist_rows_not_moved', { error: codeOf(error) });
    }
  }

  function close(): void {
    if (!database.open) return;
    memory.close();
    moveAll();
    database.close();
    release();
  }

  return {
    names: census.names,
    row,
    load: (log) => reading(() => logs.load(log)),
    quarantined: (log) => reading(() => logs.quarantined(log)),
    commit(change) {
      const rows = change.cutoffs.length;
      writing(() => {
        logs.apply(change);
        // What comes one by one is not to wait for it.
        moveSome(rows === 0);
        return table.apply(change.cutoffs, mayHold, rows >= CATCH_UP_ROWS);
      });
    },
    read: (name) => reading(() => selectDocument.get(name)),
    write(name, text) {
      writing(() => {
        saveDocument.run(name, text);
        return NOTHING;
      });
    },
    prune(issuers, before, most = PRUNE_MOST) {
      const stretch = Math.max(PRUNE_STRETCH, Math.ceil(census.count() / PRUNE_CALLS));
      return writing(() => {
        moveSome(true);
        const removed: RowKey[] = [];
        for (const iss of new Set(issuers)) removed.push(...table.remove(iss, before, most - removed.length, stretch));
        return { ...NOTHING, removed };
      }).removed.length;
    },
    count: census.count,
    countByClaim: census.countByClaim,
    health: () => {
      const { open } = database;
      return [healthOf({ entries: census.count(), memory, damaged, trouble, open })];
    },
    close,
    async [Symbol.asyncDispose]() {
      close();
    },
  };
}

interface Condition {
  readonly entries: number;
  readonly memory: Memory;
  readonly damaged: string | null;
  readonly trouble: { readonly read: string; readonly write: string };
  readonly open: boolean;
}

function healthOf({ entries, memory, damaged, trouble, open }: Condition): HealthCheck {
  const error = open ? trouble.read || trouble.write : 'closed';
  const details = {
    entries,
    lookups: memory.lookups(),
    ...(damaged !== null && { setAside: damaged }),
    ...(error !== '' && { error }),
  };
  if (!open || trouble.read !== '') return { name: 'denylist', status: 'fail', ...details };
  // A file found damaged means that the disk wants a look, although its rows have been fetched again.
  return { name: 'denylist', status: trouble.write !== '' || damaged !== null ? 'warn' : 'pass', ...details };
}

/** SQLite's own word for what went wrong; never the statement's values. */
function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.message : String(error);
}
