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
  /** Durable when it returns. A crash or a power cut leaves this mark or the former one. */
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

/** The file has two lines of this length, in bytes: each is within one sector of a disk, and longer than any mark. */
const LINE_BYTES = 512;
const EMPTY_LINE = toLine('');

/**
 * Each write overwrites the older of two lines, which costs one sync of the disk. A torn line is not JSON; the other one then has the
 * former mark. Earlier versions wrote one line.
 */
export function createHighWatermarkFile(directory: PrivateDirectory): HighWatermarkFile {
  /** The offset of the older line; undefined: this process has not written the file yet. */
  let older: number | undefined;
  /** The last epoch that was announced. Marks of the former epoch keep it, because its transaction may still be open. */
  let announced: string | undefined;
  return {
    read() {
      const lines = directory.read(HIGH_WATER)?.split('\n');
      if (lines === undefined) return undefined;
      return (
        lines.map(parse).reduce((newest, mark) => (isNewer(mark, newest) ? mark : newest), undefined) ?? 'unreadable'
      );
    },
    write({ epoch, head, id, next }) {
      announced = next ?? announced;
      const line = toLine(JSON.stringify({ epoch, head, id, next: announced === epoch ? undefined : announced }));
      if (older !== undefined && directory.overwrite(HIGH_WATER, line, older, 2 * LINE_BYTES)) {
        older = LINE_BYTES - older;
        return;
      }
      directory.write(HIGH_WATER, line + EMPTY_LINE);
      older = LINE_BYTES;
    },
  };
}

/** @throws RangeError for a longer text */
function toLine(text: string): string {
  if (text.length >= LINE_BYTES)
    throw new RangeError(`a line of ${HIGH_WATER} must be shorter than ${LINE_BYTES} bytes`);
  return `${text.padEnd(LINE_BYTES - 1)}\n`;
}

function isNewer(mark: HighWatermark | undefined, than: HighWatermark | undefined): boolean {
  if (mark === undefined || than === undefined) return mark !== undefined;
  if (mark.epoch !== than.epoch) return mark.epoch > than.epoch;
  return mark.head > than.head || (mark.head === than.head && mark.next !== undefined);
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
