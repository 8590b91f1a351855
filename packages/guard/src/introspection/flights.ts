/**
 * One flight per key. Whoever comes while it waits for its turn shares it; whoever comes when it has been sent shares the
 * next one, which starts when that is back: nobody is given an answer that is older than the question.
 */
export interface SingleFlight<T> {
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
export function createSingleFlight<T>(fly: (key: string, sent: () => void) => Promise<T>): SingleFlight<T> {
  const flights = new Map<string, Flight<T>>();

  function start(key: string): Flight<T> {
    let isSent = false;
    const answer = fly(key, () => {
      isSent = true;
    }).finally(() => {
      if (flights.get(key) === flight) flights.delete(key);
    });
    const flight: Flight<T> = { answer, isSent: () => isSent, next: undefined };
    flights.set(key, flight);
    return flight;
  }

  /** Whatever flies by then has left after the question that waits for this. */
  const after = (flight: Flight<T>, key: string) =>
    flight.answer.catch(() => undefined).then(() => (flights.get(key) ?? start(key)).answer);

  return {
    ask(key) {
      const flight = flights.get(key);
      if (flight === undefined) return start(key).answer;
      if (!flight.isSent()) return flight.answer;
      flight.next ??= after(flight, key);
      return flight.next;
    },
    count: () => flights.size,
  };
}
