import { defineConfig } from 'vitest/config';
import { entryPoints, root } from './entry-points.ts';

/** The tests that are to notice a mutant of the cache of verified tokens. */
export default defineConfig({
  root,
  resolve: { alias: entryPoints() },
  test: {
    // Keys that change and times that pass come from real servers.
    include: ['test/unit/guard/cache*.test.ts', 'test/integration/guard/races.test.ts'],
    setupFiles: ['test/mutation/one-seed.ts'],
    testTimeout: 60_000,
  },
});
