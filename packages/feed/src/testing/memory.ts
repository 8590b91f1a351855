import { randomUUID } from 'node:crypto';
import type { EpochMillis } from '@rescind/revocation';
import type { TransportRecord } from '../ports.ts';

/** A record of a log in memory. */
export interface MemoryRecord {
  /** The text of the record. */
  readonly jws: string;
  /** When it was appended. */
  readonly at: EpochMillis;
}

/**
 * Numbered records in order, like a topic of one partition: the oldest may be removed, and a recreated log has other records under the
 * same numbers. For tests: it is synchronous, and fails only as the test requires.
 */
export interface MemoryLog {
  /** The number of the oldest stored record. */
  readonly first: number;
  /** The number of the next record. */
  readonly end: number;
  /** The stored records, oldest first. */
  readonly records: readonly MemoryRecord[];
  /** The beginning of the hints of this log. */
  readonly id: string;
  /** Whether it is reachable. Setting false ends every connection and refuses new ones. Default true. */
  isUp: boolean;
  /** Appends records, each with one of these texts. @param at when they are appended; default: now */
  append(texts: readonly string[], at?: EpochMillis): void;
  /** Removes the oldest records, as retention does. */
  removeOldest(count: number): void;
  /** Removes the newest records, as an unclean election does: the next one has the number of the first that was removed. */
  removeNewest(count: number): void;
  /** Removes all and begins at number 0. @param id default: another one; with the same id readers cannot notice it */
  recreate(id?: string): void;
  /** Calls `listener` after each change. Returns a function that unsubscribes. */
  onChange(listener: () => void): () => void;
}

/** Creates an empty log in memory, for `memoryTransport`. @param id default: a random one */
export function createMemoryLog(id: string = randomUUID()): MemoryLog {
  const listeners = new Set<() => void>();
  let identity = id;
  let records: MemoryRecord[] = [];
  let first = 0;
  let isUp = true;
  const changed = () => {
    for (const listener of [...listeners]) listener();
  };
  return {
    get id() {
      return identity;
    },
    get first() {
      return first;
    },
    get end() {
      return first + records.length;
    },
    get records() {
      return records;
    },
    get isUp() {
      return isUp;
    },
    set isUp(up) {
      isUp = up;
      changed();
    },
    append(texts, at = Date.now()) {
      for (const jws of texts) records.push({ jws, at });
      changed();
    },
    removeOldest(count) {
      first += records.splice(0, count).length;
      changed();
    },
    removeNewest(count) {
      records.splice(Math.max(0, records.length - count));
      changed();
    },
    recreate(next = randomUUID()) {
      identity = next;
      records = [];
      first = 0;
      changed();
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** A position in a log, from which records are read in order. */
export interface MemoryCursor {
  /** The number of the next record. */
  readonly next: number;
  /** Reads up to `most` records; undefined: the log does not have this position any more. */
  take(limit: number): readonly TransportRecord[] | undefined;
}

const HINT = /^(.*):(\d{1,15})$/s;

/**
 * Begins just after the record of the hint, or with the oldest record if the hint is of another log or of a removed record.
 * Records from the present end on are live.
 */
export function openMemoryCursor(log: MemoryLog, hint: string | null): MemoryCursor {
  const { id, end: endAtOpen } = log;
  const [, of, number] = HINT.exec(hint ?? '') ?? [];
  const wanted = of === id ? Number(number) : log.first;
  let next = wanted >= log.first && wanted <= endAtOpen ? wanted : log.first;
  return {
    get next() {
      return next;
    },
    take(limit) {
      if (log.id !== id || next < log.first || next > log.end) return undefined;
      const from = next;
      const records = log.records.slice(from - log.first, from - log.first + limit);
      next += records.length;
      return records.map(({ jws }, index) => ({
        jws,
        hint: `${id}:${from + index + 1}`,
        live: from + index >= endAtOpen,
      }));
    },
  };
}
