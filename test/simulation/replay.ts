import { run } from './model/world.ts';
import { MUTANTS } from './mutants.ts';

/**
 * Runs one seed and tells every step of every follower. `node test/simulation/replay.ts <seed> [mutant]`
 */
export function replay(seed: number, mutant?: string): void {
  run(seed, mutant === undefined ? {} : MUTANTS[mutant], (line) => console.log(line));
}

if (import.meta.main) replay(Number(process.argv[2]), process.argv[3]);
