/** When a text arrived at each reader. */
export interface Arrival {
  readonly text: string;
  /** By the monotonic clock of the machine (`clockMs`), one for each reader. */
  readonly times: readonly number[];
}

/** ms of the monotonic clock, which all processes of a Linux machine share. */
export const clockMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Prints a text as JSON, with its times, once all `readers` have it. A repeated arrival is ignored. */
export function createArrivals(readers: number): (text: string, reader: number) => void {
  const seen = new Map<string, { readonly times: number[]; missing: number }>();
  let last = '';
  return (text, reader) => {
    // A text that has arrived everywhere may arrive at one process again.
    if (text === last) return;
    const arrived = seen.get(text) ?? { times: [], missing: readers };
    seen.set(text, arrived);
    const { times } = arrived;
    if (times[reader] !== undefined) return;
    times[reader] = clockMs();
    arrived.missing -= 1;
    if (arrived.missing > 0) return;
    last = text;
    seen.delete(text);
    process.stdout.write(`${JSON.stringify({ text, times } satisfies Arrival)}\n`);
  };
}

/** So many readers join their groups at a time: a broker answers more of them too late. */
const JOINING = 50;

/** Opens readers, a few at a time. @returns what `open` returned, in order */
export async function openReaders<T>(readers: number, open: (reader: number) => Promise<T>): Promise<T[]> {
  const opened: T[] = [];
  while (opened.length < readers) {
    const slice = Array.from(
      { length: Math.min(JOINING, readers - opened.length) },
      (_, index) => opened.length + index,
    );
    opened.push(...(await Promise.all(slice.map(open))));
  }
  return opened;
}
