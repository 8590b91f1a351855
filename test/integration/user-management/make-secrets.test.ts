import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SCOPES } from '@rescind/user-management';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import type { WriteStep } from '../../support/failing-files.ts';
import { WRITE_STEPS } from '../../support/failing-files.ts';
import { startProcess } from '../../support/process.ts';

const MAIN = fileURLToPath(new URL('../../../services/user-management/src/make-secrets/main.js', import.meta.url));
const PRELOAD = new URL('../../support/failing-files.mjs', import.meta.url).href;
/** Each file that the command writes, by its path below the directory. */
const FILES = ['orders/feed-client-secret', 'feed-clients.json', 'operators.json', 'clients.json'] as const;

async function makeSecrets(directory: string, failing?: string): Promise<number | null> {
  const environment: Record<string, string> =
    failing === undefined ? {} : { FAILING_FILES: failing, NODE_OPTIONS: `--import=${PRELOAD}` };
  return await startProcess(MAIN, environment, [directory, `orders=${join(directory, 'orders')}`]).exit;
}

/** The content of the file; `undefined`: there is none. Throws for a partly written one. */
function contentOf(directory: string, file: string): unknown {
  const path = join(directory, file);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  const text = readFileSync(path, 'utf8');
  expect(statSync(path).mode & 0o077).toBe(0);
  if (file.endsWith('.json')) return JSON.parse(text);
  expect(text).toMatch(/^[\w-]{43}$/);
  return text;
}

const cases = FILES.flatMap((file) => WRITE_STEPS.map((step): [file: string, step: WriteStep] => [file, step]));

test.each(cases)('leaves %s complete or absent when %s fails or ends the process', async (file, step) => {
  const name = file.slice(file.lastIndexOf('/') + 1);
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'orders'));
  expect(await makeSecrets(directory, `${step} ${name} throw`)).toBe(1);
  expect(readdirSync(directory, { recursive: true }).filter((one) => String(one).endsWith('.tmp'))).toEqual([]);
  const left = FILES.map((one) => contentOf(directory, one));
  expect(left[FILES.indexOf(file as (typeof FILES)[number])] !== undefined).toBe(step === 'fsync_directory');

  // Killed at this step; a file that exists already is not written, so then the process is not killed.
  await makeSecrets(directory, `${step} ${name} kill`);
  for (const one of FILES) contentOf(directory, one);

  expect(await makeSecrets(directory)).toBe(0);
  const secret = contentOf(directory, 'orders/feed-client-secret');
  expect(contentOf(directory, 'feed-clients.json')).toEqual({ orders: secret });
  expect(contentOf(directory, 'operators.json')).toHaveProperty('admin.secret');
  expect(contentOf(directory, 'clients.json')).toHaveProperty('web.name', 'Web');
  if (left[0] !== undefined) expect(secret).toBe(left[0]);
});

test('the operator has every scope of administrators', async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'orders'));
  expect(await makeSecrets(directory)).toBe(0);
  const { admin } = contentOf(directory, 'operators.json') as { readonly admin: { readonly scopes: string[] } };
  const scopes = SCOPES.filter(({ audience }) => audience === 'admin').map(({ name }) => name);
  expect(scopes).toContain('admin:fleet:write');
  const given = new Set(admin.scopes);
  // `admin:fleet` includes `admin:fleet:read` and `admin:fleet:write`.
  expect(scopes.filter((name) => !given.has(name) && !given.has(name.replace(/:(read|write)$/, '')))).toEqual([]);
});
