import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { isSignedBy } from './signature.ts';
import type { SignatureRequest, SignatureResponse, ThreadKey } from './thread.ts';
import { NUMBERS_PER_PAIR } from './thread.ts';

// The worker's own script. It must not be imported: it would listen to the messages of the importing thread.

/** Lower than the event loop, which serves requests. */
const NICENESS = 10;

function lowerPriority(): void {
  // On other systems the priority is that of the whole process.
  if (process.platform !== 'linux') return;
  try {
    setPriority(NICENESS);
  } catch {
    // A sandbox without priorities: the thread runs with the normal one.
  }
}
lowerPriority();

const keys = new Map<number, ThreadKey>();

function check(bytes: Buffer, pairs: Uint32Array): Uint8Array {
  const results = new Uint8Array(pairs.length / NUMBERS_PER_PAIR);
  let at = 0;
  for (let index = 0; index < results.length; index += 1) {
    const [signedLength = 0, signatureLength = 0, keyNumber = 0] = pairs.subarray(index * NUMBERS_PER_PAIR);
    const by = keys.get(keyNumber);
    const signatureAt = at + signedLength;
    const signed = bytes.subarray(at, signatureAt);
    at = signatureAt + signatureLength;
    if (by !== undefined && isSignedBy(by.key, by.alg, signed, bytes.subarray(signatureAt, at))) results[index] = 1;
  }
  return results;
}

parentPort?.on('message', ({ id, keys: added, bytes, pairs }: SignatureRequest) => {
  for (const key of added) keys.set(key.number, key);
  const response: SignatureResponse = { id, results: check(Buffer.from(bytes.buffer), pairs), bytes };
  parentPort?.postMessage(response, [bytes.buffer]);
});
