import type { LogChange, LogState, Quarantined } from '@rescind/revocation';
import type { Database } from 'better-sqlite3';
import type { Digest, Print } from './digest.ts';
import { printOf } from './digest.ts';

/** What is known of each log, the events that wait for a version that understands them, and texts kept beside them. */
export interface Logs {
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

/** @param digest of all that is in these tables; whatever changes them tells it in the same transaction */
export function createLogs(database: Database, digest: Digest): Logs {
  const select = database.prepare<[string], { state: string }>('SELECT state FROM log WHERE log = ?');
  const save = database.prepare<[string, string]>('INSERT OR REPLACE INTO log (log, state) VALUES (?, ?)');
  const waiting = database.prepare<[string], Quarantined>(
    'SELECT log, epoch, seq, jws, why FROM quarantine WHERE log = ? ORDER BY epoch, seq',
  );
  const waitingAt = database.prepare<[string, string, number], Quarantined>(
    'SELECT log, epoch, seq, jws, why FROM quarantine WHERE log = ? AND epoch = ? AND seq = ?',
  );
  const keep = database.prepare<Quarantined>(
    'INSERT OR REPLACE INTO quarantine (log, epoch, seq, jws, why) VALUES (:log, :epoch, :seq, :jws, :why)',
  );
  const free = database.prepare<[string, string, number]>(
    'DELETE FROM quarantine WHERE log = ? AND epoch = ? AND seq = ?',
  );
  const selectDocument = database.prepare<[string], string>('SELECT text FROM document WHERE name = ?').pluck();
  const saveDocument = database.prepare<[string, string]>('INSERT OR REPLACE INTO document (name, text) VALUES (?, ?)');

  /** Of the states in the file, as far as they have been read or written: each commit replaces one. */
  const printsOfStates = new Map<string, Print>();

  function printOfHeld(log: string): Print | undefined {
    const known = printsOfStates.get(log);
    if (known !== undefined) return known;
    const held = select.get(log);
    return held && printOf('log', log, held.state);
  }

  function saveState(state: LogState): void {
    const text = JSON.stringify(state);
    const held = printOfHeld(state.log);
    if (held !== undefined) digest.subtract(held);
    const print = printOf('log', state.log, text);
    digest.add(print);
    save.run(state.log, text);
    printsOfStates.set(state.log, print);
  }

  /** Takes an event out of the sums, if it waits. */
  function discount(log: string, epoch: string, seq: number): void {
    const held = waitingAt.get(log, epoch, seq);
    if (held !== undefined) digest.subtract(printOfEvent(held));
  }

  return {
    load(log) {
      const held = select.get(log);
      return held === undefined ? undefined : (JSON.parse(held.state) as LogState);
    },
    quarantined: (log) => waiting.all(log),
    apply({ state, quarantine = [], release = [] }) {
      saveState(state);
      for (const { log, epoch, seq, jws, why } of quarantine) {
        discount(log, epoch, seq);
        digest.add(printOfEvent({ log, epoch, seq, jws, why }));
        keep.run({ log, epoch, seq, jws, why });
      }
      for (const { epoch, seq } of release) {
        discount(state.log, epoch, seq);
        free.run(state.log, epoch, seq);
      }
    },
    read: (name) => selectDocument.get(name),
    write(name, text) {
      const held = selectDocument.get(name);
      if (held !== undefined) digest.subtract(printOf('document', name, held));
      digest.add(printOf('document', name, text));
      saveDocument.run(name, text);
    },
    rolledBack: () => printsOfStates.clear(),
  };
}

const printOfEvent = ({ log, epoch, seq, jws, why }: Quarantined) => printOf('quarantine', log, epoch, seq, jws, why);
