import type { KeyObject } from 'node:crypto';
import type { Algorithm } from '../algorithm.ts';

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
  /** The question's, given back. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}
