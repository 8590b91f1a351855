import { createServer } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { createSecureServer } from 'node:http2';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { createAuthority } from '@rescind/dev-kafka';
import type { BrowserContext, Frame, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { bundleForPage } from './support/bundle.ts';
import type { WebFleet } from './support/web-fleet.ts';
import { openWebFleet } from './support/web-fleet.ts';

/** The documents of this file, by their origins. */
const documents = new Map<string, string>();
const servers = [1, 2].map(() =>
  createServer(({ headers }, response) => {
    response.setHeader('content-type', 'text/html').end(documents.get(`http://${headers.host}`));
  }),
);

let web: WebFleet;
/** Two ports of the host of the issuer, and another site. */
let origins: { readonly shop: string; readonly office: string; readonly elsewhere: string };
beforeAll(async () => {
  const [first, second] = await Promise.all(servers.map(listenAt));
  origins = {
    shop: `http://127.0.0.1:${first}`,
    office: `http://127.0.0.1:${second}`,
    elsewhere: `http://app.localhost:${first}`,
  };
  web = await openWebFleet({
    prices: 0,
    clients: { shop: { name: 'shop', authMethod: 'none' }, office: { name: 'office', authMethod: 'none' } },
    issuerEnvironment: { CORS_ORIGINS: Object.values(origins).join(',') },
  });
});
afterAll(async () => {
  for (const server of servers) server.close();
  await web?.[Symbol.asyncDispose]();
});

/** @returns the port */
async function listenAt(server: NetServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** What the pages of this file offer the test. */
interface Tested {
  login(credentials: object): Promise<void>;
  renew(): Promise<void>;
  logout(): Promise<unknown>;
  /** `[status, sub, code of the end]` */
  state(): readonly unknown[];
  advance(minutes: number): Promise<void>;
  refreshes(): number;
  refuse(): void;
  upload(url: string): Promise<string>;
}

/** Calls a function of the page. */
function call(page: Page | Frame, member: keyof Tested, argument?: unknown): Promise<unknown> {
  return page.evaluate(
    ([name, given]) => {
      const { tested } = globalThis as unknown as { tested: Record<string, (argument: unknown) => unknown> };
      return tested[String(name)]?.(given);
    },
    [member, argument] as const,
  );
}

const MEMBERS = `
  const ends = [];
  session.onSessionEnd(({ code }) => ends.push(code));
  globalThis.tested = {
    login: (credentials) => session.login(credentials),
    renew: () => session.renew().catch(() => undefined),
    logout: () => session.logout(),
    state: () => [session.getSnapshot().status, session.getSnapshot().claims.sub, ends[0]],
`;

const document = (script: string) =>
  `<!doctype html><title>A page</title><script type="module">${script.replaceAll('</', '<\\/')}</script>`;

describe('the cookie of the refresh token', () => {
  const application = (clientId: string) =>
    bundleForPage(`
      import { createSession } from '@rescind/client';
      const session = createSession({ issuer: '${web.fleet.issuer.url}', clientId: '${clientId}', mode: 'cookie' });
      ${MEMBERS}
      };
    `);

  async function opened(context: BrowserContext, origin: string, clientId: string): Promise<Page> {
    documents.set(origin, document(await application(clientId)));
    const page = await context.newPage();
    await page.goto(`${origin}/`);
    return page;
  }

  test('two applications at two ports of one host have a session each, although cookies know no ports', async () => {
    const { context } = await web.profile();
    const [shop, office] = [
      await opened(context, origins.shop, 'shop'),
      await opened(context, origins.office, 'office'),
    ];
    const [ada, grace] = [await web.fleet.client.register(), await web.fleet.client.register()];
    await call(shop, 'login', ada);
    await call(office, 'login', grace);
    const subjects = [(await call(shop, 'state')) as unknown[], (await call(office, 'state')) as unknown[]];
    expect(new Set(subjects.map(([, sub]) => sub)).size).toBe(2);
    for (const page of [shop, office]) {
      await page.reload();
      await call(page, 'renew');
    }
    expect([await call(shop, 'state'), await call(office, 'state')]).toEqual(subjects);
    await call(shop, 'logout');
    await call(office, 'renew');
    expect(await call(office, 'state')).toEqual(subjects[1]);
  });

  test('a page of another site than the issuer gets the code cookie_missing at its renewal', async () => {
    const { context } = await web.profile();
    const page = await opened(context, origins.elsewhere, 'shop');
    await call(page, 'login', await web.fleet.client.register());
    expect(await call(page, 'state')).toContain('active');
    await call(page, 'renew');
    expect(await call(page, 'state')).toEqual(['ended', undefined, 'cookie_missing']);
  });
});

describe('a page within another one', () => {
  const script = () =>
    bundleForPage(`
      import { createSession } from '@rescind/client';
      import { indexedDbStore } from '@rescind/client/indexeddb';
      import { createFakeIssuer, createTestClock } from '@rescind/client/test';
      const time = createTestClock();
      const issuer = createFakeIssuer({ clock: time.clock });
      const storage = indexedDbStore();
      const session = createSession({ issuer: 'https://login.example', mode: 'body', storage, clock: time.clock, fetch: issuer.fetch });
      session.start();
      ${MEMBERS}
        advance: (minutes) => time.advance(minutes * 60_000),
        refreshes: () => issuer.count('/oauth2/token'),
      };
    `);

  test.each([
    ['of another origin', ''],
    ['of an opaque origin, which may use no storage and no locks', 'sandbox="allow-scripts"'],
  ])('%s renews on time without focus', async (_, sandbox) => {
    const { context } = await web.profile();
    const framed = origins.shop;
    documents.set(framed, document(await script()));
    documents.set(
      origins.elsewhere,
      `<!doctype html><title>Around</title><button>Focus</button><iframe title="Within" ${sandbox} src="${framed}/"></iframe>`,
    );
    const page = await context.newPage();
    await page.goto(`${origins.elsewhere}/`);
    await page.getByRole('button').focus();
    const [, frame] = page.frames();
    if (frame === undefined) throw new Error('there is no frame');
    await frame.waitForFunction(() => 'tested' in globalThis);
    await call(frame, 'login', { username: 'ada', password: 'right' });
    expect(await frame.evaluate(() => globalThis.document.hasFocus())).toBe(false);
    await call(frame, 'advance', 20);
    expect(await call(frame, 'refreshes')).toBeGreaterThanOrEqual(2);
    expect(await call(frame, 'state')).toEqual(['active', 'ada', undefined]);
    // The storage of a frame is another one than that of the same origin in a tab.
    const tab = await context.newPage();
    await tab.goto(`${framed}/`);
    await vi.waitFor(async () => expect(await call(tab, 'state')).toEqual(['anonymous', undefined, undefined]), 10_000);
  });
});

describe('a stream that is uploaded over HTTP/2', () => {
  /** An API whose pages send streams; it refuses the first token. */
  async function openApi() {
    const { certificate: cert, key } = createAuthority('Rescind test authority').issue('localhost', ['127.0.0.1']);
    const uploads: string[] = [];
    const server = createSecureServer({ cert, key });
    const headers = { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'authorization' };
    server.on('request', async (request: Http2ServerRequest, response: Http2ServerResponse) => {
      if (request.method !== 'POST') {
        response.writeHead(200, { ...headers, 'content-type': 'text/html' }).end(html);
        return;
      }
      for await (const _ of request) void _;
      uploads.push(request.headers.authorization ?? '');
      const isRefused = uploads[0] === request.headers.authorization;
      const body = JSON.stringify(isRefused ? { code: 'token_revoked' } : {});
      response.writeHead(isRefused ? 401 : 200, { ...headers, 'content-type': 'application/json' }).end(body);
    });
    const port = await listenAt(server);
    onTestFinished(() => void server.close());
    const url = `https://127.0.0.1:${port}`;
    const html = document(
      await bundleForPage(`
        import { createSession } from '@rescind/client';
        import { createFakeIssuer, createTestClock } from '@rescind/client/test';
        const time = createTestClock();
        const issuer = createFakeIssuer({ clock: time.clock });
        const send = globalThis.fetch.bind(globalThis);
        const session = createSession({
          issuer: 'https://login.example', mode: 'body', clock: time.clock, apis: ['https://localhost:${port}'],
          fetch: (input, init) => (String(input).startsWith('https://login.example') ? issuer.fetch : send)(input, init),
        });
        ${MEMBERS}
          refreshes: () => issuer.count('/oauth2/token'),
          upload: async (url) => {
            const body = new Blob(['a line of a long upload']).stream();
            return session.fetch(url, { method: 'POST', body, duplex: 'half' }).then(({ status }) => String(status), (error) => error.code ?? error.name);
          },
        };
      `),
    );
    return { url, port, uploads };
  }

  test.each([
    ['of the own origin', '127.0.0.1'],
    ['of another origin', 'localhost'],
  ])('to an API %s is not repeated after a 401, and nobody is logged out', async (_, host) => {
    const { url, port, uploads } = await openApi();
    const { context } = await web.profile({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(url);
    await call(page, 'login', { username: 'ada', password: 'right' });
    const api = `https://${host}:${port}/upload`;
    expect(await call(page, 'upload', api)).toBe('body_not_repeatable');
    expect([uploads.length, await call(page, 'refreshes')]).toEqual([1, 1]);
    expect(await call(page, 'state')).toEqual(['active', 'ada', undefined]);
    await call(page, 'renew');
    expect(await call(page, 'upload', api)).toBe('200');
  });
});
