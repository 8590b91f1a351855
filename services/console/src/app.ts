import { fileURLToPath } from 'node:url';
import type { Clock, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { readCookies } from '@rescind/revocation/http';
import { readJson } from '@rescind/service/http';
import { readPage } from '@rescind/service/page';
import type { Express, Request, Response } from 'express';
import express from 'express';
import { z } from 'zod';
import { forwardCall } from './calls.ts';
import type { Configuration } from './config.ts';
import './errors.ts';
import type { OperatorSession } from './operators.ts';
import { createOperators } from './operators.ts';
import { PATHS } from './paths.ts';
import { writeStream } from './stream.ts';
import type { UpstreamResponse } from './upstream.ts';
import { createWatch } from './watch.ts';

type AppConfiguration = Pick<
  Configuration,
  'ISSUER' | 'ISSUER_URL' | 'ADMIN_URL' | 'ADMIN_AUDIENCE' | 'ACCOUNT_AUDIENCE' | 'CLIENT_ID' | 'PAGE_PATH'
>;

/** The dependencies of the app. */
interface AppOptions {
  readonly configuration: AppConfiguration;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** The cookie of an operator's session: only this host gets it, only by https (or of this machine), and no script reads it. */
const COOKIE = '__Host-rescind-console';
const COOKIE_ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';

/** The bundled page: `dist` is beside `src` in the workspace, and beside the code of a build. */
const BUNDLED_PAGE = fileURLToPath(new URL('../dist/page', import.meta.url));

const credentials = {
  password: z.string().max(1_024),
  totp: z.string().max(16).optional(),
  recoveryCode: z.string().max(64).optional(),
};
const loginBody = z.strictObject({ username: z.string().max(128), ...credentials });
const stepUpBody = z.strictObject(credentials);

/** No inline script or style, no other origin, and no string becomes script (Trusted Types). */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/**
 * Serves the page of the console and what it calls, all below `/api`.
 * @returns the routes, and a function that ends every live stream
 * @throws ConfigurationError when `PAGE_PATH` has no page
 */
export function createApp({ configuration, clock, telemetry }: AppOptions): {
  readonly app: Express;
  endStreams(): void;
} {
  const { ISSUER, ISSUER_URL: issuerUrl = ISSUER, ADMIN_URL: adminUrl } = configuration;
  const page = readPage(configuration.PAGE_PATH ?? BUNDLED_PAGE);
  const operators = createOperators({
    issuerUrl,
    clientId: configuration.CLIENT_ID,
    adminAudience: configuration.ADMIN_AUDIENCE ?? `${ISSUER}/admin`,
    accountAudience: configuration.ACCOUNT_AUDIENCE ?? `${ISSUER}/account`,
    clock,
    telemetry,
  });
  const watch = createWatch(clock);
  const stopping = new AbortController();
  const app = express();

  for (const path of PATHS) app.get(path, (_request, response) => void page.sendDocument(response, POLICY));
  app.get('/assets/:name', ({ params: { name } }, response) => page.sendAsset(response, name));

  app.use('/api', (request, response, next) => {
    requireOwnPage(request);
    response.set('Cache-Control', 'no-store');
    next();
  });

  app.post('/api/login', async (request, response) => {
    const body = await readJson(request, loginBody);
    const result = await operators.login(body, { userAgent: request.get('user-agent'), address: request.ip });
    if ('refusal' in result) return sendUpstream(response, result.refusal);
    // The login is done: a former session whose end fails must not hide it. Its end is sent again.
    await sessionOf(request)
      ?.logout()
      .catch(() => undefined);
    response.set('Set-Cookie', `${COOKIE}=${result.secret}; ${COOKIE_ATTRIBUTES}`).status(204).end();
  });

  app.post('/api/logout', async (request, response) => {
    response.set('Set-Cookie', `${COOKIE}=; ${COOKIE_ATTRIBUTES}; Max-Age=0`);
    await sessionOf(request)?.logout();
    response.status(204).end();
  });

  app.post('/api/step-up', async (request, response) => {
    const session = requireSession(request);
    const refusal = await session.stepUp(await readJson(request, stepUpBody));
    if (refusal === undefined) response.status(204).end();
    else sendUpstream(response, refusal);
  });

  app.get('/api/stream', async (request, response) => {
    const session = requireSession(request);
    // An operator whose session is over gets a response with the error, and no stream.
    await session.token();
    await writeStream(response, { session, adminUrl, watch, clock, telemetry, stopping: stopping.signal });
  });

  const forward = async (request: Request, response: Response) =>
    sendUpstream(
      response,
      await forwardCall(request, requireSession(request), adminUrl, request.originalUrl.slice('/api'.length)),
    );
  app.get('/api/admin/*path', forward);
  app.post('/api/admin/*path', forward);

  function sessionOf(request: Request): OperatorSession | undefined {
    return operators.find(readCookies(request.get('cookie')).find(([name]) => name === COOKIE)?.[1]);
  }

  function requireSession(request: Request): OperatorSession {
    const session = sessionOf(request);
    if (session === undefined) throw new RescindError('operator_session_missing');
    return session;
  }

  return { app, endStreams: () => stopping.abort() };
}

/**
 * Requires the header of the page, which pages of other origins cannot send without a preflight (it is refused), and a `Sec-Fetch-Site`
 * of the same origin, if the browser sends one.
 * @throws RescindError `request_foreign`
 */
function requireOwnPage(request: Request): void {
  const site = request.get('sec-fetch-site');
  if (request.get('x-rescind-csrf') === '1' && (site === undefined || site === 'same-origin')) return;
  throw new RescindError('request_foreign');
}

/** The headers of a response of user-management that the page gets. */
const FORWARDED_HEADERS = ['content-type', 'retry-after', 'preference-applied'] as const;

function sendUpstream(response: Response, { status, headers, text }: UpstreamResponse): void {
  for (const name of FORWARDED_HEADERS) {
    const value = headers.get(name);
    if (value !== null) response.set(name, value);
  }
  // A redirect, or 401 with a challenge of the issuer, has no meaning for the page.
  response.status(status >= 300 && status < 400 ? 502 : status).end(text);
}
