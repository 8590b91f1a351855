import { RescindError } from '@rescind/revocation';

/** Runs work a few at a time. */
export type Slots = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * @param limit how much runs at once
 * @param queue how much may wait; more is refused with `busy`
 */
export function createSlots(limit: number, queue: number): Slots {
  let running = 0;
  const waiting: (() => void)[] = [];
  const release = () => {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  };
  return async (work) => {
    if (running < limit) running++;
    else if (waiting.length >= queue) throw new RescindError('busy', { retryAfter: 1 });
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      release();
    }
  };
}
