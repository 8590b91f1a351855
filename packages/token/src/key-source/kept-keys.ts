import type { EpochMillis } from '@rescind/revocation';
import type { KeySet } from '../key-set.ts';
import { createKeySet } from '../key-set.ts';

/** Where text is kept across restarts, by name; a denylist is one. */
export interface KeyDocuments {
  read(name: string): string | undefined;
  write(name: string, text: string): void;
}

/** Keys of an earlier fetch. */
export interface KeptKeys {
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

/** The text to keep of a set that was fetched from `url`. */
export function toKeptText(url: string, fetchedAt: EpochMillis, jwks: unknown): string {
  return JSON.stringify({ url, fetchedAt, jwks } satisfies KeptDocument);
}

/**
 * Reads what `toKeptText` wrote.
 *
 * @throws Error when it cannot be used; keys of another address cannot
 */
export function fromKeptText(text: string, url: string): KeptKeys {
  const document: Partial<KeptDocument> | null = JSON.parse(text);
  if (document?.url !== url) throw new Error('kept from another address');
  if (!Number.isSafeInteger(document.fetchedAt)) throw new Error('kept without a time');
  return { keys: createKeySet(document.jwks), fetchedAt: document.fetchedAt as EpochMillis };
}
