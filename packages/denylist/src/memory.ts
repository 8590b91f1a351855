import { randomBytes } from 'node:crypto';
import type { Telemetry } from '@rescind/revocation';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import type { FingerprintKey, FingerprintSet } from './fingerprint-set.ts';
import { createFingerprint, createFingerprintSet, fingerprint } from './fingerprint-set.ts';
import type { Changes, RowCount, RowKey, RowPosition, Table } from './table.ts';

/** Where look-ups are answered: in memory, or in the file; also in the file while memory is being filled from it. */
type Lookups = 'memory' | 'file' | 'filling';

/**
 * The fingerprints of the keys that have a row, changed only in the tick of a commit. An excluded key certainly has no row;
 * any other key is looked up in the file, so two keys of one fingerprint cost one look-up and nothing else.
 */
export interface Memory {
  excludes(iss: string, claim: string, value: string): boolean;
  committed(changes: Changes): void;
  lookups(): Lookups;
  close(): void;
}

export interface MemoryOptions {
  readonly table: Pick<Table, 'after' | 'isAtMost' | 'waiting'>;
  /** With more rows than this the file answers instead of memory. */
  readonly most: number;
  readonly telemetry: Telemetry;
  /** How many rows there are. */
  count(): number;
}

/** Rows that are read before `openDenylist` returns: 30 ms. */
const FILL_AT_ONCE = 20_000;
/** Rows that are read between two turns of the event loop: 2 ms. */
const FILL_STEP = 1_000;
/** Memory is filled again when the rows have become fewer than this share of the most there may be. */
const FILL_AGAIN = 7 / 8;
/** A file that could not be read is tried again after this time, ms. */
const RETRY_MS = 1_000;

export function createMemory({ table, most, telemetry, count }: MemoryOptions): Memory {
  const keys = createKeys();
  const print = createFingerprint();
  let fingerprints: FingerprintSet = createFingerprintSet();
  let lookups: Lookups = 'file';
  /** While filling: up to where the file has been read. */
  let position: RowPosition | undefined;
  let immediate: NodeJS.Immediate | undefined;
  let retry: NodeJS.Timeout | undefined;

  function setLookups(to: Lookups): void {
    lookups = to;
    telemetry.gauge('rescind_denylist_in_memory', to === 'memory' ? 1 : 0);
  }

  function stopFilling(): void {
    clearImmediate(immediate);
    clearTimeout(retry);
    position = undefined;
  }

  function evictToFile(): void {
    stopFilling();
    fingerprints = createFingerprintSet();
    setLookups('file');
  }

  function fill(): void {
    fingerprints = createFingerprintSet();
    setLookups('filling');
    for (const key of table.waiting()) add(key);
    step();
  }

  function step(): void {
    const next = table.after(position, FILL_STEP);
    for (const key of next.keys) add(key);
    if (next.last !== undefined) position = next.last;
    if (next.keys.length === FILL_STEP) return;
    position = undefined;
    setLookups('memory');
  }

  function stepLater(): void {
    immediate = setImmediate(() => {
      try {
        step();
        if (isFilling()) stepLater();
      } catch (error) {
        // The file still answers as far as it can be read. A look-up that fails throws.
        telemetry.log('error', 'denylist_memory_not_filled', { error: error instanceof Error ? error.message : '' });
        retry = setTimeout(stepLater, RETRY_MS).unref();
      }
    });
  }

  function add({ iss, claim, value }: RowKey): void {
    fingerprint(value, keys.of(iss, claim), print);
    fingerprints.add(print);
  }

  function remove({ iss, claim, value }: RowKey): void {
    fingerprint(value, keys.of(iss, claim), print);
    fingerprints.remove(print);
  }

  /** Whether memory must have this key now. Keys beyond the position of the filling will be read there. */
  function isKnown(key: RowKey): boolean {
    return lookups === 'memory' || (position !== undefined && table.isAtMost(key, position));
  }

  const fits = () => count() <= most;
  const isFilling = () => lookups === 'filling';
  if (fits()) {
    fill();
    while (isFilling() && fingerprints.count() < FILL_AT_ONCE) step();
    if (isFilling()) stepLater();
  } else setLookups('file');

  return {
    excludes(iss, claim, value) {
      if (lookups !== 'memory') return false;
      const key = keys.find(iss, claim);
      if (key === undefined) return true;
      fingerprint(value, key, print);
      return !fingerprints.has(print);
    },
    committed({ added, removed }) {
      if (lookups === 'file') {
        if (count() > most * FILL_AGAIN) return;
        fill();
        if (isFilling()) stepLater();
        return;
      }
      if (!fits()) {
        evictToFile();
        return;
      }
      for (const key of added) if (isKnown(key)) add(key);
      for (const key of removed) if (isKnown(key)) remove(key);
    },
    lookups: () => lookups,
    close() {
      stopFilling();
      lookups = 'file';
    },
  };
}

/** The keys under which values are hashed: one for each (issuer, claim), random, of this process alone. */
function createKeys() {
  const all = new Map<string, Map<string, FingerprintKey>>();

  function of(iss: string, claim: string): FingerprintKey {
    const ofIssuer = all.get(iss) ?? new Map<string, FingerprintKey>();
    all.set(iss, ofIssuer);
    const isKnown = ofIssuer.get(claim);
    if (isKnown !== undefined) return isKnown;
    const secret = randomBytes(8);
    const key = { k0: secret.readInt32LE(0), k1: secret.readInt32LE(4) };
    ofIssuer.set(claim, key);
    return key;
  }

  return { of, find: (iss: string, claim: string) => all.get(iss)?.get(claim) };
}

/** The numbers of rows of each claim of each issuer, in memory, changed only in the tick of a commit. */
export interface RowCounts {
  names(iss: string): readonly string[];
  count(): number;
  countByClaim(): Record<string, number>;
  /** @returns the claims whose numbers have changed */
  committed(changes: Changes): ReadonlySet<string>;
}

const NO_NAMES: readonly string[] = [];

export function createRowCounts(start: readonly RowCount[]): RowCounts {
  const counts = new Map<string, Map<string, number>>();
  const names = new Map<string, readonly string[]>();
  let total = 0;

  function add(iss: string, claim: string, rows: number): void {
    const ofIssuer = counts.get(iss) ?? new Map<string, number>();
    counts.set(iss, ofIssuer);
    const before = ofIssuer.get(claim) ?? 0;
    const after = before + rows;
    total += rows;
    if (after === 0) ofIssuer.delete(claim);
    else ofIssuer.set(claim, after);
    if ((before === 0) !== (after === 0)) names.set(iss, [...ofIssuer.keys()]);
  }

  for (const { iss, claim, rows } of start) add(iss, claim, rows);

  function addAll(keys: readonly RowKey[], rows: number, touched: Set<string>): void {
    for (const { iss, claim } of keys) {
      add(iss, claim, rows);
      touched.add(claim);
    }
  }

  function countByClaim(): Record<string, number> {
    const byClaim = new Map<string, number>();
    for (const ofIssuer of counts.values()) {
      for (const [claim, rows] of ofIssuer) byClaim.set(claim, (byClaim.get(claim) ?? 0) + rows);
    }
    return Object.fromEntries(byClaim);
  }

  return {
    committed({ added, removed }) {
      const touched = new Set<string>();
      addAll(added, 1, touched);
      addAll(removed, -1, touched);
      return touched;
    },
    countByClaim,
    names: (iss) => names.get(iss) ?? NO_NAMES,
    count: () => total,
  };
}

/**
 * Rows that were found recently. Most tokens find none. Tokens of a user whose password was changed find that row at each
 * request until they expire, all tokens find a cut-off of all tokens of the issuer, and a revoked token may be presented
 * repeatedly.
 */
export interface RowCache {
  find(iss: string, claim: string, value: string): CutOffRow | undefined;
  put(row: CutOffRow): void;
  /** Removes the rows that a transaction has changed, in the tick of its commit. */
  committed(changes: Changes): void;
}

/** Half a megabyte. */
const MAX_ROWS = 2_048;

export function createRowCache(): RowCache {
  // By value alone, so that no key is concatenated. Of two rows of one value the later stays.
  const rows = new Map<string, CutOffRow>();

  function forget(keys: readonly RowKey[]): void {
    if (rows.size > 0) for (const { value } of keys) rows.delete(value);
  }

  return {
    find(iss, claim, value) {
      const row = rows.get(value);
      return row !== undefined && row.claim === claim && row.iss === iss ? row : undefined;
    },
    put(row) {
      if (rows.size >= MAX_ROWS) rows.clear();
      rows.set(row.value, row);
    },
    committed({ changed, removed }) {
      forget(changed);
      forget(removed);
    },
  };
}
