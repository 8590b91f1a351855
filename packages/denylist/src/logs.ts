import type { LogChange, LogState, Quarantined } from '@rescind/revocation';
import type { Database } from 'better-sqlite3';

/** What is known of each log, and the events that wait for a version that understands them. */
export interface Logs {
  load(log: string): LogState | undefined;
  quarantined(log: string): readonly Quarantined[];
  /** Inside the caller's transaction. */
  apply(change: LogChange): void;
}

export function createLogs(database: Database): Logs {
  const select = database.prepare<[string], { state: string }>('SELECT state FROM log WHERE log = ?');
  const save = database.prepare<[string, string]>('INSERT OR REPLACE INTO log (log, state) VALUES (?, ?)');
  const waiting = database.prepare<[string], Quarantined>(
    'SELECT log, epoch, seq, jws, why FROM quarantine WHERE log = ? ORDER BY epoch, seq',
  );
  const keep = database.prepare<Quarantined>(
    'INSERT OR REPLACE INTO quarantine (log, epoch, seq, jws, why) VALUES (:log, :epoch, :seq, :jws, :why)',
  );
  const free = database.prepare<[string, string, number]>(
    'DELETE FROM quarantine WHERE log = ? AND epoch = ? AND seq = ?',
  );

  return {
    load(log) {
      const held = select.get(log);
      return held === undefined ? undefined : (JSON.parse(held.state) as LogState);
    },
    quarantined: (log) => waiting.all(log),
    apply({ state, quarantine = [], release = [] }) {
      save.run(state.log, JSON.stringify(state));
      for (const { log, epoch, seq, jws, why } of quarantine) keep.run({ log, epoch, seq, jws, why });
      for (const { epoch, seq } of release) free.run(state.log, epoch, seq);
    },
  };
}
