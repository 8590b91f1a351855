import { runRefreshes } from './run.ts';

/**
 * `node test/refreshes/main.ts [refreshes] [first seed] [seeds]`: refreshes under random faults, each seed by itself. Prints what the
 * issuer counted; the exit code is 1 if a session was lost or a token used twice.
 */
const [refreshes = 10_000, first = 1, seeds = 3] = process.argv.slice(2).map(Number);
if (![refreshes, first, seeds].every((value) => Number.isSafeInteger(value) && value > 0)) {
  console.error('usage: node test/refreshes/main.ts [refreshes] [first seed] [seeds]');
  process.exitCode = 64;
} else {
  for (let seed = first; seed < first + seeds; seed += 1) {
    const report = await runRefreshes(seed, refreshes);
    console.log(JSON.stringify(report));
    if (report.violations.length > 0) process.exitCode = 1;
  }
}
