import type { KeyObject } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import type { Algorithm } from './jwk.ts';
import type { SignedParts } from './signature.ts';
import { isSignedBy, signingInput } from './signature.ts';

/** A token whose header was parsed, with the key that must have signed it. Its encoding has not been checked. */
export interface SignatureToCheck extends Omit<SignedParts, 'signature'> {
  readonly key: KeyObject;
  readonly alg: Algorithm;
}

/** Of each signature, in order, 1 if it is valid, else 0. */
export type SignatureResults = ArrayLike<number>;

/** A key of the thread, with the number that `pairs` names it by. */
export interface ThreadKey {
  readonly number: number;
  readonly key: KeyObject;
  readonly alg: Algorithm;
}

/** A message to the thread. It transfers one buffer, since a copy of the texts would take more than half of the time. */
export interface SignatureRequest {
  readonly id: number;
  /** Keys that earlier requests to this thread did not have. */
  readonly keys: readonly ThreadKey[];
  /** The pairs of signing input and signature, one after another. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Of each pair: length of the signing input, length of the signature, number of the key. */
  readonly pairs: Uint32Array<ArrayBuffer>;
}

/** How many numbers each pair has in `pairs`. */
export const NUMBERS_PER_PAIR = 3;

/** A message of the thread. */
export interface SignatureResponse {
  readonly id: number;
  /** 1 for each valid signature. */
  readonly results: Uint8Array;
  /** The buffer of the request, transferred back. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A thread that verifies signatures. */
export interface SignatureThread {
  /** Never rejects: when the thread ends, the calling thread verifies what it has not answered. */
  check(signatures: readonly SignatureToCheck[]): Promise<SignatureResults>;
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

const encodedSignature = ({ text, signedLength }: SignatureToCheck) => text.slice(signedLength + 1);

const isValid = (signature: SignatureToCheck) =>
  isSignedBy(
    signature.key,
    signature.alg,
    signingInput(signature),
    Buffer.from(encodedSignature(signature), 'base64url'),
  );

/** Verifies signatures in the calling thread. */
export const checkHere = (signatures: readonly SignatureToCheck[]): SignatureResults =>
  signatures.map((signature) => (isValid(signature) ? 1 : 0));

/** Starts a thread. @throws Error when it cannot be started */
export function openSignatureThread({ answered, failed }: ThreadListener): SignatureThread {
  const keys = new Map<KeyObject, ThreadKey>();
  const pending = new Map<number, PendingCheck>();
  /** Buffers that the thread has transferred back: the kernel would clear new memory page by page. */
  const spare: ArrayBuffer[] = [];
  let lastId = 0;
  let isEnded = false;

  const worker = new Worker(new URL('./signature-thread.ts', import.meta.url));
  worker.unref();
  worker.on('message', ({ id, results, bytes }: SignatureResponse) => {
    if (bytes.byteLength === BUFFER_BYTES) spare.push(bytes.buffer);
    pending.get(id)?.resolve(results);
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

  function toRequest(id: number, signatures: readonly SignatureToCheck[]): SignatureRequest {
    const added: ThreadKey[] = [];
    const pairs = new Uint32Array(signatures.length * NUMBERS_PER_PAIR);
    // A decoded signature has fewer bytes than its encoding has characters.
    const bytes = bufferOf(signatures.reduce((sum, { text }) => sum + text.length, 0));
    let at = 0;
    let pair = 0;
    for (const signature of signatures) {
      const { text, signedLength } = signature;
      // One byte per character. `parseParts`, which runs after this, refuses texts with characters beyond ASCII.
      bytes.write(text, at, signedLength, 'latin1');
      at += signedLength;
      const length = bytes.write(encodedSignature(signature), at, 'base64url');
      at += length;
      pairs[pair] = signedLength;
      pairs[pair + 1] = length;
      pairs[pair + 2] = numberOf(signature, added);
      pair += NUMBERS_PER_PAIR;
    }
    return { id, keys: added, bytes, pairs };
  }

  return {
    check(signatures) {
      if (isEnded) return Promise.resolve(checkHere(signatures));
      lastId += 1;
      const { promise, resolve } = Promise.withResolvers<SignatureResults>();
      pending.set(lastId, { signatures, resolve });
      const request = toRequest(lastId, signatures);
      worker.postMessage(request, [request.bytes.buffer, request.pairs.buffer]);
      return promise;
    },
    pending: () => pending.size,
    async stop() {
      end();
      await worker.terminate();
    },
  };
}
