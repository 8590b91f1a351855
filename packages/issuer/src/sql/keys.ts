import type { EpochMillis } from '@rescind/revocation';
import type Database from 'better-sqlite3';

export type KeyPurpose = 'token' | 'event';
type KeyState = 'active' | 'former' | 'revoked';

interface KeyRow {
  readonly kid: string;
  readonly purpose: KeyPurpose;
  readonly state: KeyState;
}

/** What the database knows of the keys; the keys themselves are files elsewhere. */
export interface Keys {
  insert(kid: string, purpose: KeyPurpose, state: KeyState, at: EpochMillis): void;
  setState(kid: string, state: KeyState): void;
  /** The one that signs. */
  active(purpose: KeyPurpose): string | undefined;
  all(purpose: KeyPurpose): KeyRow[];
}

export function createKeys(database: Database.Database): Keys {
  const insert = database.prepare('INSERT INTO rescind_keys (kid, purpose, state, created_at) VALUES (?, ?, ?, ?)');
  const setState = database.prepare('UPDATE rescind_keys SET state = ? WHERE kid = ?');
  const active = database
    .prepare<[string], string>(`SELECT kid FROM rescind_keys WHERE purpose = ? AND state = 'active'`)
    .pluck();
  const all = database.prepare<[string], KeyRow>(
    'SELECT kid, purpose, state FROM rescind_keys WHERE purpose = ? ORDER BY created_at, kid',
  );
  return {
    insert(kid, purpose, state, at) {
      insert.run(kid, purpose, state, at);
    },
    setState(kid, state) {
      setState.run(state, kid);
    },
    active: (purpose) => active.get(purpose),
    all: (purpose) => all.all(purpose),
  };
}
