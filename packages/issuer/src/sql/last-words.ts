import type Database from 'better-sqlite3';

/** The last event of an epoch whose key was revoked. */
interface LastWord {
  readonly epoch: string;
  readonly jws: string;
}

/** Kept outside the outbox, which an epoch begins anew. */
export interface LastWords {
  add(word: LastWord): void;
  find(epoch: string): string | undefined;
  /** Those that no publisher has acknowledged yet, oldest first. */
  unsent(): LastWord[];
  markSent(epoch: string): void;
}

export function createLastWords(database: Database.Database): LastWords {
  const insert = database.prepare('INSERT OR REPLACE INTO rescind_last_words (epoch, jws) VALUES (@epoch, @jws)');
  const find = database.prepare<[string], string>('SELECT jws FROM rescind_last_words WHERE epoch = ?').pluck();
  const unsent = database.prepare<[], LastWord>(
    'SELECT epoch, jws FROM rescind_last_words WHERE sent = 0 ORDER BY epoch',
  );
  const markSent = database.prepare('UPDATE rescind_last_words SET sent = 1 WHERE epoch = ?');
  return {
    add(word) {
      insert.run(word);
    },
    find: (epoch) => find.get(epoch),
    unsent: () => unsent.all(),
    markSent(epoch) {
      markSent.run(epoch);
    },
  };
}
