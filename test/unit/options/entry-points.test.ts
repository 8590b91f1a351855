import { expect, test } from 'vitest';
import { countExports } from './public-functions.ts';

/** A reader can survey this many names; others belong behind a subpath. */
const MAX_NAMES = 20;

/** Entry points that may have more. */
const LARGER: Readonly<Record<string, number>> = {
  // A type for each table of the store and each of its rows.
  'packages/issuer/src/store/index.ts': 46,
  'packages/guard/src/index.ts': 21,
  'packages/accounts/src/index.ts': 21,
};

test('an entry point exports at most 20 names', () => {
  const counted = countExports();
  expect(counted.length).toBeGreaterThan(20);
  expect(counted.filter(({ entry, names }) => names > (LARGER[entry] ?? MAX_NAMES))).toEqual([]);
});
