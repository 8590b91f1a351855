import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AxeResults, RunOptions } from 'axe-core';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { launchChromium } from './support/chromium.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const site = join(root, 'packages/dev-site/build/site');
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

/** Serves the files of the site, as any web server does. */
const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url ?? '', 'http://site').pathname);
  const file = join(site, path.endsWith('/') ? `${path}index.html` : path);
  try {
    const content = readFileSync(file);
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(content);
  } catch {
    response.writeHead(404).end();
  }
});

let browser: Browser;
let origin: string;
beforeAll(async () => {
  browser = await launchChromium();
  const { status, stdout, stderr } = spawnSync(process.execPath, ['packages/dev-site/src/main.js'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(status, `${stdout}${stderr}`).toBe(0);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await browser?.close();
  server.close();
});

interface Visitor {
  readonly page: Page;
  /** What went wrong since the last call: errors of the console, exceptions, responses that are not 2xx. */
  problems(): string[];
}

async function openPage(width: number, colorScheme: 'light' | 'dark'): Promise<Visitor> {
  const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  let found: string[] = [];
  page.on('console', (message) => message.type() === 'error' && found.push(`${page.url()}: ${message.text()}`));
  page.on('pageerror', (error) => found.push(`${page.url()}: ${error.message}`));
  page.on('response', (response) => response.status() >= 400 && found.push(`${response.status()} ${response.url()}`));
  const problems = () => {
    const all = found;
    found = [];
    return all;
  };
  return { page, problems };
}

const pagesBelow = (pattern: string) =>
  globSync(pattern, { cwd: site })
    .map((file) => posix.normalize(file.replaceAll('\\', '/')))
    .filter((file) => file !== '404.html')
    .sort();

/** What is wider than the window and does not scroll by itself. */
const overflow = (page: Page) =>
  page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return Math.max(0, scrollWidth - clientWidth);
  });

/** The diagrams of a page have been drawn. */
const drawn = (page: Page) => page.waitForFunction(() => document.querySelector('.diagram-text') === null);

/** How many pages load at a time: most of the time of one passes in the browser. */
const TABS = 3;

/** Visits each page in one of a few tabs. @returns what was found, by page */
async function visitAll(
  paths: readonly string[],
  width: number,
  inspect: (page: Page, path: string) => Promise<readonly string[]>,
): Promise<string[]> {
  const found: string[] = [];
  const waiting = [...paths];
  const visit = async () => {
    const { page, problems } = await openPage(width, 'light');
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      await page.goto(`${origin}/${path}`);
      await drawn(page);
      found.push(...(await inspect(page, path)), ...problems());
    }
  };
  await Promise.all(Array.from({ length: TABS }, visit));
  return found.sort();
}

describe('each page', () => {
  test('loads without an error and fits 360 px', async () => {
    const pages = pagesBelow('**/*.html');
    expect(pages.length).toBeGreaterThan(100);
    const found = await visitAll(pages, 360, async (page, path) => {
      const pixels = await overflow(page);
      return pixels > 0 ? [`${path} is ${pixels} px too wide`] : [];
    });
    expect(found).toEqual([]);
  });

  test('has no serious fault for axe, in light colours and in dark ones', async () => {
    const samples = ['api/index.html', 'api/@rescind/guard.html', 'decisions/index.html', 'decisions/guard-cache.html'];
    const found = await visitAll([...pagesBelow('*.html'), ...samples], 1280, async (page, path) => {
      await page.emulateMedia({ colorScheme: 'light' });
      await page.evaluate(axe.source);
      const light = await seriousFaults(page, {});
      await page.emulateMedia({ colorScheme: 'dark' });
      await page.waitForFunction(() => document.documentElement.classList.contains('dark'));
      await drawn(page);
      // Only colours differ.
      const dark = await seriousFaults(page, { runOnly: ['color-contrast'] });
      return [...light, ...dark.map((fault) => `dark: ${fault}`)].map((fault) => `${path}: ${fault}`);
    });
    expect(found).toEqual([]);
  });
});

async function seriousFaults(page: Page, options: RunOptions): Promise<string[]> {
  const { violations } = await page.evaluate(
    (settings) => (globalThis as unknown as { axe: { run(of: RunOptions): Promise<AxeResults> } }).axe.run(settings),
    options,
  );
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.length} × ${nodes[0]?.html.slice(0, 200)}`);
}

test.each([
  ['not-before', '/comparison.html'],
  ['denylist', undefined],
  ['createGuard', '/api/@rescind/guard.html'],
])('the search finds "%s"', async (words, path) => {
  const { page, problems } = await openPage(1280, 'light');
  await page.goto(origin);
  await page.locator('#local-search button').click();
  await page.locator('#localsearch-input').fill(words);
  await page.locator('#localsearch-list a').first().click();
  await page.waitForURL((url) => (path === undefined ? url.pathname !== '/' : url.pathname === path));
  await page.locator('.vp-doc', { hasText: words }).waitFor();
  expect(problems()).toEqual([]);
});

test('the switch of colours draws the diagrams again', async () => {
  const { page, problems } = await openPage(1280, 'light');
  await page.goto(`${origin}/architecture.html`);
  await drawn(page);
  const before = await page
    .locator('.diagram svg')
    .first()
    .evaluate((svg) => svg.outerHTML);
  await page.locator('.VPNavBarAppearance button').click();
  await page.waitForFunction((svg) => document.querySelector('.diagram svg')?.outerHTML !== svg, before);
  expect(problems()).toEqual([]);
});
