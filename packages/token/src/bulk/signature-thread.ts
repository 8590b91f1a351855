import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { isSignedBy } from '../signature.ts';
import type { Answer, Question, ThreadKey } from './question.ts';
import { NUMBERS_A_PAIR } from './question.ts';

// The thread itself: never to be imported, or it would listen to the messages of whoever does.

/** Requests come first: this takes what they leave. */
const NICENESS = 10;

function giveWay(): void {
  // Elsewhere it would be said of the whole process.
  if (process.platform !== 'linux') return;
  try {
    setPriority(NICENESS);
  } catch {
    // A sandbox that knows no priorities: then it takes its turn like any other thread.
  }
}
giveWay();

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
  const answer: Answer = { number, good: check(Buffer.from(bytes.buffer), pairs), bytes };
  parentPort?.postMessage(answer, [bytes.buffer]);
});
