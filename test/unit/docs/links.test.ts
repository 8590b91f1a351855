import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const PAGES = globSync(['README.md', 'docs/**/*.md', 'packages/*/README.md', 'examples/*/README.md'], {
  cwd: ROOT,
}).map((page) => join(ROOT, page));

const withoutCode = (text: string) => text.replaceAll(/```.*?```/gs, '').replaceAll(/`[^`\n]*`/g, '');

/** The anchor that GitHub gives a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (page: string) =>
  [...readFileSync(page, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading.trim()));

function* brokenLinksOf(page: string): Iterable<string> {
  for (const [, target = ''] of withoutCode(readFileSync(page, 'utf8')).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^https?:/.test(target)) continue;
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : join(dirname(page), path);
    const leads = existsSync(file) && (anchor === undefined || anchorsOf(file).includes(anchor));
    if (!leads) yield target;
  }
}

test('finds the pages', () => {
  expect(PAGES.length).toBeGreaterThan(10);
});

test('docs/README.md lists each page of docs once', () => {
  const index = readFileSync(join(ROOT, 'docs/README.md'), 'utf8');
  const listed = [...index.matchAll(/^\| \[[^\]]+\]\(([a-z-]+\.md)\)/gm)].map(([, page]) => page);
  const pages = globSync('*.md', { cwd: join(ROOT, 'docs') }).filter((page) => page !== 'README.md');
  expect(listed.sort()).toEqual(pages.sort());
});

test.each(PAGES.map((page) => ({ page, name: relative(ROOT, page) })))('$name: every link has a target', ({ page }) => {
  expect([...brokenLinksOf(page)]).toEqual([]);
});

/** Files and folders of this repository that a page names as code, without placeholders. */
function* pathsOf(page: string): Iterable<string> {
  const text = readFileSync(page, 'utf8').replaceAll(/```.*?```/gs, '');
  for (const [, path = ''] of text.matchAll(/`((?:packages|services|test|docs|examples)\/[\w./-]+)`/g)) yield path;
}

test.each(PAGES.map((page) => ({ page, name: relative(ROOT, page) })))(
  '$name: every path of the repository exists',
  ({ page }) => {
    expect([...pathsOf(page)].filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  },
);

test.each(globSync('test/mutation/*.stryker.config.json', { cwd: ROOT }))(
  '%s: every file to mutate exists',
  (configuration) => {
    const { mutate } = JSON.parse(readFileSync(join(ROOT, configuration), 'utf8')) as { readonly mutate: string[] };
    const files = mutate.map((pattern) => pattern.replace(/:[\d:-]+$/, ''));
    expect(files.filter((file) => globSync(file, { cwd: ROOT }).length === 0)).toEqual([]);
  },
);

interface Locked {
  readonly packages: Readonly<Record<string, { readonly dependencies?: Readonly<Record<string, string>> }>>;
}

/** Names of the packages that a workspace installs in production, those of this project included. */
function installedBy(workspace: string): Set<string> {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Locked;
  const found = new Set<string>();
  const add = (path: string) => {
    for (const name of Object.keys(packages[path]?.dependencies ?? {})) {
      if (found.has(name)) continue;
      found.add(name);
      add(name.startsWith('@rescind/') ? name.replace('@rescind', 'packages') : `node_modules/${name}`);
    }
  };
  add(workspace);
  return found;
}

test('docs/guard.md lists what @rescind/guard installs in production', () => {
  const [, section = ''] =
    /## What it installs\n(.*?)\n\nExpress/s.exec(readFileSync(join(ROOT, 'docs/guard.md'), 'utf8')) ?? [];
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  const listed = rows.flatMap((line) => [...line.matchAll(/`([^`]+)`/g)].map(([, name]) => name));
  expect(listed.sort()).toEqual([...installedBy('packages/guard')].sort());
});
