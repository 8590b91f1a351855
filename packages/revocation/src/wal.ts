import { statSync } from 'node:fs';
import type { Telemetry } from './telemetry.ts';

/** What of a better-sqlite3 connection is used. */
interface WalDatabase {
  readonly name: string;
  readonly open: boolean;
  readonly inTransaction: boolean;
  pragma(source: string, options?: { readonly simple?: boolean }): unknown;
}

export interface WalLimitOptions {
  /** The only writer of its file, outside a transaction whenever `keep` is called. */
  readonly database: WalDatabase;
  /** The write-ahead log may have so many bytes; more than what a checkpoint waits for. */
  readonly maxBytes: number;
  /** Set to the size of the write-ahead log in bytes. */
  readonly gauge: 'rescind_database_wal_bytes' | 'rescind_denylist_wal_bytes';
  readonly telemetry: Telemetry;
}

/**
 * Keeps a write-ahead log within a bound. A reader of another process, such as a backup tool, that holds a snapshot keeps
 * SQLite from starting the log anew (https://sqlite.org/wal.html#avoiding_excessively_large_wal_files); nothing shrinks the
 * file after that until somebody writes.
 */
export interface WalLimit {
  /**
   * Measures the log, and truncates it when it is beyond the bound. Waits for nobody. To be called every second; costs one
   * `stat` otherwise. Throws nothing.
   */
  enforce(): void;
  /** Its bytes, if it is beyond the bound although truncating was tried. */
  overLimit(): { readonly walBytes: number; readonly walError?: string } | undefined;
}

/**
 * Copies the write-ahead log into the file and truncates it. Waits for nobody.
 * @returns false: a reader of another process is in the way
 * @throws the error of SQLite
 */
export function truncateWal(database: Pick<WalDatabase, 'pragma'>): boolean {
  const waits = Number(database.pragma('busy_timeout', { simple: true }));
  try {
    database.pragma('busy_timeout = 0');
    return database.pragma('wal_checkpoint(TRUNCATE)', { simple: true }) === 0;
  } finally {
    database.pragma(`busy_timeout = ${waits}`);
  }
}

export function createWalLimit({ database, maxBytes, gauge, telemetry }: WalLimitOptions): WalLimit {
  const path = `${database.name}-wal`;
  let overLimit: { readonly walBytes: number; readonly walError?: string } | undefined;

  /** @returns the code of what SQLite could not do, if it threw; a reader in the way is no error */
  function truncate(): string | undefined {
    try {
      truncateWal(database);
      return undefined;
    } catch (error) {
      return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    }
  }

  function note(walBytes: number, walError: string | undefined): void {
    const before = overLimit;
    telemetry.gauge(gauge, walBytes);
    overLimit = walBytes > maxBytes ? { walBytes, ...(walError !== undefined && { walError }) } : undefined;
    if (before === undefined && overLimit !== undefined)
      telemetry.log('warn', 'wal_too_large', { path, mostBytes: maxBytes, ...overLimit });
    if (before !== undefined && overLimit === undefined) telemetry.log('info', 'wal_truncated', { path, walBytes });
  }

  return {
    enforce() {
      if (!database.open || database.inTransaction) return;
      const error = bytesOf(path) > maxBytes ? truncate() : undefined;
      note(bytesOf(path), error);
    },
    overLimit: () => overLimit,
  };
}

/** 0: there is none, as of a database in memory. */
function bytesOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}
