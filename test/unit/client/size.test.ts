import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { expect, test } from 'vitest';

async function bundle(source: string): Promise<string> {
  const built = await rolldown({
    input: 'entry',
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === 'entry' ? id : undefined),
        load: (id) => (id === 'entry' ? source : undefined),
      },
    ],
    external: [],
    cwd: process.cwd(),
    logLevel: 'silent',
  });
  const { output } = await built.generate({ minify: true, format: 'esm' });
  await built.close();
  expect(output).toHaveLength(1);
  return output[0].code;
}

const gzipped = (code: string) => gzipSync(code, { level: 9 }).byteLength;

const KILOBYTE = 1_024;

test('the core is at most 6 kB, minified and compressed', async () => {
  const code = await bundle("export { createSession } from '@rescind/client';");
  expect(code).toContain('refresh_token');
  expect(gzipped(code)).toBeLessThanOrEqual(6 * KILOBYTE);
});

test('the core and IndexedDB are at most 6.75 kB', async () => {
  const code = await bundle(
    "export { createSession } from '@rescind/client'; export { indexedDbStore } from '@rescind/client/indexeddb';",
  );
  expect(gzipped(code)).toBeLessThanOrEqual(6.75 * KILOBYTE);
});

test('the axios adapter brings no second copy of the core', async () => {
  const code = await bundle("export { attachSession } from '@rescind/client/axios';");
  expect(code).not.toContain('refresh_token');
  expect(gzipped(code)).toBeLessThanOrEqual(1.5 * KILOBYTE);
});
