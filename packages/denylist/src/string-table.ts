import type { Database } from 'better-sqlite3';
import type { RowDigest } from './digest.ts';
import { digestOf } from './digest.ts';
import type { StoredText } from './stored-text.ts';
import { restoreText, storeText } from './stored-text.ts';

/** The strings that repeat, each with its number in the file. All of them are in memory. */
export interface StringTable {
  /** The number of a string, if it has one. */
  find(word: string): number | undefined;
  /** The number of a string; assigns one if it has none. Inside a transaction. */
  add(word: string): number;
  word(id: number): string;
  /** The digest of the text that a number stands for. */
  digest(id: number): RowDigest;
  /** Reads them again after a rolled back transaction: memory must not have what the file has not. */
  reload(): void;
}

/** The pairs of a reason and an epoch that rows come from, each with its number in the file; all of them are in memory. */
export interface Origins {
  /** The number of a pair; assigns one if it has none. Inside a transaction. */
  add(reason: string, epoch: string): number;
  origin(id: number): Origin;
  /** The digests of the texts that a number stands for. */
  digests(id: number): { readonly reason: RowDigest; readonly epoch: RowDigest };
  /** Reads them again, after `StringTable.reload`. */
  reload(): void;
}

interface Origin {
  readonly reason: string;
  readonly epoch: string;
}

export function createStringTable(database: Database): StringTable {
  // Read from the table. `integrity_check` has found that its index agrees.
  const all = database.prepare<[], { id: number; text: StoredText }>('SELECT id, text FROM word NOT INDEXED');
  const insert = database.prepare<[StoredText]>('INSERT INTO word (text) VALUES (?)');
  const ids = new Map<string, number>();
  const texts = new Map<number, string>();
  const digests = new Map<number, RowDigest>();

  const remember = (id: number, word: string) => {
    ids.set(word, id);
    texts.set(id, word);
  };
  const reload = () => {
    ids.clear();
    texts.clear();
    digests.clear();
    for (const { id, text } of all.iterate()) remember(id, restoreText(text));
  };
  reload();

  function word(id: number): string {
    const known = texts.get(id);
    if (known === undefined) throw new Error(`the denylist has no word ${id}`);
    return known;
  }

  function digest(id: number): RowDigest {
    const known = digests.get(id);
    if (known !== undefined) return known;
    const created = digestOf(word(id));
    digests.set(id, created);
    return created;
  }

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
    word,
    digest,
  };
}

export function createOrigins(database: Database, strings: Pick<StringTable, 'add' | 'word'>): Origins {
  const all = database
    .prepare<[], [id: number, reason: number, epoch: number]>('SELECT id, reason, epoch FROM origin NOT INDEXED')
    .raw();
  const insert = database.prepare<[number, number]>('INSERT INTO origin (reason, epoch) VALUES (?, ?)');
  /** By epoch, then by reason: most rows are of one epoch. */
  const ids = new Map<string, Map<string, number>>();
  const origins = new Map<number, Origin>();
  const digests = new Map<number, { readonly reason: RowDigest; readonly epoch: RowDigest }>();

  function remember(id: number, reason: string, epoch: string): void {
    const ofEpoch = ids.get(epoch) ?? new Map<string, number>();
    ids.set(epoch, ofEpoch.set(reason, id));
    origins.set(id, { reason, epoch });
  }

  function reload(): void {
    ids.clear();
    origins.clear();
    digests.clear();
    for (const [id, reason, epoch] of all.iterate()) remember(id, strings.word(reason), strings.word(epoch));
  }
  reload();

  function origin(id: number): Origin {
    const known = origins.get(id);
    if (known === undefined) throw new Error(`the denylist has no origin ${id}`);
    return known;
  }

  return {
    reload,
    add(reason, epoch) {
      const known = ids.get(epoch)?.get(reason);
      if (known !== undefined) return known;
      const id = Number(insert.run(strings.add(reason), strings.add(epoch)).lastInsertRowid);
      remember(id, reason, epoch);
      return id;
    },
    origin,
    digests(id) {
      const known = digests.get(id);
      if (known !== undefined) return known;
      const { reason, epoch } = origin(id);
      const created = { reason: digestOf(reason), epoch: digestOf(epoch) };
      digests.set(id, created);
      return created;
    },
  };
}
