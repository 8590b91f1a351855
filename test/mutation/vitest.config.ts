import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Where each door of each package lies in this tree: node_modules links to the tree that was copied, which has no mutants. */
function doors() {
  return readdirSync(`${root}packages`).flatMap((name) => {
    const manifest = JSON.parse(readFileSync(`${root}packages/${name}/package.json`, 'utf8')) as Manifest;
    return Object.entries(manifest.exports ?? {})
      .filter(([, file]) => typeof file === 'string')
      .map(([door, file]) => ({
        find: new RegExp(`^${manifest.name}${door.slice(1)}$`),
        replacement: `${root}packages/${name}/${file.slice(2)}`,
      }));
  });
}

interface Manifest {
  readonly name: string;
  readonly exports?: Readonly<Record<string, string>>;
}

/** The tests that are to notice a mutant of what decides: fast, and without a broker. */
export default defineConfig({
  root,
  resolve: { alias: doors() },
  test: {
    include: [
      'test/unit/revocation/**/*.test.ts',
      'test/unit/token/**/*.test.ts',
      'test/unit/guard/cache.test.ts',
      'test/unit/hostile/**/*.test.ts',
    ],
    // Thousands of runs a mutant, each with a signature or two: what these find, the others do by name.
    exclude: ['test/unit/token/mutations.test.ts'],
    setupFiles: ['test/mutation/one-seed.ts'],
    testTimeout: 60_000,
  },
});
