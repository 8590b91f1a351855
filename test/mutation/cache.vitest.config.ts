import { defineConfig } from 'vitest/config';
import { entryPoints, root } from './entry-points.ts';

/** The tests that must detect mutants of the cache of verified tokens. */
export default defineConfig({
  root,
  resolve: { alias: entryPoints() },
  test: {
    // races.test.ts covers changed keys and passing time, with real servers.
    include: ['test/unit/guard/cache*.test.ts', 'test/integration/guard/races.test.ts'],
    setupFiles: ['test/mutation/one-seed.ts'],
    testTimeout: 60_000,
  },
});
