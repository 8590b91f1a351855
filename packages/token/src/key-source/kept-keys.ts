import type { EpochMillis, Telemetry } from '@rescind/revocation';
import type { KeySet } from '../key-set.ts';
import { createKeySet } from '../key-set.ts';

/** Where text is kept across restarts, by name; a denylist is one. */
export interface KeyDocuments {
  read(name: string): string | undefined;
  write(name: string, text: string): void;
}

/** Keys of an earlier fetch. */
interface KeptKeys {
  readonly keys: KeySet;
  /** When they were fetched, by the wall clock of then. */
  readonly fetchedAt: EpochMillis;
}

/** The document: the set with its address and its time. */
interface KeptDocument {
  readonly url: string;
  readonly fetchedAt: EpochMillis;
  readonly jwks: unknown;
}

/** Keeps the last set that was fetched. Trouble with the documents is counted and logged, never thrown. */
export interface KeyKeeper {
  read(): KeptKeys | undefined;
  keep(fetchedAt: EpochMillis, jwks: unknown): void;
  /** Whether the set in use is kept; null when there is nowhere to keep it or nothing to keep yet. */
  isKept(): boolean | null;
}

export interface KeyKeeperOptions {
  /** The address of the set: what was kept from another one is not used. */
  readonly url: string;
  readonly documents: KeyDocuments | undefined;
  readonly documentName: string;
  /** `source` in log lines. */
  readonly name: string;
  readonly telemetry: Telemetry;
}

export function createKeyKeeper({ url, documents, documentName, name, telemetry }: KeyKeeperOptions): KeyKeeper {
  let isKept: boolean | null = null;
  const count = (result: string) => telemetry.count('rescind_key_documents_total', { result });
  return {
    isKept: () => isKept,
    read() {
      try {
        const text = documents?.read(documentName);
        if (text === undefined) return undefined;
        const kept = fromText(text, url);
        isKept = true;
        return kept;
      } catch (error) {
        count('unusable');
        telemetry.log('warn', 'keys_kept_unusable', { source: name, error: messageOf(error) });
        return undefined;
      }
    },
    // Keys that could not be kept are used all the same: what suffers is only the next restart.
    keep(fetchedAt, jwks) {
      if (documents === undefined) return;
      try {
        documents.write(documentName, JSON.stringify({ url, fetchedAt, jwks } satisfies KeptDocument));
        isKept = true;
        count('written');
      } catch (error) {
        isKept = false;
        count('not_written');
        telemetry.log('error', 'keys_not_kept', { source: name, error: messageOf(error) });
      }
    },
  };
}

function fromText(text: string, url: string): KeptKeys {
  const document = parse(text);
  if (document?.url !== url) throw new Error('kept from another address');
  if (!Number.isSafeInteger(document.fetchedAt)) throw new Error('kept without a time');
  return { keys: createKeySet(document.jwks), fetchedAt: document.fetchedAt as EpochMillis };
}

/** Not the parser's own message, which quotes the text. */
function parse(text: string): Partial<KeptDocument> | null {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('not JSON');
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}
