import type { KeyObject } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import type { Algorithm } from '../algorithm.ts';
import type { SignedParts } from '../signature.ts';
import { isSignedBy, signedText } from '../signature.ts';
import type { Answer, Question, ThreadKey } from './question.ts';
import { NUMBERS_A_PAIR } from './question.ts';

/** A text with its signature at its end, and whose that is to be. Whether it is spelled rightly is another question. */
export interface SignatureToCheck extends Omit<SignedParts, 'signature'> {
  readonly key: KeyObject;
  readonly alg: Algorithm;
}

/** Of each signature, in order, 1 if it is good. */
export type Good = ArrayLike<number>;

/** One thread. */
export interface SignatureThread {
  /** Never rejects: what it has not answered when it ends is checked here. */
  ask(signatures: readonly SignatureToCheck[]): Promise<Good>;
  /** How many questions it has not answered. */
  waiting(): number;
  stop(): Promise<void>;
}

export interface ThreadEvents {
  /** When it has answered. */
  onAnswer(): void;
  /** When it has ended by itself. */
  onFailure(error: string): void;
}

interface Waiting {
  readonly signatures: readonly SignatureToCheck[];
  readonly answer: (good: Good) => void;
}

/** What 256 events of one entry take, and half as much again. */
const ROOM_BYTES = 512 * 1024;

const encodedSignature = ({ text, signedLength }: SignatureToCheck) => text.slice(signedLength + 1);

const isGood = (one: SignatureToCheck) =>
  isSignedBy(one.key, one.alg, signedText(one), Buffer.from(encodedSignature(one), 'base64url'));

export const checkHere = (signatures: readonly SignatureToCheck[]): Good =>
  signatures.map((one) => (isGood(one) ? 1 : 0));

export function openSignatureThread({ onAnswer, onFailure }: ThreadEvents): SignatureThread {
  const keys = new Map<KeyObject, ThreadKey>();
  const waiting = new Map<number, Waiting>();
  /** Memory that it has given back: new memory would have to be cleared, page by page. */
  const spare: ArrayBuffer[] = [];
  let asked = 0;
  let ended = false;

  const worker = new Worker(new URL('./signature-thread.ts', import.meta.url));
  worker.unref();
  worker.on('message', ({ number, good, bytes }: Answer) => {
    if (bytes.byteLength === ROOM_BYTES) spare.push(bytes.buffer);
    waiting.get(number)?.answer(good);
    waiting.delete(number);
    onAnswer();
  });
  worker.on('error', (error) => fail(error.message));
  worker.on('exit', () => fail('it ended'));

  function fail(error: string): void {
    if (ended) return;
    onFailure(error);
    end();
  }

  function end(): void {
    ended = true;
    for (const { signatures, answer } of waiting.values()) answer(checkHere(signatures));
    waiting.clear();
  }

  /** The number under which the thread knows a key; one it does not is told with the question. */
  function numberOf({ key, alg }: SignatureToCheck, told: ThreadKey[]): number {
    const known = keys.get(key);
    if (known !== undefined) return known.number;
    const added = { number: keys.size, key, alg };
    keys.set(key, added);
    told.push(added);
    return added.number;
  }

  function roomFor(size: number): Buffer<ArrayBuffer> {
    return Buffer.from(size > ROOM_BYTES ? new ArrayBuffer(size) : (spare.pop() ?? new ArrayBuffer(ROOM_BYTES)));
  }

  function toQuestion(number: number, signatures: readonly SignatureToCheck[]): Question {
    const told: ThreadKey[] = [];
    const pairs = new Uint32Array(signatures.length * NUMBERS_A_PAIR);
    // A signature takes less in bytes than in characters.
    const bytes = roomFor(signatures.reduce((sum, { text }) => sum + text.length, 0));
    let at = 0;
    let pair = 0;
    for (const signature of signatures) {
      const { text, signedLength } = signature;
      // A character a byte: whoever writes others to get the same bytes is found out by the gate, which comes after.
      bytes.write(text, at, signedLength, 'latin1');
      at += signedLength;
      const length = bytes.write(encodedSignature(signature), at, 'base64url');
      at += length;
      pairs[pair] = signedLength;
      pairs[pair + 1] = length;
      pairs[pair + 2] = numberOf(signature, told);
      pair += NUMBERS_A_PAIR;
    }
    return { number, keys: told, bytes, pairs };
  }

  return {
    ask(signatures) {
      if (ended) return Promise.resolve(checkHere(signatures));
      asked += 1;
      const { promise, resolve } = Promise.withResolvers<Good>();
      waiting.set(asked, { signatures, answer: resolve });
      const question = toQuestion(asked, signatures);
      worker.postMessage(question, [question.bytes.buffer, question.pairs.buffer]);
      return promise;
    },
    waiting: () => waiting.size,
    async stop() {
      end();
      await worker.terminate();
    },
  };
}
