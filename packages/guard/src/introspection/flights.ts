/**
 * One flight per key. Whoever comes while it waits for its turn shares it; whoever comes when it has been sent shares the
 * next one, which starts when that is back: nobody is given an answer that is older than the question.
 */
export interface Flights<T> {
  ask(key: string): Promise<T>;
  /** How many keys are being asked about. */
  count(): number;
}

interface Flight<T> {
  readonly answer: Promise<T>;
  readonly isSent: () => boolean;
  next: Promise<T> | undefined;
}

/** @param fly asks; calls `sent` when the question leaves, in the same tick or later */
export function createFlights<T>(fly: (key: string, sent: () => void) => Promise<T>): Flights<T> {
  const flights = new Map<string, Flight<T>>();

  function start(key: string): Promise<T> {
    let isSent = false;
    const sent = () => {
      isSent = true;
    };
    const answer = fly(key, sent).finally(() => flights.delete(key));
    flights.set(key, { answer, isSent: () => isSent, next: undefined });
    return answer;
  }

  return {
    ask(key) {
      const flight = flights.get(key);
      if (flight === undefined) return start(key);
      if (!flight.isSent()) return flight.answer;
      flight.next ??= flight.answer.catch(() => undefined).then(() => start(key));
      return flight.next;
    },
    count: () => flights.size,
  };
}
