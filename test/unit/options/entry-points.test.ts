import { expect, test } from 'vitest';
import { countExports } from './public-functions.ts';

/** What one can survey; more belongs behind a subpath. */
const MOST_NAMES = 20;

test('an entry point exports at most 20 names', () => {
  const counted = countExports();
  expect(counted.length).toBeGreaterThan(20);
  expect(counted.filter(({ names }) => names > MOST_NAMES)).toEqual([]);
});
