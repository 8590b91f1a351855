import { fileURLToPath } from 'node:url';
import { readPage } from '@rescind/service/page';
import type { Express } from 'express';
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

/**
 * Serves the document at each path of the page, and the files that it loads. The names of the files contain a hash of their content.
 * @throws ConfigurationError when `PAGE_PATH` has no page
 */
export function createApp(configuration: AppConfiguration): Express {
  const bundled = readPage(configuration.PAGE_PATH ?? BUNDLED_PAGE);
  const page = toPageConfiguration(configuration);
  const html = bundled.document.replace(
    'data-configuration=""',
    // As a function: `$&` of a setting is no pattern.
    () => `data-configuration="${escapeAttribute(JSON.stringify(page))}"`,
  );
  const policy = contentSecurityPolicy(page);
  const app = express();
  for (const path of PATHS) app.get(path, (_request, response) => bundled.sendDocument(response, policy, html));
  app.get('/assets/:name', ({ params: { name } }, response) => bundled.sendAsset(response, name));
  return app;
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
