import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { bundleForPage } from './support/bundle.ts';
import { launchChromium } from './support/chromium.ts';
import type { WebFleet } from './support/web-fleet.ts';
import { claim, logIn, openWebFleet } from './support/web-fleet.ts';

let web: WebFleet;
beforeAll(async () => {
  web = await openWebFleet({ issuerEnvironment: { ACCESS_TOKEN_TTL: '4s', REFRESH_GRACE: '10s' } });
});
afterAll(() => web?.[Symbol.asyncDispose]());

const isLoggedIn = (page: Page): Promise<void> => page.getByRole('heading', { name: /^Hello/ }).waitFor();

/** A browser in which tabs cannot coordinate: no Web Locks (reading them fails, as in an opaque origin), no BroadcastChannel. */
async function withoutCoordination(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    Object.defineProperty(Navigator.prototype, 'locks', {
      get() {
        throw new DOMException('storage is refused', 'SecurityError');
      },
    });
    Reflect.deleteProperty(globalThis, 'BroadcastChannel');
  });
}

function refreshesOf(context: BrowserContext): number[] {
  const statuses: number[] = [];
  context.on('response', (response) => {
    const isRefresh = response.url().endsWith('/oauth2/token') && response.request().method() === 'POST';
    if (isRefresh) statuses.push(response.status());
  });
  return statuses;
}

async function untilRenewed(page: Page): Promise<void> {
  const before = await claim(page, 'jti');
  await vi.waitFor(async () => expect(await claim(page, 'jti')).not.toBe(before), { timeout: 20_000, interval: 50 });
}

describe.each(['cookie', 'body'])('in %s mode, without Web Locks and BroadcastChannel', (mode) => {
  /** Two tabs of a new user. */
  async function twoTabs() {
    const { context, open } = await web.profile();
    await withoutCoordination(context);
    const user = await web.fleet.client.register();
    const page = await open(`/login?mode=${mode}`);
    await logIn(page, user);
    const other = await open(`/?mode=${mode}`);
    await isLoggedIn(other);
    return { context, page, other };
  }

  test('two tabs renew again and again, and stay logged in; a logout in one ends the other', async () => {
    const { context, page, other } = await twoTabs();
    const statuses = refreshesOf(context);
    for (let round = 0; round < 3; round += 1) await Promise.all([untilRenewed(page), untilRenewed(other)]);
    expect(new Set(statuses)).toEqual(new Set([200]));
    await page.getByRole('button', { name: 'Log out', exact: true }).click();
    await other.getByText('This session was ended from another tab or device.').waitFor();
  });
});

/** Calls a function that a page of this file has. */
const call = (page: Page, member: string, argument?: number): Promise<unknown> =>
  page.evaluate(
    ([name, value]) => {
      const { tested } = globalThis as unknown as { tested: Record<string, (argument: unknown) => unknown> };
      return tested[String(name)]?.(value);
    },
    [member, argument] as const,
  );

/** A page with a session whose clock the test advances. */
const INACTIVITY = `
  import { createSession } from '@rescind/client';
  import { inactiveAfter } from '@rescind/client/inactivity';
  import { createFakeIssuer, createTestClock } from '@rescind/client/test';
  const time = createTestClock();
  const issuer = createFakeIssuer({ clock: time.clock });
  const lifecycle = inactiveAfter(15 * 60_000, time.clock.monotonic);
  const session = createSession({ issuer: 'https://login.example', mode: 'body', clock: time.clock, fetch: issuer.fetch, lifecycle });
  session.start();
  globalThis.tested = {
    login: () => session.login({ username: 'ada', password: 'right' }),
    advance: (minutes) => time.advance(minutes * 60_000),
    refreshes: () => issuer.count('/oauth2/token'),
    status: () => session.getSnapshot().status,
  };
`;

test('without input for 15 minutes nothing is renewed, and input in another tab begins it again', async () => {
  const { context } = await web.profile();
  const code = await bundleForPage(INACTIVITY);
  await context.route('http://app.localhost/', (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>A page</title><input aria-label="Text">' }),
  );
  const openTab = async () => {
    const page = await context.newPage();
    await page.goto('http://app.localhost/');
    await page.addScriptTag({ content: code });
    return page;
  };
  const [absent, other] = [await openTab(), await openTab()];
  await call(absent, 'login');
  await call(absent, 'advance', 40);
  const refreshes = await call(absent, 'refreshes');
  expect(refreshes).toBeLessThanOrEqual(2);
  await call(absent, 'advance', 30);
  expect(await call(absent, 'refreshes')).toBe(refreshes);
  expect(await call(absent, 'status')).toBe('active');

  await other.getByLabel('Text').press('a');
  await vi.waitFor(async () => expect(await call(absent, 'refreshes')).toBe(Number(refreshes) + 1), 20_000);
  await call(absent, 'advance', 10);
  expect(await call(absent, 'refreshes')).toBe(Number(refreshes) + 2);
});

/** A page with a session of another tab, which renews by the clock of the machine. */
const RESTORED = `
  import { createSession } from '@rescind/client';
  import { indexedDbStore } from '@rescind/client/indexeddb';
  const tokens = () => ({ access_token: 'e30.e30.s', refresh_token: 'r', sid: 's', expires_in: 4 });
  const session = createSession({
    issuer: 'https://login.example', mode: 'body', storage: indexedDbStore(), fetch: async () => Response.json(tokens()),
  });
  session.start();
  let renewals = 0;
  session.subscribe(() => { renewals += 1; });
  addEventListener('pageshow', ({ persisted }) => { globalThis.isRestored = persisted; });
  globalThis.tested = { login: () => session.login(tokens()), renewals: () => renewals };
`;

test('a page that renews is kept by the back/forward cache, holds nothing that prevents it, and renews again', async () => {
  const browser = await launchChromium(['--disable-back-forward-cache']);
  onTestFinished(() => browser.close());
  const context = await browser.newContext();
  const code = await bundleForPage(RESTORED);
  await context.route('http://app.localhost/**', (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>A page</title>' }),
  );
  const page = await context.newPage();
  await page.goto('http://app.localhost/');
  await page.addScriptTag({ content: code });
  await call(page, 'login');
  await vi.waitFor(async () => expect(await call(page, 'renewals')).toBeGreaterThanOrEqual(2), 20_000);
  await page.goto('http://app.localhost/other');
  // A page that is restored is not loaded.
  await page.goBack({ waitUntil: 'commit' });
  await page.waitForFunction(() => Reflect.get(globalThis, 'isRestored') === true, undefined, { timeout: 20_000 });
  const before = Number(await call(page, 'renewals'));
  await vi.waitFor(async () => expect(await call(page, 'renewals')).toBeGreaterThan(before), 20_000);
});
