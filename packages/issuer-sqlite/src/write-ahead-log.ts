import { close, closeSync, fdatasync, ftruncateSync, openSync, statfsSync, statSync, writeSync } from 'node:fs';

/**
 * Pages of the write-ahead log before they are copied into the file, which blocks all writers: a page that many refreshes
 * touched is then copied once. 32 MB of disk; a start after a crash reads them.
 */
export const CHECKPOINT_PAGES = 8_000;
/** SQLite's default. */
const PAGE_BYTES = 4_096;
/** The size that the log keeps after a checkpoint. */
export const WAL_BYTES = CHECKPOINT_PAGES * PAGE_BYTES;
/** The largest write-ahead log: one transaction beyond a checkpoint, with a margin. */
export const WAL_MOST_BYTES = 2 * WAL_BYTES;

/** What is added at a time: a pause of less than a millisecond. */
const ZEROS = Buffer.alloc(1 << 20);
/** With less free space the log grows with its commits alone: the disk may be needed for something else. */
const LEAST_FREE_BYTES = 8 * WAL_BYTES;

/** Grows a write-ahead log ahead of its commits. */
export interface WalGrowth {
  /** Adds a megabyte, unless the log has its usual size. To be called every second, in the thread of the writer. Throws nothing. */
  grow(): void;
  /** Resolves when it has closed the file. */
  settled(): Promise<void>;
}

/**
 * Grows a write-ahead log to its usual size ahead of the commits, so that they overwrite it, as they do after the first checkpoint. The
 * sync of a file that grows also writes to the journal of the file system: a commit takes half as long again. SQLite ends
 * a log at the first frame whose checksum is wrong, such as zeros (https://sqlite.org/fileformat2.html#the_write_ahead_log).
 *
 * @param path of the log
 */
export function createWalGrowth(path: string): WalGrowth {
  let hasFailed = false;
  let syncing: Promise<void> | undefined;
  return {
    grow() {
      if (hasFailed || syncing !== undefined) return;
      try {
        const { size } = statSync(path);
        if (size >= WAL_BYTES || freeBytes(path) < LEAST_FREE_BYTES) return;
        syncing = append(path, size).finally(() => {
          syncing = undefined;
        });
      } catch {
        // What keeps SQLite itself from writing is reported by its commits.
        hasFailed = true;
      }
    },
    settled: async () => syncing,
  };
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

/** @param size of the file @throws errors of the operating system, with the file as it was */
function append(path: string, size: number): Promise<void> {
  const file = openSync(path, 'r+');
  try {
    writeSync(file, ZEROS, 0, Math.min(ZEROS.length, WAL_BYTES - size), size);
  } catch (error) {
    ftruncateSync(file, size);
    closeSync(file);
    throw error;
  }
  // In a thread, so that the next commit has less to wait for. The zeros need not be durable.
  return new Promise((resolve) => fdatasync(file, () => close(file, () => resolve())));
}
