import type { SessionRecord, SessionStore } from '../record.ts';
import { isSameRecord, memoryStore } from '../record.ts';

/** What of IndexedDB is used here, so that this package requires no types of a browser. */
interface Request<T> {
  readonly result: T;
  readonly error: unknown;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
}

interface OpenRequest extends Request<Database> {
  onupgradeneeded: (() => void) | null;
  onblocked: (() => void) | null;
}

interface Transaction {
  objectStore(name: string): {
    get(key: string): Request<SessionRecord | undefined>;
    put(value: SessionRecord, key: string): Request<unknown>;
  };
  readonly error: unknown;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
}

interface Database {
  createObjectStore(name: string): unknown;
  transaction(name: string, mode: 'readonly' | 'readwrite'): Transaction;
  close(): void;
  onversionchange: (() => void) | null;
  onclose: (() => void) | null;
}

interface Factory {
  open(name: string, version: number): OpenRequest;
}

const STORE = 'sessions';
/** Private windows of some browsers never answer. */
const OPEN_LIMIT_MS = 3_000;

/**
 * A store in IndexedDB: the session outlives a reload, and all tabs of this origin share it. Where IndexedDB is missing, refused or
 * does not respond, the session is kept in the memory of the tab, and a warning is written to the console once.
 * @param name of the database, in which each client of each issuer has a session of its own. Default `rescind`
 */
export function indexedDbStore(name = 'rescind'): SessionStore {
  if (typeof name !== 'string' || name === '') throw new TypeError('indexedDbStore: name must be text');
  let opening: Promise<Database | undefined> | undefined;

  async function open(): Promise<Database | undefined> {
    try {
      const database = await openDatabase(name);
      const reopen = () => {
        opening = undefined;
      };
      database.onclose = reopen;
      // Another version of this package, or "clear site data", waits for it.
      database.onversionchange = () => {
        database.close();
        reopen();
      };
      return database;
    } catch (error) {
      console.warn('rescind: IndexedDB cannot be used; the session ends with this tab', error);
      return undefined;
    }
  }

  const database = () => {
    opening ??= open();
    return opening;
  };

  const of = (key: string, fallback = memoryStore(name)): SessionStore => ({
    name,
    of,
    async read() {
      const opened = await database();
      if (opened === undefined) return fallback.read();
      const transaction = opened.transaction(STORE, 'readonly');
      const request = transaction.objectStore(STORE).get(key);
      await completed(transaction);
      return request.result;
    },
    async replace(expected, next) {
      const opened = await database();
      if (opened === undefined) return fallback.replace(expected, next);
      const transaction = opened.transaction(STORE, 'readwrite');
      const store = transaction.objectStore(STORE);
      const request = store.get(key);
      let isReplaced = false;
      request.onsuccess = () => {
        isReplaced = isSameRecord(request.result, expected);
        if (isReplaced) store.put(next, key);
      };
      await completed(transaction);
      return isReplaced;
    },
  });
  return of(name);
}

function openDatabase(name: string): Promise<Database> {
  return new Promise((resolve, reject) => {
    const { indexedDB } = globalThis as unknown as { readonly indexedDB?: Factory };
    if (indexedDB === undefined) throw new Error('there is no IndexedDB here');
    const timer = setTimeout(
      () => reject(new Error(`IndexedDB did not respond in ${OPEN_LIMIT_MS} ms`)),
      OPEN_LIMIT_MS,
    );
    const request = indexedDB.open(name, 1);
    const settle = (work: () => void) => () => {
      clearTimeout(timer);
      work();
    };
    request.onupgradeneeded = () => void request.result.createObjectStore(STORE);
    request.onsuccess = settle(() => resolve(request.result));
    request.onerror = settle(() => reject(request.error));
    request.onblocked = settle(() => reject(new Error('another tab holds an older version of the database')));
  });
}

function completed(transaction: Transaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('the transaction was aborted'));
  });
}
