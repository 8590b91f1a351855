import type { KeyObject } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import type { DurationMs, Telemetry } from '@rescind/revocation';
import type { Algorithm } from '../algorithm.ts';
import type { GatedParts } from '../gate.ts';
import { isSignedBy, signedText } from '../signature.ts';
import type { Answer, Question, ThreadKey } from './question.ts';
import { NUMBERS_A_PAIR } from './question.ts';

/** A signature and what it is to be of. */
export interface SignatureToCheck {
  readonly parts: GatedParts;
  readonly key: KeyObject;
  readonly alg: Algorithm;
}

/** Checks signatures in a thread of its own, which is there only while it has something to do. */
export interface Signatures {
  /** Whether each is good, in order. Never rejects: what the thread did not answer is checked here. */
  check(signatures: readonly SignatureToCheck[]): Promise<ArrayLike<number>>;
  close(): Promise<void>;
}

interface Waiting {
  readonly signatures: readonly SignatureToCheck[];
  readonly answer: (good: ArrayLike<number>) => void;
}

/** An idle thread gives back its 10 MB after this time: a catch-up comes in one go. */
const IDLE_MS: DurationMs = 10_000;

const checkHere = (signatures: readonly SignatureToCheck[]) =>
  signatures.map(({ key, alg, parts }) => (isSignedBy(key, alg, signedText(parts), parts.signature) ? 1 : 0));

export function openSignatures(telemetry: Telemetry): Signatures {
  let thread: Worker | undefined;
  let keys = new Map<KeyObject, ThreadKey>();
  let idle: NodeJS.Timeout | undefined;
  let asked = 0;
  let broken = false;
  const waiting = new Map<number, Waiting>();

  function start(): Worker {
    const started = new Worker(new URL('./signature-thread.ts', import.meta.url));
    started.unref();
    started.on('message', ({ number, good }: Answer) => {
      waiting.get(number)?.answer(good);
      waiting.delete(number);
      if (waiting.size === 0) idle = setTimeout(stop, IDLE_MS).unref();
    });
    started.on('error', (error) => fail(started, error.message));
    started.on('exit', () => fail(started, 'it ended'));
    keys = new Map();
    return started;
  }

  /** One that cannot be had here (no memory, no permission) is not tried again. */
  function fail(which: Worker, error: string): void {
    if (thread !== which) return;
    thread = undefined;
    broken = true;
    telemetry.count('rescind_signature_thread_failures_total');
    telemetry.log('warn', 'signature_thread_failed', { error });
    answerAll();
  }

  function answerAll(): void {
    for (const { signatures, answer } of waiting.values()) answer(checkHere(signatures));
    waiting.clear();
  }

  async function stop(): Promise<void> {
    const stopped = thread;
    thread = undefined;
    clearTimeout(idle);
    answerAll();
    await stopped?.terminate();
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

  function toQuestion(number: number, signatures: readonly SignatureToCheck[]): Question {
    const told: ThreadKey[] = [];
    const pairs = new Uint32Array(signatures.length * NUMBERS_A_PAIR);
    const size = signatures.reduce((sum, { parts }) => sum + parts.signedLength + parts.signature.length, 0);
    const bytes = Buffer.from(new ArrayBuffer(size));
    let at = 0;
    for (const [index, signature] of signatures.entries()) {
      const { parts } = signature;
      pairs.set([parts.signedLength, parts.signature.length, numberOf(signature, told)], index * NUMBERS_A_PAIR);
      // No more than is signed, and a character a byte: the gate lets nothing else through.
      bytes.write(parts.text, at, parts.signedLength, 'latin1');
      at += parts.signedLength;
      at += parts.signature.copy(bytes, at);
    }
    return { number, keys: told, bytes, pairs };
  }

  return {
    check(signatures) {
      if (signatures.length === 0) return Promise.resolve([]);
      if (broken) return Promise.resolve(checkHere(signatures));
      thread ??= start();
      clearTimeout(idle);
      asked += 1;
      const number = asked;
      const { promise, resolve } = Promise.withResolvers<ArrayLike<number>>();
      waiting.set(number, { signatures, answer: resolve });
      const question = toQuestion(number, signatures);
      thread.postMessage(question, [question.bytes.buffer, question.pairs.buffer]);
      return promise;
    },
    close: stop,
  };
}
