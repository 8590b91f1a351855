import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import type { Plugin } from 'rolldown';
import { rolldown } from 'rolldown';

interface BundleOptions {
  /** Whether the code of this other package becomes part of the files; otherwise the import stays. */
  readonly isInlined: (name: string) => boolean;
  /** The absolute folders of packages whose code is inlined. The files that this code finds beside itself are copied. Default: none. */
  readonly beside?: readonly string[];
}

/**
 * Joins the compiled files of one package or service into one file for each entry, with the code that entries share in files of their
 * own: a process starts with a tenth of the files (docs/decisions/build-bundles.md). Type declarations stay as they are.
 * @param dist the folder of the compiled files, absolute
 * @param entries paths in `dist` that stay where they are: what package.json exports, and main files
 * @throws Error with the place of a `new URL('…', import.meta.url)` that no longer leads to a file
 */
export async function bundle(
  dist: string,
  entries: readonly string[],
  { isInlined, beside = [] }: BundleOptions,
): Promise<void> {
  // A page is bundled already.
  const compiled = globSync('**/*.js', { cwd: dist, exclude: ['page/**'] });
  const threads = compiled.flatMap((file) => [...urlsIn(join(dist, file))].filter((url) => url.endsWith('.js')));
  const inputs = [...new Set([...entries.map((entry) => join(dist, entry)), ...threads])];
  const input = Object.fromEntries(inputs.map((file) => [relative(dist, file).replace(/\.js$/, ''), file]));
  for (const folder of beside) {
    for (const file of globSync('**/*.js', { cwd: folder }).flatMap((name) => [...urlsIn(join(folder, name))])) {
      if (dirname(file) !== folder) continue;
      if (file.endsWith('.js')) input[basename(file, '.js')] = file;
      else copyFileSync(file, join(dist, basename(file)));
    }
  }
  const bundled = await rolldown({
    input,
    platform: 'node',
    external: (id, _importer, isResolved) =>
      !isResolved && /^[^./]/.test(id) && (isBuiltin(id) || !isInlined(packageOf(id))),
    plugins: [dataBeside(dist)],
    onLog(level, { message }) {
      if (level === 'warn') throw new Error(message);
    },
  });
  try {
    const { output } = await bundled.generate({
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
    });
    for (const file of compiled) rmSync(join(dist, file));
    for (const file of output) {
      if (file.type !== 'chunk') throw new Error(`${file.fileName} of ${dist} is no code`);
      if (/require\("\.\/[^"]+\.json"\)/.test(file.code) && dirname(file.fileName) !== '.')
        throw new Error(`${file.fileName} of ${dist} would look for data in ${dirname(file.fileName)}`);
      const path = join(dist, file.fileName);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, file.code);
    }
    for (const { fileName } of output) requireUrls(join(dist, fileName));
  } finally {
    await bundled.close();
  }
}

/**
 * Leaves JSON that code requires in files beside the code: the tables of iconv-lite are for a few requests, and what is always required is
 * parsed faster as JSON than as JavaScript.
 */
function dataBeside(dist: string): Plugin {
  return {
    name: 'data-beside',
    async resolveId(id, importer, options) {
      if (options.kind !== 'require-call' || !id.endsWith('.json')) return undefined;
      const found = await this.resolve(id, importer, { ...options, skipSelf: true });
      if (found === null || found.external !== false) return found;
      const name = `${basename(dirname(found.id))}-${basename(found.id)}`;
      const copy = join(dist, name);
      if (existsSync(copy) && !readFileSync(copy).equals(readFileSync(found.id)))
        throw new Error(`two files would be ${copy}`);
      copyFileSync(found.id, copy);
      return { id: `./${name}`, external: true };
    },
  };
}

/** `@scope/name` or `name` of an import of it or of one of its subpaths. */
const packageOf = (id: string): string => id.split('/', id.startsWith('@') ? 2 : 1).join('/');

const URLS = /new URL\(['"]([^'"]+)['"], import\.meta\.url\)/g;

/** The files, absolute, that a file of code finds beside itself. */
function* urlsIn(file: string): Iterable<string> {
  for (const [, path = ''] of readFileSync(file, 'utf8').matchAll(URLS)) yield join(dirname(file), path);
}

function requireUrls(file: string): void {
  for (const url of urlsIn(file)) if (!existsSync(url)) throw new Error(`${file} finds no ${url}`);
}
