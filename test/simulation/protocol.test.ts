import { describe, expect, it } from 'vitest';
import { run } from './model/world.ts';
import { MUTANTS } from './mutants.ts';
import { replay } from './replay.ts';

/**
 * The protocol as a whole: the relay's core, the follower's core, the merge, the judge and the issuer's clock as they
 * are, on an issuer, a topic, connections, disks and clocks that fail in every way there is. The error
 * names a failing seed, and `node test/simulation/replay.ts <seed>` prints its steps.
 */
const SEEDS = 4_000;
const SEEDS_A_TEST = 500;
/** Every mutant is detected within this number of seeds, most within ten. */
const SEEDS_A_MUTANT = 1_000;

function firstFailure(from: number, to: number, mutants = {}): { seed: number; error: unknown } | undefined {
  for (let seed = from; seed < to; seed += 1) {
    try {
      run(seed, mutants);
    } catch (error) {
      return { seed, error };
    }
  }
  return undefined;
}

describe('a follower with a complete view denies every acknowledged revocation, and its view becomes complete once faults end', () => {
  const starts = Array.from({ length: SEEDS / SEEDS_A_TEST }, (_, i) => 1 + i * SEEDS_A_TEST);
  it.each(starts)('holds from seed %i on', (from) => {
    const failure = firstFailure(from, from + SEEDS_A_TEST);
    if (failure !== undefined) {
      throw new Error(`seed ${failure.seed}: node test/simulation/replay.ts ${failure.seed}`, { cause: failure.error });
    }
  });
});

describe('the simulation detects that', () => {
  it.each(Object.entries(MUTANTS))('%s', (_, mutants) => {
    const failure = firstFailure(1, 1 + SEEDS_A_MUTANT, mutants);
    expect(failure?.error).toMatchObject({ name: 'Violation' });
  });
});

describe('a seed', () => {
  it('reproduces its run', () => {
    const runs = [1, 2].map(() => {
      const lines: string[] = [];
      replay(7, undefined, (line) => lines.push(line));
      // Ids are counted over all runs of a process.
      return lines.map((line) => line.replaceAll(/\be[0-9a-z]+\b/g, 'e'));
    });
    expect(runs[0]?.length).toBeGreaterThan(100);
    expect(runs[1]).toEqual(runs[0]);
  });
});
