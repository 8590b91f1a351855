import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { SigningKey } from '@rescind/token/signing';
import { generateSigningKey, signingKeyFromPem, signingKeyToPem } from '@rescind/token/signing';

/** A log of a million events in files: what an instance that was away has to catch up with. */
export interface EventFiles {
  readonly directory: string;
  readonly events: number;
}

export const EPOCH = '0000000001-aaaaaaaaaaaaaaaa';
/** The size of the length, in bytes, that precedes each event in the file. */
export const LENGTH_BYTES = 4;
const PARTS = 2;

/** The id of the event with this seq, which the thread that signs the next event computes too. */
export const eventId = (seq: number) =>
  createHash('sha256').update(`event ${seq}`).digest().toString('base64url', 0, 16);

export const partsOf = ({ events }: EventFiles) =>
  Array.from({ length: PARTS }, (_, part) => ({
    name: `events-${part}`,
    from: Math.floor((events * part) / PARTS) + 1,
    to: Math.floor((events * (part + 1)) / PARTS),
  }));

export function readKey(directory: string, name: 'event' | 'token'): SigningKey {
  return signingKeyFromPem(readFileSync(join(directory, `${name}-key.pem`), 'utf8'));
}

/** Writes keys for all processes that have to use the same ones. */
export function writeKeys(directory: string): void {
  for (const name of ['event', 'token']) {
    writeFileSync(join(directory, `${name}-key.pem`), signingKeyToPem(generateSigningKey()));
  }
}

/** Signs the events in as many threads as there are files; 250 µs each. */
export async function makeEventFiles(files: EventFiles): Promise<void> {
  writeKeys(files.directory);
  await Promise.all(partsOf(files).map((part) => signInThread(files, part)));
}

function signInThread({ directory }: EventFiles, part: { name: string; from: number; to: number }): Promise<void> {
  const thread = fileURLToPath(new URL('../processes/sign-events.ts', import.meta.url));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  new Worker(thread, { workerData: { directory, ...part } })
    .on('error', reject)
    .on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`signing ended with ${code}`))));
  return promise;
}
