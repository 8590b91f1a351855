import type { KeyObject } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import type { EpochMillis } from '@rescind/revocation';
import type { Algorithm } from './jwk.ts';
import type { SignedParts } from './signature.ts';
import { isSignedBy, signingInput } from './signature.ts';
import type { VerifiedToken, VerifierOptions } from './verifier.ts';

/** A token whose header was parsed, with the key that must have signed it. Its other parts have not been parsed. */
export interface SignatureToCheck extends Omit<SignedParts, 'signature'> {
  readonly key: KeyObject;
  readonly alg: Algorithm;
  /** Whether the key is known to have signed the text in another way: its signature is not computed. */
  readonly isKnown: boolean;
}

/** The results of a list of signatures, in order. */
export interface SignatureResults {
  /** 1 for each valid signature, else 0. */
  readonly valid: ArrayLike<number>;
  /** What the reader of the thread made of each token; null or absent: nothing, and the calling thread parses the token. */
  readonly readings: readonly unknown[];
}

/** Makes a value that JSON can represent of a verified token. Undefined: the calling thread reads it. */
export type TokenReader = (token: VerifiedToken) => unknown;

/** What a thread has from its start: `workerData`. */
export interface ThreadSetup {
  /** The options of the verifier, without its keys, which each request names. */
  readonly verifier: Omit<VerifierOptions, 'keys'>;
  /** The URL of a module that exports `createReader(settings)`, which returns a `TokenReader`; undefined: nothing is read. */
  readonly reader: { readonly module: string; readonly settings: object } | undefined;
}

/** A key of the thread, with the number that `pairs` names it by. */
export interface ThreadKey {
  readonly number: number;
  readonly key: KeyObject;
  readonly alg: Algorithm;
}

/** A message to the thread. It transfers one buffer, since a copy of the texts would take more than half of the time. */
export interface SignatureRequest {
  readonly id: number;
  /** The time at which the claims must be valid. */
  readonly at: EpochMillis;
  /** Keys that earlier requests to this thread did not have. */
  readonly keys: readonly ThreadKey[];
  /** The texts, one after another. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Of each text: its length, the number of its key, and 1 if that is known to have signed it. */
  readonly texts: Uint32Array<ArrayBuffer>;
}

/** How many numbers each text has in `texts`. */
export const NUMBERS_PER_TEXT = 3;

/** A message of the thread. */
export interface SignatureResponse {
  readonly id: number;
  /** 1 for each valid signature. */
  readonly valid: Uint8Array;
  /** The readings, as JSON: to copy one text costs less than to copy thousands of objects. Empty: there are none. */
  readonly readings: string;
  /** The buffer of the request, transferred back. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A thread that verifies signatures. */
export interface SignatureThread {
  /** Never rejects: when the thread ends, the calling thread verifies what it has not answered. */
  check(signatures: readonly SignatureToCheck[], at: EpochMillis): Promise<SignatureResults>;
  /** How many calls of `check` it has not answered. */
  pending(): number;
  stop(): Promise<void>;
}

interface ThreadListener {
  /** Called after each answer. */
  answered(): void;
  /** Called once, when the thread has ended without `stop`. */
  failed(error: string): void;
}

interface PendingCheck {
  readonly signatures: readonly SignatureToCheck[];
  readonly resolve: (results: SignatureResults) => void;
}

/** Size of a reused buffer: one and a half times that of 256 events with one entry each. */
const BUFFER_BYTES = 512 * 1024;

const isValid = (signature: SignatureToCheck) => {
  const { key, alg, text, signedLength, isKnown } = signature;
  return (
    isKnown || isSignedBy(key, alg, signingInput(signature), Buffer.from(text.slice(signedLength + 1), 'base64url'))
  );
};

/** Verifies signatures in the calling thread. */
export const checkHere = (signatures: readonly SignatureToCheck[]): SignatureResults => ({
  valid: signatures.map((signature) => (isValid(signature) ? 1 : 0)),
  readings: [],
});

/** Starts a thread. @throws Error when it cannot be started */
export function openSignatureThread(setup: ThreadSetup, { answered, failed }: ThreadListener): SignatureThread {
  const keys = new Map<KeyObject, ThreadKey>();
  const pending = new Map<number, PendingCheck>();
  /** Buffers that the thread has transferred back: the kernel would clear new memory page by page. */
  const spare: ArrayBuffer[] = [];
  let lastId = 0;
  let isEnded = false;

  const worker = new Worker(new URL('./signature-thread.ts', import.meta.url), { workerData: setup });
  worker.unref();
  worker.on('message', ({ id, valid, readings, bytes }: SignatureResponse) => {
    if (bytes.byteLength === BUFFER_BYTES) spare.push(bytes.buffer);
    pending.get(id)?.resolve({ valid, readings: readings === '' ? [] : JSON.parse(readings) });
    pending.delete(id);
    answered();
  });
  worker.on('error', (error) => fail(error.message));
  worker.on('exit', () => fail('it ended'));

  function fail(error: string): void {
    if (isEnded) return;
    failed(error);
    end();
  }

  function end(): void {
    isEnded = true;
    for (const { signatures, resolve } of pending.values()) resolve(checkHere(signatures));
    pending.clear();
  }

  /** The thread's number of a key. A key that the thread does not have is added to `added`. */
  function numberOf({ key, alg }: SignatureToCheck, added: ThreadKey[]): number {
    const known = keys.get(key);
    if (known !== undefined) return known.number;
    const threadKey = { number: keys.size, key, alg };
    keys.set(key, threadKey);
    added.push(threadKey);
    return threadKey.number;
  }

  function bufferOf(size: number): Buffer<ArrayBuffer> {
    return Buffer.from(size > BUFFER_BYTES ? new ArrayBuffer(size) : (spare.pop() ?? new ArrayBuffer(BUFFER_BYTES)));
  }

  function toRequest(id: number, signatures: readonly SignatureToCheck[], at: EpochMillis): SignatureRequest {
    const added: ThreadKey[] = [];
    const texts = new Uint32Array(signatures.length * NUMBERS_PER_TEXT);
    // Characters beyond ASCII take more bytes than characters: with less room the texts behind them would be cut off.
    const bytes = bufferOf(signatures.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0));
    let written = 0;
    for (const [index, signature] of signatures.entries()) {
      // Of characters beyond ASCII UTF-8 makes bytes that are no base64url: the thread refuses them.
      const length = bytes.write(signature.text, written, 'utf8');
      written += length;
      texts.set([length, numberOf(signature, added), signature.isKnown ? 1 : 0], index * NUMBERS_PER_TEXT);
    }
    return { id, at, keys: added, bytes, texts };
  }

  return {
    check(signatures, at) {
      if (isEnded) return Promise.resolve(checkHere(signatures));
      lastId += 1;
      const { promise, resolve } = Promise.withResolvers<SignatureResults>();
      pending.set(lastId, { signatures, resolve });
      const request = toRequest(lastId, signatures, at);
      worker.postMessage(request, [request.bytes.buffer, request.texts.buffer]);
      return promise;
    },
    pending: () => pending.size,
    async stop() {
      end();
      await worker.terminate();
    },
  };
}
