import type { Clock, DurationMs } from '@rescind/revocation';

/** A circuit breaker: opens after consecutive failures, and after `breakMs` admits one call, whose result closes or opens it. */
export interface Breaker {
  /** Whether a call may start now. After `true` the caller must call `succeeded`, `failed` or `undecided`. */
  admits(): boolean;
  succeeded(): void;
  failed(): void;
  /** The call did not take place. */
  undecided(): void;
  state(): 'closed' | 'open' | 'half-open';
}

export interface BreakerOptions {
  readonly breakAfter: number;
  readonly breakMs: DurationMs;
}

export function createBreaker({ breakAfter, breakMs }: BreakerOptions, clock: Clock): Breaker {
  let failures = 0;
  let openUntil: DurationMs = 0;
  let testing = false;
  const isBroken = () => failures >= breakAfter;
  const isOpen = () => isBroken() && clock.monotonic() < openUntil;

  return {
    admits() {
      if (!isBroken()) return true;
      if (isOpen() || testing) return false;
      testing = true;
      return true;
    },
    succeeded() {
      failures = 0;
      testing = false;
    },
    failed() {
      failures += 1;
      testing = false;
      if (isBroken()) openUntil = clock.monotonic() + breakMs;
    },
    undecided() {
      testing = false;
    },
    state: () => (isOpen() ? 'open' : isBroken() ? 'half-open' : 'closed'),
  };
}

/**
 * Concurrent calls for one key share one request. A call that arrives before the request is sent shares it. A later call shares the
 * next request, which starts when the first returns. So no response is older than the call that it answers.
 */
export interface SingleFlight<T> {
  run(key: string): Promise<T>;
  /** The number of keys with a request under way. */
  count(): number;
}

interface Request<T> {
  readonly answer: Promise<T>;
  readonly isSent: () => boolean;
  next: Promise<T> | undefined;
}

/** @param fly sends the request, and calls `sent` when it leaves, in the same tick or later */
export function createSingleFlight<T>(fly: (key: string, sent: () => void) => Promise<T>): SingleFlight<T> {
  const flights = new Map<string, Request<T>>();

  function start(key: string): Request<T> {
    let isSent = false;
    const answer = fly(key, () => {
      isSent = true;
    }).finally(() => {
      if (flights.get(key) === flight) flights.delete(key);
    });
    const flight: Request<T> = { answer, isSent: () => isSent, next: undefined };
    flights.set(key, flight);
    return flight;
  }

  /** A request that is under way by then was sent after this call arrived. */
  const after = (flight: Request<T>, key: string) =>
    flight.answer.catch(() => undefined).then(() => (flights.get(key) ?? start(key)).answer);

  return {
    run(key) {
      const flight = flights.get(key);
      if (flight === undefined) return start(key).answer;
      if (!flight.isSent()) return flight.answer;
      flight.next ??= after(flight, key);
      return flight.next;
    },
    count: () => flights.size,
  };
}

/** Limits how many calls run at once, and how many wait. */
export interface Semaphore {
  /** Resolves with a function that releases the place. Returns undefined at once if too many calls wait. */
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
  let running = 0;
  const waiting: (() => void)[] = [];

  function release(): void {
    const next = waiting.shift();
    // Passes the place on without releasing it, so no new call overtakes a waiting one.
    if (next === undefined) running -= 1;
    else next();
  }

  return {
    take() {
      if (running < maxConcurrent) {
        running += 1;
        return Promise.resolve(release);
      }
      if (waiting.length >= maxWaiting) return undefined;
      return new Promise((resolve) => waiting.push(() => resolve(release)));
    },
    waiting: () => waiting.length,
  };
}
