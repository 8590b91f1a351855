import type { EpochMillis } from '@rescind/revocation';
import type { KeySet } from '../key-set.ts';
import { createKeySet } from '../key-set.ts';
import type { KeySourceSettings } from './options.ts';

/** Keys of an earlier fetch. */
interface StoredKeys {
  readonly keys: KeySet;
  /** When they were fetched, by the wall clock of that time. */
  readonly fetchedAt: EpochMillis;
}

/** The stored document: the set with its address and the time of its fetch. */
interface StoredDocument {
  readonly url: string;
  readonly fetchedAt: EpochMillis;
  readonly jwks: unknown;
}

/** Stores the last fetched set. Errors of the store are counted and logged, never thrown. */
interface KeyStore {
  read(): StoredKeys | undefined;
  write(fetchedAt: EpochMillis, jwks: unknown): void;
  /** Whether the set in use is stored; undefined: there is no store, or no set yet. */
  isStored(): boolean | undefined;
}

type KeyStoreOptions = Pick<KeySourceSettings, 'url' | 'documents' | 'name' | 'telemetry'>;

export function createKeyStore({ url, documents, name, telemetry }: KeyStoreOptions): KeyStore {
  const documentName = `jwks ${url}`;
  let isStored: boolean | undefined;
  const count = (result: string) => telemetry.count('rescind_key_documents_total', { result });
  return {
    isStored: () => isStored,
    read() {
      try {
        const text = documents?.read(documentName);
        if (text === undefined) return undefined;
        const stored = fromText(text, url);
        isStored = true;
        return stored;
      } catch (error) {
        count('unusable');
        telemetry.log('warn', 'stored_keys_unusable', { source: name, error: messageOf(error) });
        return undefined;
      }
    },
    // Keys that cannot be stored are used nevertheless: only the next restart depends on the store.
    write(fetchedAt, jwks) {
      if (documents === undefined) return;
      try {
        documents.write(documentName, JSON.stringify({ url, fetchedAt, jwks } satisfies StoredDocument));
        isStored = true;
        count('written');
      } catch (error) {
        isStored = false;
        count('not_written');
        telemetry.log('error', 'keys_not_stored', { source: name, error: messageOf(error) });
      }
    },
  };
}

function fromText(text: string, url: string): StoredKeys {
  const document = parse(text);
  if (document?.url !== url) throw new Error('stored from another address');
  if (!Number.isSafeInteger(document.fetchedAt)) throw new Error('stored without a time');
  return { keys: createKeySet(document.jwks), fetchedAt: document.fetchedAt as EpochMillis };
}

/** Without the parser's message, which quotes the text. */
function parse(text: string): Partial<StoredDocument> | null {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('not JSON');
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}
