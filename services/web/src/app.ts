import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RescindError } from '@rescind/revocation';
import { ConfigurationError } from '@rescind/service/configuration';
import type { Express, Response } from 'express';
import express from 'express';
import type { Configuration } from './config.ts';
import { PATHS } from './paths.ts';

type AppConfiguration = Pick<
  Configuration,
  'ISSUER' | 'ACCOUNT_AUDIENCE' | 'CLIENT_ID' | 'PRICES_URL' | 'GAME_URL' | 'SESSION_MODES' | 'PAGE_PATH'
>;

/** What the page reads from `data-configuration` of its document. */
export interface PageConfiguration {
  readonly issuer: string;
  readonly accountAudience: string;
  readonly clientId: string;
  readonly pricesUrl: string | undefined;
  readonly gameUrl: string | undefined;
  /** The first is the default. */
  readonly modes: readonly string[];
}

/** Beside `src` of the workspace, and beside the code of a build. */
const BUNDLED_PAGE = fileURLToPath(new URL('../dist/page', import.meta.url));

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

interface Asset {
  readonly content: Buffer;
  readonly contentType: string;
}

/**
 * Serves the document at each path of the page, and the files that it loads. The names of the files contain a hash of their content.
 * @throws ConfigurationError when `PAGE_PATH` has no page
 */
export function createApp(configuration: AppConfiguration): Express {
  const { document, assets } = readPage(configuration.PAGE_PATH ?? BUNDLED_PAGE);
  const page = toPageConfiguration(configuration);
  const html = document.replace(
    'data-configuration=""',
    // As a function: `$&` of a setting is no pattern.
    () => `data-configuration="${escapeAttribute(JSON.stringify(page))}"`,
  );
  const policy = contentSecurityPolicy(page);
  const app = express();

  const sendDocument = (response: Response) =>
    response
      .set('Content-Security-Policy', policy)
      // A page of a user who has logged out must not come back by the back button from a cache.
      .set('Cache-Control', 'no-store')
      .type('html')
      .send(html);
  for (const path of PATHS) app.get(path, (_request, response) => void sendDocument(response));

  app.get('/assets/:name', ({ params: { name } }, response) => {
    const asset = assets.get(name);
    if (asset === undefined) throw new RescindError('not_found');
    response
      .set('Content-Type', asset.contentType)
      .set('Cache-Control', 'public, max-age=31536000, immutable')
      .send(asset.content);
  });
  return app;
}

function readPage(path: string): { readonly document: string; readonly assets: ReadonlyMap<string, Asset> } {
  try {
    const assets = readdirSync(join(path, 'assets')).map((name): [string, Asset] => {
      const contentType = CONTENT_TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream';
      return [name, { content: readFileSync(join(path, 'assets', name)), contentType }];
    });
    return { document: readFileSync(join(path, 'index.html'), 'utf8'), assets: new Map(assets) };
  } catch (error) {
    const problem = 'must be a directory with the bundled page: npm run build:page makes it';
    throw new ConfigurationError([
      { variable: 'PAGE_PATH', problem: `${problem} (${error instanceof Error ? error.message : error})` },
    ]);
  }
}

function toPageConfiguration(configuration: AppConfiguration): PageConfiguration {
  const { ISSUER: issuer, ACCOUNT_AUDIENCE, CLIENT_ID: clientId, SESSION_MODES: modes } = configuration;
  const { PRICES_URL: pricesUrl, GAME_URL: gameUrl } = configuration;
  return { issuer, accountAudience: ACCOUNT_AUDIENCE ?? `${issuer}/account`, clientId, pricesUrl, gameUrl, modes };
}

/** No inline script or style, no other origin than those that the page calls, and no string becomes script (Trusted Types). */
function contentSecurityPolicy({ issuer, pricesUrl, gameUrl }: PageConfiguration): string {
  const origins = (...urls: readonly (string | undefined)[]) => [
    ...new Set(["'self'", ...urls.flatMap((url) => (url === undefined ? [] : [new URL(url).origin]))]),
  ];
  const socketUrl = gameUrl?.replace(/^http/, 'ws');
  return [
    "default-src 'none'",
    // The game brings its script and its style.
    `script-src ${origins(gameUrl).join(' ')}`,
    `style-src ${origins(gameUrl).join(' ')}`,
    "img-src 'self'",
    `connect-src ${origins(issuer, pricesUrl, gameUrl, socketUrl).join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '"': '&quot;', '<': '&lt;', '>': '&gt;' };
const escapeAttribute = (text: string): string => text.replace(/[&"<>]/g, (character) => ESCAPES[character] ?? '');
