import { globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/**
 * Checks each link of the built site to the site itself: its page or file exists, and so does its anchor.
 * @param folder the built site
 * @param base the path that the site is served below, such as `/` or `/docs/`
 * @returns the number of links
 * @throws Error that names each link without a target
 */
export function requireTargets(folder: string, base: string): number {
  const files = new Set(
    globSync('**/*', { cwd: folder, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => posix.relative(folder, join(entry.parentPath, entry.name))),
  );
  const pages = [...files].filter((file) => file.endsWith('.html'));
  const anchors = new Map(pages.map((file) => [file, anchorsOf(readFileSync(join(folder, file), 'utf8'))]));
  const broken = new Set<string>();
  let count = 0;
  for (const page of pages) {
    for (const [, href = ''] of readFileSync(join(folder, page), 'utf8').matchAll(
      /<(?:a|link|img|script)\b[^>]*?\b(?:href|src)="([^"]*)"/g,
    )) {
      if (/^[a-z]+:/.test(href)) continue;
      count += 1;
      const url = new URL(href.replaceAll('&amp;', '&'), `http://site${base}${page}`);
      const path = decodeURIComponent(url.pathname.slice(base.length));
      const file = [path, `${path}.html`, posix.join(path, 'index.html')].find((name) => files.has(name));
      const anchor = decodeURIComponent(url.hash.slice(1));
      if (file === undefined || (anchor !== '' && anchors.get(file)?.has(anchor) !== true))
        broken.add(`${page}: ${href}`);
    }
  }
  if (broken.size > 0) throw new Error(`links without a target:\n${[...broken].join('\n')}`);
  if (count === 0) throw new Error(`${folder} has no link`);
  return count;
}

const anchorsOf = (html: string) =>
  new Set([...html.matchAll(/\bid="([^"]*)"/g)].map(([, id = '']) => id.replaceAll('&amp;', '&')));
