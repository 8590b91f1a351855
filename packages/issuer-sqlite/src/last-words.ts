import type { LastWord, LastWords } from '@rescind/issuer/store';
import type Database from 'better-sqlite3';

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
