import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, extname, join } from 'node:path';
import { rolldown } from 'rolldown';

/**
 * Bundles the page of each service that has one into its `dist/page`.
 * @param root the folder of the workspace, absolute
 * @returns the folders of the services, below the root
 */
export async function buildPages(root: string): Promise<string[]> {
  const folders = globSync('services/*/page/index.html', { cwd: root }).map((file) =>
    file.replace('/page/index.html', ''),
  );
  for (const folder of folders) await buildPage(join(root, folder, 'page'), join(root, folder, 'dist', 'page'));
  return folders;
}

/**
 * Bundles a page: `index.html`, and in `assets/` what it loads: `main.tsx` with its imports as one script, style sheets with those that they
 * import from packages, and pictures. The name of each contains a hash of its content, so that a browser keeps it for ever.
 * @param source the folder of `index.html` and `main.tsx`, absolute
 * @param out the folder that is written
 * @throws Error when an import is not found
 */
export async function buildPage(source: string, out: string): Promise<void> {
  const files = new Map<string, string>();
  for (const name of readdirSync(source)) {
    const file = join(source, name);
    if (extname(name) === '.css') files.set(name, bundleStyle(file));
    if (extname(name) === '.svg') files.set(name, readFileSync(file, 'utf8'));
  }
  files.set('main.js', await bundleScript(join(source, 'main.tsx')));

  const assets = new Map<string, string>();
  const toHashed = (text: string) => text.replace(/\/assets\/([\w.-]+)/g, (found, name) => assets.get(name) ?? found);
  // Pictures first: scripts and style sheets name them.
  const order = ['.svg', '.css', '.js'];
  const sorted = [...files].sort(([one], [other]) => order.indexOf(extname(one)) - order.indexOf(extname(other)));
  rmSync(out, { recursive: true, force: true });
  mkdirSync(join(out, 'assets'), { recursive: true });
  for (const [name, text] of sorted) {
    const content = toHashed(text);
    const hash = createHash('sha256').update(content).digest('hex').slice(0, 10);
    const hashed = `${basename(name, extname(name))}-${hash}${extname(name)}`;
    assets.set(name, `/assets/${hashed}`);
    writeFileSync(join(out, 'assets', hashed), content);
  }
  const document = toHashed(readFileSync(join(source, 'index.html'), 'utf8'));
  writeFileSync(join(out, 'index.html'), document);
}

/** The text of a style sheet, with what it imports of packages in place of each `@import`. */
function bundleStyle(file: string): string {
  const { resolve } = createRequire(file);
  return readFileSync(file, 'utf8').replace(/^@import "(.+)";$/gm, (_, name) => readFileSync(resolve(name), 'utf8'));
}

async function bundleScript(input: string): Promise<string> {
  if (!existsSync(input)) throw new Error(`${input} does not exist`);
  const bundled = await rolldown({
    input,
    platform: 'browser',
    onLog(level, { message }) {
      if (level === 'warn') throw new Error(message);
    },
  });
  try {
    const { output } = await bundled.generate({ format: 'esm', minify: true, codeSplitting: false });
    return output[0].code;
  } finally {
    await bundled.close();
  }
}
