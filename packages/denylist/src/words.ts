import type { Database } from 'better-sqlite3';
import type { StoredText } from './text.ts';
import { restoreText, storeText } from './text.ts';

/** The words that come again and again, each with its number in the file; all of them are in memory. */
export interface Words {
  /** The number of a word, if it has one. */
  find(word: string): number | undefined;
  /** The number of a word, given now if it has none: inside a transaction. */
  add(word: string): number;
  word(id: number): string;
  /** Reads them anew: after a transaction that failed, memory must not know what the file does not. */
  reload(): void;
}

export function createWords(database: Database): Words {
  const all = database.prepare<[], { id: number; text: StoredText }>('SELECT id, text FROM word');
  const insert = database.prepare<[StoredText]>('INSERT INTO word (text) VALUES (?)');
  const ids = new Map<string, number>();
  const words = new Map<number, string>();

  const remember = (id: number, word: string) => {
    ids.set(word, id);
    words.set(id, word);
  };
  const reload = () => {
    ids.clear();
    words.clear();
    for (const { id, text } of all.iterate()) remember(id, restoreText(text));
  };
  reload();

  return {
    reload,
    find: (word) => ids.get(word),
    add(word) {
      const known = ids.get(word);
      if (known !== undefined) return known;
      const id = Number(insert.run(storeText(word)).lastInsertRowid);
      remember(id, word);
      return id;
    },
    word(id) {
      const word = words.get(id);
      if (word === undefined) throw new Error(`the denylist has no word ${id}`);
      return word;
    },
  };
}
