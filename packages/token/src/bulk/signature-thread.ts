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

/** Signatures to be checked. One buffer for all of them is handed over, not copied: texts would cost more than half of this. */
export interface Question {
  readonly number: number;
  /** Those that were not told before. */
  readonly keys: readonly ThreadKey[];
  /** What is signed and then its signature, one pair behind the other. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Of each pair: bytes signed, bytes of the signature, number of the key. */
  readonly pairs: Uint32Array<ArrayBuffer>;
}

/** How many numbers of `pairs` are about one. */
export const NUMBERS_A_PAIR = 3;

export interface Answer {
  readonly number: number;
  /** 1 for each signature that is good. */
  readonly good: Uint8Array;
}

const keys = new Map<number, ThreadKey>();

function check(bytes: Buffer, pairs: Uint32Array): Uint8Array {
  const good = new Uint8Array(pairs.length / NUMBERS_A_PAIR);
  let at = 0;
  for (let index = 0; index < good.length; index += 1) {
    const [signedLength = 0, signatureLength = 0, keyNumber = 0] = pairs.subarray(index * NUMBERS_A_PAIR);
    const by = keys.get(keyNumber);
    const signatureAt = at + signedLength;
    const signed = bytes.subarray(at, signatureAt);
    at = signatureAt + signatureLength;
    if (by !== undefined && isSignedBy(by.key, by.alg, signed, bytes.subarray(signatureAt, at))) good[index] = 1;
  }
  return good;
}

parentPort?.on('message', ({ number, keys: told, bytes, pairs }: Question) => {
  for (const key of told) keys.set(key.number, key);
  const answer: Answer = { number, good: check(Buffer.from(bytes.buffer), pairs) };
  parentPort?.postMessage(answer);
});
