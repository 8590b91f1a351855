import { defineConfig } from 'vitest/config';
import { entryPoints, root } from './entry-points.ts';

/** The tests that must detect mutants of judge, merge, parser and verifier: fast, and without a broker. */
export default defineConfig({
  root,
  resolve: { alias: entryPoints() },
  test: {
    include: ['test/unit/revocation/**/*.test.ts', 'test/unit/token/**/*.test.ts', 'test/unit/hostile/**/*.test.ts'],
    // Excluded for its time: thousands of runs for each mutant, each with a signature or two. The other tests cover the same cases by name.
    exclude: ['test/unit/token/mutations.test.ts'],
    setupFiles: ['test/mutation/one-seed.ts'],
    testTimeout: 60_000,
  },
});
