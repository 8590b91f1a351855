/** Lets so many go at once, and so many wait. */
export interface Semaphore {
  /** Resolves when it is one's turn, with what ends it. Undefined at once when there are too many. */
  take(): Promise<() => void> | undefined;
  waiting(): number;
}

export function createSemaphore({
  maxConcurrent,
  maxWaiting,
}: {
  maxConcurrent: number;
  maxWaiting: number;
}): Semaphore {
  let going = 0;
  const waiting: (() => void)[] = [];

  function leave(): void {
    const next = waiting.shift();
    // The place is handed on, not given back: nobody comes between.
    if (next === undefined) going -= 1;
    else next();
  }

  return {
    take() {
      if (going < maxConcurrent) {
        going += 1;
        return Promise.resolve(leave);
      }
      if (waiting.length >= maxWaiting) return undefined;
      return new Promise((resolve) => waiting.push(() => resolve(leave)));
    },
    waiting: () => waiting.length,
  };
}
