import type { PrivateDirectory } from './directory.ts';

/** The head of the log at the last response. A restored database has an earlier head, by which it is detected. */
export interface HighWatermark {
  readonly epoch: string;
  readonly head: number;
  readonly id: string | null;
  /** An epoch that was about to be opened: the database may be in it already. */
  readonly next?: string;
}

export interface HighWatermarkFile {
  /** `undefined`: there is no file. `'unreadable'`: there is one, but it has not the format of this file. */
  read(): HighWatermark | undefined | 'unreadable';
  write(mark: HighWatermark): void;
}

/** Signed proofs of readers that the database was restored, kept until a new epoch makes them void. */
export interface ProofFile {
  read(): string[];
  add(jws: string): void;
  clear(): void;
}

const HIGH_WATER = 'high-water.json';
const PROOFS = 'proofs.txt';
/** A few prove the restore, and how far the log had advanced before it. */
const MAX_PROOFS = 64;

export function createHighWatermarkFile(directory: PrivateDirectory): HighWatermarkFile {
  return {
    read() {
      const text = directory.read(HIGH_WATER);
      return text === undefined ? undefined : (parse(text) ?? 'unreadable');
    },
    write({ epoch, head, id, next }) {
      directory.write(HIGH_WATER, `${JSON.stringify({ epoch, head, id, next })}\n`);
    },
  };
}

export function createProofFile(directory: PrivateDirectory): ProofFile {
  const read = () => (directory.read(PROOFS) ?? '').split('\n').filter((line) => line !== '');
  return {
    read,
    add(jws) {
      const held = read();
      if (held.includes(jws)) return;
      // The first proves the restore, the latest how far the log had advanced.
      const kept = held.length < MAX_PROOFS ? held : [...held.slice(0, 1), ...held.slice(2)];
      directory.write(PROOFS, `${[...kept, jws].join('\n')}\n`);
    },
    clear() {
      if (directory.names().includes(PROOFS)) directory.remove(PROOFS);
    },
  };
}

function parse(text: string): HighWatermark | undefined {
  try {
    const { epoch, head, id, next } = JSON.parse(text);
    const isGood = typeof epoch === 'string' && Number.isSafeInteger(head) && (id === null || typeof id === 'string');
    if (!isGood) return undefined;
    return { epoch, head, id, ...(typeof next === 'string' ? { next } : {}) };
  } catch {
    return undefined;
  }
}
