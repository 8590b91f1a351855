import { run } from './model/world.ts';
import { MUTANTS } from './mutants.ts';

/**
 * Runs one seed and prints every step of every follower: `node test/simulation/replay.ts <seed> [mutant]`.
 *
 * @throws what is wrong with it
 */
export function replay(seed: number, mutant?: string, tell: (line: string) => void = console.log): void {
  run(seed, mutant === undefined ? {} : MUTANTS[mutant], tell);
}

if (import.meta.main) replay(Number(process.argv[2]), process.argv[3]);
