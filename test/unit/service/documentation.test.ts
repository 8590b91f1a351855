import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { configurationPage, configurationPath } from '../../docs/configuration-page.ts';

test('docs/configuration.md agrees with the schemas', () => {
  expect(readFileSync(configurationPath, 'utf8'), 'npm run docs:configuration').toBe(configurationPage());
});
