import type { LogChange, LogState, Quarantined } from '@rescind/revocation/log-state';
import type { Database } from 'better-sqlite3';
import type { RowDigest, TableDigest } from './digest.ts';
import { digestOf } from './digest.ts';

/** The state of each log, the quarantined events, and documents stored beside them. */
export interface LogStates {
  load(log: string): LogState | undefined;
  quarantined(log: string): readonly Quarantined[];
  /** Inside the caller's transaction. */
  apply(change: LogChange): void;
  read(name: string): string | undefined;
  /** Inside the caller's transaction. */
  write(name: string, text: string): void;
  /** To be called when a transaction was rolled back. */
  rolledBack(): void;
}

/** @param digest the digest of these tables, updated in the transaction that changes them */
export function createLogStates(database: Database, digest: TableDigest): LogStates {
  const select = database.prepare<[string], { state: string }>('SELECT state FROM log WHERE log = ?');
  const save = database.prepare<[string, string]>('INSERT OR REPLACE INTO log (log, state) VALUES (?, ?)');
  const quarantined = database.prepare<[string], Quarantined>(
    'SELECT log, epoch, seq, jws, why AS reason FROM quarantine WHERE log = ? ORDER BY epoch, seq',
  );
  const quarantinedAt = database.prepare<[string, string, number], Quarantined>(
    'SELECT log, epoch, seq, jws, why AS reason FROM quarantine WHERE log = ? AND epoch = ? AND seq = ?',
  );
  const keep = database.prepare<Quarantined>(
    'INSERT OR REPLACE INTO quarantine (log, epoch, seq, jws, why) VALUES (:log, :epoch, :seq, :jws, :reason)',
  );
  const free = database.prepare<[string, string, number]>(
    'DELETE FROM quarantine WHERE log = ? AND epoch = ? AND seq = ?',
  );
  const selectDocument = database.prepare<[string], string>('SELECT text FROM document WHERE name = ?').pluck();
  const saveDocument = database.prepare<[string, string]>('INSERT OR REPLACE INTO document (name, text) VALUES (?, ?)');

  /** The digests of the states that have been read or written: each commit replaces one. */
  const stateDigests = new Map<string, RowDigest>();

  function storedDigest(log: string): RowDigest | undefined {
    const known = stateDigests.get(log);
    if (known !== undefined) return known;
    const stored = select.get(log);
    return stored && digestOf('log', log, stored.state);
  }

  function saveState(state: LogState): void {
    const text = JSON.stringify(state);
    const stored = storedDigest(state.log);
    if (stored !== undefined) digest.subtract(stored);
    const added = digestOf('log', state.log, text);
    digest.add(added);
    save.run(state.log, text);
    stateDigests.set(state.log, added);
  }

  /** Subtracts a quarantined event from the sums, if it is stored. */
  function discount(log: string, epoch: string, seq: number): void {
    const stored = quarantinedAt.get(log, epoch, seq);
    if (stored !== undefined) digest.subtract(digestOfEvent(stored));
  }

  return {
    load(log) {
      const stored = select.get(log);
      return stored === undefined ? undefined : (JSON.parse(stored.state) as LogState);
    },
    quarantined: (log) => quarantined.all(log),
    apply({ state, quarantine = [], release = [] }) {
      saveState(state);
      for (const { log, epoch, seq, jws, reason } of quarantine) {
        discount(log, epoch, seq);
        digest.add(digestOfEvent({ log, epoch, seq, jws, reason }));
        keep.run({ log, epoch, seq, jws, reason });
      }
      for (const { epoch, seq } of release) {
        discount(state.log, epoch, seq);
        free.run(state.log, epoch, seq);
      }
    },
    read: (name) => selectDocument.get(name),
    write(name, text) {
      const stored = selectDocument.get(name);
      if (stored !== undefined) digest.subtract(digestOf('document', name, stored));
      digest.add(digestOf('document', name, text));
      saveDocument.run(name, text);
    },
    rolledBack: () => stateDigests.clear(),
  };
}

const digestOfEvent = ({ log, epoch, seq, jws, reason }: Quarantined) =>
  digestOf('quarantine', log, epoch, seq, jws, reason);
