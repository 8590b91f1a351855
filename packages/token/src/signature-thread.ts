import { getPriority, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { EpochMillis } from '@rescind/revocation';
import type { CompactJwsParts } from './compact-jws.ts';
import { isSignedBy } from './signature.ts';
import type { SignatureRequest, SignatureResponse, ThreadKey, ThreadSetup, TokenReader } from './thread.ts';
import { NUMBERS_PER_TEXT } from './thread.ts';
import { createVerification } from './verifier.ts';

// The worker's own script. It must not be imported: it would listen to the messages of the importing thread.

/** Lower than the event loop, which serves requests. */
const NICENESS = 10;

function lowerPriority(): void {
  // On other systems the priority is that of the whole process.
  if (process.platform !== 'linux') return;
  try {
    // A process with a lower priority keeps it: this would raise that of the thread.
    if (getPriority() < NICENESS) setPriority(NICENESS);
  } catch {
    // A sandbox without priorities: the thread runs with the normal one.
  }
}
lowerPriority();

const { verifier, reader } = workerData as ThreadSetup;
const verification = createVerification({ ...verifier, keys: { find: () => undefined } });
const read = reader === undefined ? undefined : await createReader(reader);
const keys = new Map<number, ThreadKey>();

async function createReader({ module, settings }: NonNullable<ThreadSetup['reader']>): Promise<TokenReader> {
  const imported: { createReader(settings: unknown): TokenReader } = await import(module);
  return imported.createReader(settings);
}

/**
 * Parses a text and verifies its signature, unless the key is known to have signed it.
 * @returns undefined when either fails: the calling thread finds out why
 */
function verify(bytes: Buffer, { key, alg }: ThreadKey, isKnown: boolean): CompactJwsParts | undefined {
  try {
    const token = verification.parseParts(bytes.toString('latin1'));
    const isSigned = isKnown || isSignedBy(key, alg, bytes.subarray(0, token.signedLength), token.signature);
    return isSigned ? token : undefined;
  } catch {
    return undefined;
  }
}

/** Reads a token with a valid signature. @returns null when its claims are not valid, or nothing is read of it */
function readToken(token: CompactJwsParts, at: EpochMillis): unknown {
  try {
    return read?.(verification.finish(token, at)) ?? null;
  } catch {
    return null;
  }
}

function check({ bytes, texts, at }: SignatureRequest): Pick<SignatureResponse, 'valid' | 'readings'> {
  const all = Buffer.from(bytes.buffer);
  const valid = new Uint8Array(texts.length / NUMBERS_PER_TEXT);
  const readings: unknown[] = [];
  let from = 0;
  for (let index = 0; index < valid.length; index += 1) {
    const [length = 0, keyNumber = 0, isKnown = 0] = texts.subarray(index * NUMBERS_PER_TEXT);
    const key = keys.get(keyNumber);
    const token = key && verify(all.subarray(from, from + length), key, isKnown === 1);
    from += length;
    if (token !== undefined) valid[index] = 1;
    readings.push(token === undefined ? null : readToken(token, at));
  }
  return { valid, readings: read === undefined ? '' : JSON.stringify(readings) };
}

parentPort?.on('message', (request: SignatureRequest) => {
  for (const key of request.keys) keys.set(key.number, key);
  const response: SignatureResponse = { id: request.id, ...check(request), bytes: request.bytes };
  parentPort?.postMessage(response, [request.bytes.buffer]);
});
