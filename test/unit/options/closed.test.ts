import { expect, test } from 'vitest';
import { ISSUER_CALLS } from './issuer-calls.ts';
import { FUNCTIONS } from './table.ts';

const method = () => undefined;

const WRONG: readonly unknown[] = [
  null,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -1,
  0.5,
  'text of no option',
  '',
  true,
  [],
  {},
  [[]],
  [null],
  Symbol('s'),
  method,
];

/** Wrong values: those of another type, and values of the same type that no option accepts. */
function wrongFor(right: unknown): readonly unknown[] {
  if (typeof right === 'number')
    return WRONG.filter((value) => typeof value !== 'number' || !Number.isFinite(value) || value < 0);
  if (typeof right === 'string') return WRONG.filter((value) => typeof value !== 'string' || value === '');
  if (typeof right === 'function') return WRONG.filter((value) => typeof value !== 'function');
  if (typeof right === 'boolean') return WRONG.filter((value) => typeof value !== 'boolean');
  return WRONG.filter(
    (value) => !(typeof value === 'object' && value !== null && !Array.isArray(value) && !Array.isArray(right)),
  );
}

async function expectTypeError(work: () => unknown, what: string): Promise<void> {
  let failure: unknown;
  try {
    await work();
  } catch (error) {
    failure = error;
  }
  expect(failure, what).toBeInstanceOf(TypeError);
}

/** Options that take several types, or an empty list. */
const SEVERAL: ReadonlySet<string> = new Set([
  'audience',
  'typ',
  'ssl',
  'softExpiry',
  'cache',
  'clientSecret',
  'issuer',
  'clients',
  'proofs',
  'apis',
  'resource',
  'secretHashes',
  'amr',
  'default',
  'such',
  'cacheDirectory',
  'operations',
  'others',
  'errors',
  'params',
  'query',
  'pattern',
  'metrics',
  'use',
  'origins',
]);

test.each(Object.entries({ ...FUNCTIONS, ...ISSUER_CALLS }))(
  '%s refuses every misspelt name and every wrong type',
  async (name, [call, right]) => {
    for (const option of Object.keys(right)) {
      const { [option]: value, ...others } = right;
      const misspelt = `${option.slice(0, -1)}${option.endsWith('x') ? 'y' : 'x'}`;
      await expectTypeError(() => call({ ...others, [misspelt]: value } as never), `${name} ${misspelt}`);
      if (SEVERAL.has(option)) continue;
      for (const wrong of wrongFor(value).filter((one) => one !== '' || !(name in ISSUER_CALLS))) {
        // Empty text may come from an unauthenticated request: the issuer answers it with a coded error.
        await expectTypeError(() => call({ ...right, [option]: wrong } as never), `${name} ${option} ${String(wrong)}`);
      }
    }
    await expectTypeError(() => call({ ...right, unknownOption: undefined, other: 1 } as never), `${name} other`);
    for (const given of [null, 'text', 5, [], new Map(), Object.create(right)]) {
      await expectTypeError(() => call(given as never), `${name} of ${String(given)}`);
    }
  },
);
