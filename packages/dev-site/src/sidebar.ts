import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DefaultTheme } from 'vitepress';

const titleOf = (file: string) => /^# (.+)$/m.exec(readFileSync(file, 'utf8'))?.[1]?.replaceAll('`', '') ?? '';

/**
 * The sidebar is the table of docs/README.md: its sections, and the title of each page in them. No group collapses: the theme makes a
 * button inside a button of one that does, which screen readers cannot use.
 */
export function sidebarOf(source: string): DefaultTheme.SidebarItem[] {
  const [, ...sections] = readFileSync(join(source, 'pages.md'), 'utf8').split(/^## /m);
  const groups = sections.map((section): DefaultTheme.SidebarItem => {
    const links = [...section.matchAll(/^\| \[[^\]]+\]\((\/[a-z-]+\/?)\)/gm)].map(([, link = '']) => link);
    return {
      text: section.slice(0, section.indexOf('\n')),
      items: links.map((link) => ({
        text: titleOf(join(source, `${link}${link.endsWith('/') ? 'index' : ''}.md`)),
        link,
      })),
    };
  });
  return [
    ...groups,
    {
      text: 'Reference',
      items: [
        { text: 'API reference', link: '/api/' },
        { text: 'Packages', link: '/packages/' },
        { text: 'Changes of each package', link: '/changes/' },
      ],
    },
  ];
}

/** One group for each public package: its README, its changes, and the entry points. */
export function referenceSidebarOf(source: string): DefaultTheme.SidebarItem[] {
  const index = readFileSync(join(source, 'api/index.md'), 'utf8');
  const modules = [...index.matchAll(/\[(@rescind\/[^\]]+)\]\(([^)]+)\.md\)/g)].map(([, name = '', path = '']) => ({
    text: name,
    link: `/api/${path}`,
  }));
  return readdirSync(join(source, 'changes'))
    .filter((file) => file !== 'index.md')
    .sort()
    .map((file) => {
      const name = file.replace('.md', '');
      const own = modules.filter(({ text }) => text === `@rescind/${name}` || text.startsWith(`@rescind/${name}/`));
      return {
        text: `@rescind/${name}`,
        items: [{ text: 'About', link: `/packages/${name}` }, ...own, { text: 'Changes', link: `/changes/${name}` }],
      };
    });
}
