import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { copyPages } from '@rescind/dev-build/pages';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { temporaryDirectory } from '../../support/directory.ts';

const ROOT = join(import.meta.dirname, '../../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

interface Manifest {
  readonly name: string;
  readonly rescind?: { readonly public?: boolean };
}

const PUBLIC = globSync('packages/*/package.json', { cwd: ROOT })
  .map((path) => ({ readme: path.replace('package.json', 'README.md'), ...(JSON.parse(read(path)) as Manifest) }))
  .filter(({ rescind }) => rescind?.public === true);

test('finds the public packages', () => {
  expect(PUBLIC.length).toBeGreaterThan(8);
});

test.each(PUBLIC)(
  'the README of $name begins with the install line, and states where the package is',
  ({ name, readme }) => {
    const [first, , second] = read(readme).split('\n');
    expect(first).toMatch(new RegExp(`^ {4}npm install (--global )?${name} {4}# once it is published$`));
    expect(second).toBe(
      'Not in the registry of npm yet: [install it from archives](../../docs/getting-started.md#in-a-project-of-your-own).',
    );
  },
);

test.each(PUBLIC)('the pages in the archive of $name lead to nothing that it lacks', ({ readme }) => {
  const archive = temporaryDirectory();
  copyPages(ROOT, dirname(readme), archive);
  const pages = globSync('**/*.md', { cwd: archive });
  expect(pages).toContain(join('docs', 'getting-started.md'));
  const lacking = pages.flatMap((page) => {
    const text = readFileSync(join(archive, page), 'utf8').replaceAll(/^```.*?^```$/gms, '');
    const targets = [...text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)].map(([, target = '']) => target);
    return targets.filter((target) => !/^https?:/.test(target) && !existsSync(join(archive, dirname(page), target)));
  });
  expect(lacking).toEqual([]);
});

/** The front matter as changesets reads it: a formatter of Markdown may turn it into a rule and headings. */
const FRONT_MATTER = /^---\n(.*?)\n---\n\n\S/s;

test.each(globSync('.changeset/*.md', { cwd: ROOT }))('%s names public packages and how much they change', (path) => {
  const releases = Object.entries(parse(FRONT_MATTER.exec(read(path))?.[1] ?? '{}') as Record<string, unknown>);
  const names = new Set(PUBLIC.map(({ name }) => name));
  expect(releases.length).toBeGreaterThan(0);
  expect(releases.filter(([name]) => !names.has(name))).toEqual([]);
  expect(releases.filter(([, change]) => !['patch', 'minor', 'major'].includes(String(change)))).toEqual([]);
});
