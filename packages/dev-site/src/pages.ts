import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface PagesOptions {
  /** The folder of the repository, absolute. */
  readonly root: string;
  /** The folder to write, absolute. */
  readonly out: string;
  /** The address below which a browser finds the files of the repository, such as `https://git.example/rescind/blob/main`. Default: the site has a copy of each file that a page links to. */
  readonly repository?: string;
}

/** Where each Markdown file of the repository is on the site, by its path in the repository: `docs/guard.md` is `/guard`. */
function placePages(root: string): Map<string, string> {
  const places = new Map([
    ['README.md', '/'],
    ['docs/README.md', '/pages'],
    ['docs/decisions', '/decisions/'],
  ]);
  for (const file of globSync('docs/**/*.md', { cwd: root })) {
    if (file !== 'docs/README.md') places.set(file, file.slice('docs'.length, -'.md'.length));
  }
  for (const file of globSync('packages/*/{README,CHANGELOG}.md', { cwd: root })) {
    const kind = file.endsWith('README.md') ? 'packages' : 'changes';
    places.set(file, `/${kind}/${basename(dirname(file))}`);
  }
  for (const file of globSync('examples/*/README.md', { cwd: root })) places.set(file, `/${dirname(file)}`);
  return places;
}

/** A link or an image of Markdown, outside code. */
const LINK = /(`+)[^`]+?\1|(!?\]\()([^)\s]+)\)/g;
const FENCE = /(^(```+|~~~+)[^\n]*\n.*?^\2[ \t]*$)/ms;

/** Changes the target of each link of a page. Code stays as it is. */
function mapLinks(markdown: string, change: (target: string) => string): string {
  // `split` with the two groups of FENCE gives the text, the fence, its marks, the text, …
  return markdown
    .split(FENCE)
    .map((part, index) =>
      index % 3 === 0
        ? part.replaceAll(LINK, (all, _code, opening, target) => {
            return target === undefined ? all : `${opening}${change(target)})`;
          })
        : index % 3 === 1
          ? part
          : '',
    )
    .join('');
}

const LANGUAGES: Readonly<Record<string, string>> = { conf: 'nginx', py: 'python', svg: 'xml' };

/**
 * Writes the Markdown of the site from that of the repository, with links between the pages of the site.
 * @returns the number of pages
 * @throws Error that names each link without a target
 */
export function writePages({ root, out, repository }: PagesOptions): number {
  const places = placePages(root);
  const linkedFiles = new Set<string>();
  const broken: string[] = [];
  rmSync(out, { recursive: true, force: true });

  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(out, path)), { recursive: true });
    writeFileSync(join(out, path), text);
  };
  const read = (file: string) => readFileSync(join(root, file), 'utf8');

  function targetOf(page: string, target: string): string {
    if (/^([a-z]+:|#)/.test(target)) return target;
    const [path = '', anchor] = target.split('#');
    const file = normalize(join(dirname(page), path)).replace(/\/$/, '');
    const hash = anchor === undefined ? '' : `#${anchor}`;
    const place = places.get(file) ?? places.get(`${file}/README.md`);
    if (place !== undefined) return `${place}${hash}`;
    if (!existsSync(join(root, file))) {
      broken.push(`${page}: ${target}`);
      return target;
    }
    if (extname(file) === '.svg' || extname(file) === '.png') {
      cpSync(join(root, file), join(out, file.replace(/^docs\//, 'public/')));
      return file.replace(/^docs/, '');
    }
    if (repository !== undefined) return `${repository}/${file}`;
    linkedFiles.add(file);
    return `/files/${file}`;
  }

  for (const [file, place] of places) {
    if (!file.endsWith('.md')) continue;
    const text = mapLinks(read(file), (target) => targetOf(file, target));
    write(place === '/' ? 'index.md' : `${place.slice(1)}.md`, place === '/' ? homeOf(text, root) : text);
  }
  write(
    'decisions/index.md',
    listOf(
      'Decisions',
      read,
      [...places].filter(([file]) => file.startsWith('docs/decisions/')),
    ),
  );
  write(
    'changes/index.md',
    listOf(
      'Changes of each package',
      read,
      [...places].filter(([file]) => file.endsWith('/CHANGELOG.md')),
    ),
  );
  write(
    'packages/index.md',
    listOf(
      'Packages',
      read,
      [...places].filter(([file]) => /^packages\/.*README/.test(file)),
    ),
  );
  for (const file of linkedFiles) {
    const path = join(root, file);
    write(
      `files/${file}.md`,
      statSync(path).isDirectory() ? folderPage(file, readdirSync(path)) : filePage(file, read(file)),
    );
  }
  cpSync(fileURLToPath(import.meta.resolve('@mermaid-js/tiny')), join(out, 'public/mermaid.tiny.js'));
  write('public/icon.svg', ICON);
  if (broken.length > 0) throw new Error(`links without a target:\n${broken.join('\n')}`);
  return places.size + linkedFiles.size;
}

const titleOf = (markdown: string) => /^# (.+)$/m.exec(markdown)?.[1] ?? '';

function listOf(title: string, read: (file: string) => string, pages: readonly (readonly [string, string])[]): string {
  const lines = pages.map(([file, place]) => `- [${titleOf(read(file))}](${place})`);
  return `# ${title}\n\n${lines.sort().join('\n')}\n`;
}

/** The README is the home page: its title and the first paragraph become the large text at the top. */
function homeOf(markdown: string, root: string): string {
  const { description } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { description: string };
  const [text = '', tagline = ''] = description.split(': ');
  const front = {
    layout: 'home',
    hero: {
      name: titleOf(markdown),
      text,
      tagline: `${tagline.charAt(0).toUpperCase()}${tagline.slice(1)}`,
      actions: [
        { theme: 'brand', text: 'Getting started', link: '/getting-started' },
        { theme: 'alt', text: 'Guard a service', link: '/guard' },
        { theme: 'alt', text: 'Compare', link: '/comparison' },
      ],
    },
  };
  return `---\n${JSON.stringify(front)}\n---\n${markdown.replace(/^# .+\n/, '')}`;
}

const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="12" fill="none" stroke="#c8484d" stroke-width="5"/><path d="M8 24 24 8" stroke="#c8484d" stroke-width="5"/></svg>\n`;

const FILE_FRONT =
  '---\n{ "outline": false, "aside": false, "search": false, "sidebar": false, "prev": false, "next": false }\n---\n';

function filePage(file: string, text: string): string {
  const extension = extname(file).slice(1);
  const language = LANGUAGES[extension] ?? extension;
  return `${FILE_FRONT}# ${file}\n\n\`\`\`\`\`${language}\n${text.trimEnd()}\n\`\`\`\`\`\n`;
}

function folderPage(file: string, names: string[]): string {
  return `${FILE_FRONT}# ${file}\n\n${names
    .sort()
    .map((name) => `- \`${name}\``)
    .join('\n')}\n`;
}
