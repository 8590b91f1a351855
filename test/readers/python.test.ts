import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { VECTORS } from './vector.ts';

const EXAMPLE = join(import.meta.dirname, '../../examples/reader-python');

it('the reader in Python passes every vector', () => {
  const files = globSync('*.json', { cwd: VECTORS }).map((name) => join(VECTORS, name));
  const args = ['-B', join(EXAMPLE, 'check_vectors.py'), ...files];
  const { error, status, stdout, stderr } = spawnSync('python3', args, { encoding: 'utf8', timeout: 60_000 });
  if (error !== undefined) throw new Error('install Python 3.8 or later, so that `python3` runs', { cause: error });
  expect(status, `${stdout}${stderr}`).toBe(0);
  expect(stdout.match(/^ok /gm)).toHaveLength(files.length);
});
