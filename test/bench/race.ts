import type { Spread } from './case.ts';

/** One of the compared functions: does the work `times` times, and passes each result to `keep`. */
export interface Contestant {
  readonly name: string;
  run(times: number): void;
}

export interface RaceOptions {
  readonly rounds: number;
  /** How long one contestant runs in one round, in ms. */
  readonly burstMs: number;
}

/** How long each contestant is warmed up: the optimizing compiler requires some thousand calls and time of its own. */
const WARM_UP_MS = 300;

const sink = { odd: 0 };

/** Uses a result, so that the compiler does not remove the work that computed it. */
export function keep(answer: unknown): void {
  if (answer === undefined || answer === false) sink.odd++;
}

export const middle = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

export function spreadOf(name: string, values: readonly number[], unit: string): Spread {
  return { name, median: middle(values), min: Math.min(...values), max: Math.max(...values), unit };
}

/** The value at a share of the sorted ones, by nearest rank. */
export function quantileOf(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)] ?? Number.NaN;
}

/** The median, the 99th percentile and the maximum of durations in ms. */
export function latencyOf(name: string, values: readonly number[]): Spread {
  const [median, min, max] = [0.5, 0.99, 1].map((share) => quantileOf(values, share)) as [number, number, number];
  return { name: `${name} (median, p99, worst)`, median, min, max, unit: 'ms' };
}

/**
 * Measures contestants in turns, so that other load of the machine affects all of them alike: ns a call, per round. Ratios
 * are to be taken round by round.
 */
export function race(contestants: readonly Contestant[], { rounds, burstMs }: RaceOptions): Map<string, number[]> {
  const times = new Map<string, number>();
  for (const contestant of contestants) times.set(contestant.name, warmUp(contestant, burstMs));
  const measured = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants) {
      const calls = times.get(contestant.name) ?? 1;
      measured.get(contestant.name)?.push(timed(contestant, calls) / calls);
    }
  }
  return measured;
}

/** The median of the rounds' ratios: how many times as long the first takes as the second. */
export function ratio(measured: ReadonlyMap<string, readonly number[]>, of: string, to: string): number {
  const rival = measured.get(to) ?? [];
  return middle((measured.get(of) ?? []).map((value, round) => value / (rival[round] ?? Number.NaN)));
}

export const spreads = (measured: ReadonlyMap<string, readonly number[]>, unit = 'ns', by = 1): Spread[] =>
  [...measured].map(([name, values]) =>
    spreadOf(
      name,
      values.map((value) => value * by),
      unit,
    ),
  );

/** Warms a contestant up. @returns how many calls fill a burst */
function warmUp(contestant: Contestant, burstMs: number): number {
  let calls = 1;
  let last = timed(contestant, calls);
  for (const end = performance.now() + WARM_UP_MS; performance.now() < end; ) {
    if (last < burstMs * 1e6) calls *= 2;
    last = timed(contestant, calls);
  }
  return Math.max(1, Math.round((calls * burstMs * 1e6) / last));
}

function timed(contestant: Contestant, calls: number): number {
  const start = process.hrtime.bigint();
  contestant.run(calls);
  return Number(process.hrtime.bigint() - start);
}
