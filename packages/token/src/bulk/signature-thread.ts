import type { KeyObject } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { Algorithm } from '../algorithm.ts';
import { isSignedBy } from '../signature.ts';

/** A key of this thread, under the number by which signatures name it. */
export interface ThreadKey {
  readonly number: number;
  readonly key: KeyObject;
  readonly alg: Algorithm;
}

/** Signatures to be checked, one behind the other in each list. */
export interface Question {
  readonly number: number;
  /** Those that were not told before. */
  readonly keys: readonly ThreadKey[];
  readonly texts: readonly string[];
  /** Up to where each text is signed; after it come a dot and the signature. */
  readonly signedLengths: readonly number[];
  readonly keyNumbers: readonly number[];
}

export interface Answer {
  readonly number: number;
  /** 1 for each signature that is good. */
  readonly good: Uint8Array;
}

const keys = new Map<number, ThreadKey>();

function isGood(text: string, signedLength: number, by: ThreadKey | undefined): boolean {
  if (by === undefined) return false;
  const signature = Buffer.from(text.slice(signedLength + 1), 'base64url');
  return isSignedBy(by.key, by.alg, { text, signedLength, signature });
}

parentPort?.on('message', ({ number, keys: told, texts, signedLengths, keyNumbers }: Question) => {
  for (const key of told) keys.set(key.number, key);
  const good = Uint8Array.from(texts, (text, at) => {
    return isGood(text, signedLengths[at] ?? 0, keys.get(keyNumbers[at] ?? -1)) ? 1 : 0;
  });
  const answer: Answer = { number, good };
  parentPort?.postMessage(answer);
});
