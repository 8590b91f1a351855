/**
 * Where a reader may go on: the offset of the next record, and the time stamp of the one before. The topic may have
 * been made anew meanwhile, which Kafka does not tell; another time stamp at that place does.
 */
interface Hint {
  readonly next: bigint;
  readonly timestamp: string;
}

const FORMAT = /^(\d{1,19})@(-?\d{1,19})$/;

export const formatHint = (offset: bigint, timestamp: string): string => `${offset + 1n}@${timestamp}`;

/** Undefined for what is not a hint of ours: one starts from the earliest record then. */
function parseHint(text: string | null): Hint | undefined {
  const [, next, timestamp] = FORMAT.exec(text ?? '') ?? [];
  return next === undefined || timestamp === undefined ? undefined : { next: BigInt(next), timestamp };
}

/** The records a topic has: from `low`, up to but not including `high`. */
export interface Extent {
  readonly low: bigint;
  readonly high: bigint;
}

export interface StartingPoint {
  /** The offset to read from. */
  readonly from: bigint;
  /** The first offset to deliver: the one before it only proves that the topic is still the same. */
  readonly deliver: bigint;
  /** What the record at `from` must look like, if it is there at all. */
  readonly proof: Hint | undefined;
  /** Whether there was a hint that leads nowhere. */
  readonly discarded: 'beyond_end' | 'unreadable' | undefined;
}

/** Where to start: at the hint, unless it lies beyond the end (the topic was made anew); then at the earliest record. */
export function startingPoint(text: string | null, { low, high }: Extent): StartingPoint {
  const earliest = { from: low, deliver: low, proof: undefined };
  const hint = parseHint(text);
  if (hint === undefined) return { ...earliest, discarded: text === null ? undefined : 'unreadable' };
  if (hint.next > high) return { ...earliest, discarded: 'beyond_end' };
  // What the hint speaks of has been forgotten by age: what is there now all comes after it.
  if (hint.next <= low) return { ...earliest, discarded: undefined };
  return { from: hint.next - 1n, deliver: hint.next, proof: hint, discarded: undefined };
}
