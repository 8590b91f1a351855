import type { EpochMillis, Find, HealthCheck, LogChange, LogState, Quarantined, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Database } from 'better-sqlite3';
import { createCensus } from './census.ts';
import { createLogs } from './logs.ts';
import type { Tally } from './table.ts';
import { createTable } from './table.ts';

/**
 * The denylist of one process: cut-offs in a SQLite file, with the position in each log they stand for. Everything is
 * synchronous. What cannot be read throws RescindError `denylist_unreadable`, what cannot be written
 * `denylist_unwritable`; neither leaves half a change behind.
 */
export interface Denylist extends Find, AsyncDisposable {
  /** The claims that some row of this issuer is about. From memory; never ahead of the file. */
  names(iss: string): readonly string[];

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
   * Removes rows of these issuers whose `expiresAt` lies before a time, never one that is to stay for good.
   * @param before log time less the tolerance, ms
   * @param most the greatest number of rows removed at once (default 10 000): a longer pause would be felt
   * @returns how many were removed; call again when it is `most`
   */
  prune(issuers: readonly string[], before: EpochMillis, most?: number): number;

  /** How many rows there are. */
  count(): number;
  /** How many rows there are of each claim. */
  countByClaim(): Record<string, number>;

  health(): HealthCheck[];
  /** Idempotent. */
  close(): void;
}

export interface DenylistParts {
  readonly database: Database;
  /** The name of the file that was set aside at the start, if one was. */
  readonly damaged: string | null;
  readonly telemetry: Telemetry;
  /** Gives the lock back, when the file has been closed. */
  release(): void;
}

/** 10 000 rows are removed in some 50 ms. */
const PRUNE_MOST = 10_000;

export function createDenylist({ database, damaged, telemetry, release }: DenylistParts): Denylist {
  const table = createTable(database);
  const logs = createLogs(database);
  const found = table.tally();
  const census = createCensus(found);
  const selectDocument = database.prepare<[string], string>('SELECT text FROM document WHERE name = ?').pluck();
  const saveDocument = database.prepare<[string, string]>('INSERT OR REPLACE INTO document (name, text) VALUES (?, ?)');
  const inTransaction = database.transaction((work: () => Tally[]) => work());
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

  function writing(work: () => Tally[]): Tally[] {
    let tallies: Tally[];
    try {
      tallies = inTransaction.immediate(work);
      trouble.write = '';
    } catch (cause) {
      trouble.write = codeOf(cause);
      if (database.open) table.rolledBack();
      throw new RescindError('denylist_unwritable', { detail: trouble.write, cause });
    }
    census.committed(tallies);
    tell(tallies);
    return tallies;
  }

  function tell(tallies: readonly Tally[]): void {
    if (tallies.length === 0) return;
    const counts = census.countByClaim();
    for (const claim of new Set(tallies.map((tally) => tally.claim))) {
      telemetry.gauge('rescind_denylist_entries', counts[claim] ?? 0, { claim });
    }
  }
  tell(found);

  function close(): void {
    if (!database.open) return;
    database.close();
    release();
  }

  return {
    names: census.names,
    // The one place where a row is looked up: an exact structure in memory can answer here.
    row: (iss, claim, value) => reading(() => table.row(iss, claim, value)),
    load: (log) => reading(() => logs.load(log)),
    quarantined: (log) => reading(() => logs.quarantined(log)),
    commit(change) {
      writing(() => {
        logs.apply(change);
        return table.apply(change.cutoffs);
      });
    },
    read: (name) => reading(() => selectDocument.get(name)),
    write(name, text) {
      writing(() => {
        saveDocument.run(name, text);
        return [];
      });
    },
    prune(issuers, before, most = PRUNE_MOST) {
      return writing(() => {
        const removed: Tally[] = [];
        for (const iss of new Set(issuers)) removed.push(...table.remove(iss, before, most - removed.length));
        return removed;
      }).length;
    },
    count: census.count,
    countByClaim: census.countByClaim,
    health: () => [healthOf(census.count(), damaged, trouble, database.open)],
    close,
    async [Symbol.asyncDispose]() {
      close();
    },
  };
}

function healthOf(
  entries: number,
  damaged: string | null,
  trouble: { readonly read: string; readonly write: string },
  open: boolean,
): HealthCheck {
  const error = open ? trouble.read || trouble.write : 'closed';
  const details = { entries, ...(damaged !== null && { setAside: damaged }), ...(error !== '' && { error }) };
  if (!open || trouble.read !== '') return { name: 'denylist', status: 'fail', ...details };
  // A file found damaged means that the disk wants a look, although its rows have been fetched again.
  return { name: 'denylist', status: trouble.write !== '' || damaged !== null ? 'warn' : 'pass', ...details };
}

/** SQLite's own word for what went wrong; never the statement's values. */
function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.message : String(error);
}
