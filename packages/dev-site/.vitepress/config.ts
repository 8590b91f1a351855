import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';
import { referenceSidebarOf, sidebarOf } from '../src/sidebar.ts';

const source = fileURLToPath(new URL('../build/source', import.meta.url));
const base = process.env.SITE_BASE ?? '/';
const reference = referenceSidebarOf(source);

/** The anchor that GitHub gives a heading: the pages link to those. */
const slugify = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-');

/** The site needs no other origin, and runs no script but its own: those of its files, and those with these hashes. */
function policyOf(html: string): string {
  const inline = [...html.matchAll(/<script(?![^>]*\bsrc=)[^>]*>(.*?)<\/script>/gs)].map(([, code = '']) => code);
  const hashes = inline.map((code) => `'sha256-${createHash('sha256').update(code).digest('base64')}'`);
  return [
    "default-src 'self'",
    ['script-src', "'self'", ...new Set(hashes)].join(' '),
    // Highlighted code and diagrams set styles in attributes and in SVG.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}

export default defineConfig({
  title: 'Rescind',
  description: 'Revokes JSON Web Tokens across a fleet',
  lang: 'en',
  base,
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: `${base}icon.svg` }]],
  srcDir: 'build/source',
  outDir: 'build/site',
  cacheDir: 'build/cache',
  cleanUrls: false,
  // Of a composition on the reader's own machine; every other link is checked.
  ignoreDeadLinks: 'localhostLinks',
  metaChunk: true,
  // The renderer of diagrams and the search index are loaded by the pages that need them.
  vite: { build: { chunkSizeWarningLimit: 10_000 } },
  markdown: {
    anchor: { slugify },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    config(md) {
      const fence = md.renderer.rules.fence;
      md.renderer.rules.fence = (tokens, index, ...more) => {
        const { info = '', content = '' } = tokens[index] ?? {};
        if (info.trim() === 'mermaid') return `<Diagram code="${encodeURIComponent(content)}" />`;
        return fence?.(tokens, index, ...more) ?? '';
      };
    },
  },
  transformHtml: (html) =>
    html.replace(
      /<meta charset="utf-8">/,
      `<meta charset="utf-8">\n    <meta http-equiv="Content-Security-Policy" content="${policyOf(html)}">`,
    ),
  themeConfig: {
    nav: [
      { text: 'Guide', link: '/getting-started', activeMatch: '^/(?!api|packages|changes|files|upgrading|glossary)' },
      { text: 'API', link: '/api/', activeMatch: '^/(api|packages|changes)/' },
      { text: 'Glossary', link: '/glossary' },
      { text: 'Upgrading', link: '/upgrading' },
    ],
    sidebar: { '/': sidebarOf(source), '/api/': reference, '/packages/': reference, '/changes/': reference },
    outline: [2, 3],
    externalLinkIcon: true,
    // No function among these options: the browser would have to evaluate it, which the policy forbids.
    search: { provider: 'local' },
  },
});
