import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** A link of Markdown, or an image: its mark, text, target and anchor. */
const LINK = /(!?)\[((?:[^[\]]|\[[^[\]]*\])*)\]\(([^)\s#]*)(#[^)\s]*)?\)/g;
const FENCED = /^```.*?^```$/gms;
const PAGE = /^docs\/[\w-]+\.md$/;

/**
 * Copies what a reader of an installed package has: its CHANGELOG.md, its README.md, and below `docs/` the pages to which README.md leads.
 * A link to anything else of the repository becomes text that names the file, since an archive lacks it.
 * @param root the folder of the workspace, absolute
 * @param folder that of the package below the root
 * @param out the folder that `npm pack` takes, absolute
 */
export function copyPages(root: string, folder: string, out: string): void {
  const readme = `${folder}/README.md`;
  const targets = [...prose(readFileSync(join(root, readme), 'utf8')).matchAll(LINK)].map((link) =>
    join(folder, link[3] ?? ''),
  );
  const pages = targets.filter((target) => PAGE.test(target));
  /** The paths in the archive by those in the repository. */
  const archived = new Map([[readme, 'README.md'], ...pages.map((page) => [page, page] as const)]);
  for (const [source, path] of archived) {
    const text = readFileSync(join(root, source), 'utf8');
    mkdirSync(dirname(join(out, path)), { recursive: true });
    writeFileSync(join(out, path), rewriteLinks(text, source, path, archived));
  }
  copyFileSync(join(root, folder, 'CHANGELOG.md'), join(out, 'CHANGELOG.md'));
}

const prose = (text: string): string => text.replaceAll(FENCED, '');

function rewriteLinks(text: string, source: string, path: string, archived: ReadonlyMap<string, string>): string {
  const fences = text.match(FENCED) ?? [];
  const rewritten = text.split(FENCED).map((part) =>
    part.replaceAll(LINK, (link: string, mark: string, label: string, target: string, anchor = '') => {
      if (target === '' || /^[a-z]+:/.test(target)) return link;
      const named = join(dirname(source), target);
      const found = archived.get(named);
      if (found !== undefined) return `${mark}[${label}](${relative(dirname(path), found)}${anchor})`;
      return mark === '' ? `${label} (\`${named}\` of the repository)` : label;
    }),
  );
  return rewritten.map((part, at) => `${part}${fences[at] ?? ''}`).join('');
}
