import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const PAGES = ['README.md', ...globSync('docs/**/*.md', { cwd: ROOT })].map((page) => join(ROOT, page));

const withoutCode = (text: string) => text.replaceAll(/```.*?```/gs, '').replaceAll(/`[^`\n]*`/g, '');

/** How GitHub names the heading in an address. */
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

test('there are pages', () => {
  expect(PAGES.length).toBeGreaterThan(10);
});

test.each(PAGES.map((page) => ({ page, name: relative(ROOT, page) })))(
  '$name: every link leads somewhere',
  ({ page }) => {
    expect([...brokenLinksOf(page)]).toEqual([]);
  },
);
