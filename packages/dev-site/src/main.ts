import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, createServer } from 'vitepress';
import { requireTargets } from './links.ts';
import { writePages } from './pages.ts';
import { writeReference } from './reference.ts';

// `npm run docs` builds the site in packages/dev-site/build/site; `npm run docs:dev` serves it, and builds a page again when it changes.

const site = fileURLToPath(new URL('..', import.meta.url));
const root = join(site, '../..');
const source = join(site, 'build/source');
const repository = process.env.SITE_REPOSITORY;

const pages = writePages({ root, out: source, ...(repository && { repository }) });
const entries = await writeReference(root, join(source, 'api'));
if (process.argv[2] === 'dev') {
  const server = await createServer(site, { port: 5173 });
  await server.listen();
  server.printUrls();
} else {
  await build(site);
  const links = requireTargets(join(site, 'build/site'), process.env.SITE_BASE ?? '/');
  console.log(
    `built packages/dev-site/build/site: ${pages} pages, ${entries} entry points, ${links} links with a target`,
  );
}
