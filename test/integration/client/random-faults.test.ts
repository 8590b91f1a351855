import { expect, test } from 'vitest';
import { runRefreshes } from '../../refreshes/run.ts';

// `npm run test:refreshes` has ten thousand of each seed.
test.each([1, 2, 3])(
  'seed %i: a thousand refreshes under random faults lose no session and use no token twice',
  async (seed) => {
    const { violations, results, faults, restarts } = await runRefreshes(seed, 1_000);
    expect(violations).toEqual([]);
    expect(results.rotated).toBeGreaterThan(500);
    expect(results.recovered).toBeGreaterThan(0);
    expect(results.repeated).toBeGreaterThan(0);
    expect([Object.keys(faults).length, restarts > 5]).toEqual([8, true]);
  },
);
