import { defineConfig } from 'vitest/config';
import { doors, root } from './doors.ts';

/** The tests that are to notice a mutant of the cache of verified tokens. */
export default defineConfig({
  root,
  resolve: { alias: doors() },
  test: {
    include: ['test/unit/guard/cache*.test.ts'],
    setupFiles: ['test/mutation/one-seed.ts'],
    testTimeout: 60_000,
  },
});
