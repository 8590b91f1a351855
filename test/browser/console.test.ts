import type { Fleet } from '@rescind/dev-fleet';
import { openFleet } from '@rescind/dev-fleet';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { expectAccessible } from './support/accessibility.ts';
import { launchChromium } from './support/chromium.ts';
import { openConsole } from './support/console.ts';
import { administer, logInToConsole, subOf } from './support/operator.ts';

let fleet: Fleet;
let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
  fleet = await openFleet({ prices: 2, orders: 1, console: true });
});
afterAll(async () => {
  await browser?.close();
  await fleet?.close();
});

const PAGES = [
  '/',
  '/fleet',
  '/revocations',
  '/people',
  '/sessions',
  '/explain',
  '/keys',
  '/clients',
  '/log',
  '/audit',
];
const DEADLINE = { timeout: 20_000, interval: 100 };

const open = (path?: string, options?: BrowserContextOptions) => openConsole({ browser, fleet }, path, options);
const logIn = (page: Page) => logInToConsole(page, fleet.consoleUser);

async function sidsOf(username: string): Promise<string[]> {
  const path = `/admin/sessions?sub=${await subOf(fleet, username)}`;
  const { items } = await administer<{ items: { sid: string }[] }>(fleet, path);
  return items.map(({ sid }) => sid);
}

describe('the console', () => {
  test('shows how a revocation crosses the fleet, with the time of each instance', async () => {
    const page = await open('/fleet');
    await logIn(page);
    await page.getByRole('heading', { name: '3 instances of 2 services' }).waitFor();
    const user = await fleet.client.register();
    const { access_token: token } = await fleet.client.login(user, 'laptop');
    await fleet.client.logout(token);
    await page
      .locator('#main')
      .getByText(/^3 of 3 deny it, after [\d.]+ m?s/)
      .waitFor();
    await page.getByRole('link', { name: 'logout' }).waitFor();
    await vi.waitFor(async () => expect(await page.locator('.tile.reached').count()).toBe(3), DEADLINE);
    expect(await page.locator('.tile .ms').allTextContents()).toEqual(
      Array.from({ length: 3 }, () => expect.stringMatching(/^[\d.]+ m?s$/)),
    );
  });

  test('refuses an account without a scope of administration, and leaves no cookie', async () => {
    const page = await open();
    const user = await fleet.client.register();
    await page.getByLabel('Name').fill(user.username);
    await page.getByRole('textbox', { name: 'Password' }).fill(user.password);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').filter({ hasText: 'no scope of administration' }).waitFor();
    expect(await page.context().cookies()).toEqual([]);
  });

  test('ends the stream of an operator whose session is revoked, and asks for a login', async () => {
    const page = await open();
    const before = new Set(await sidsOf('operator'));
    await logIn(page);
    const [sid = ''] = (await sidsOf('operator')).filter((one) => !before.has(one));
    await administer(fleet, `/admin/sessions/${sid}/end`, {});
    await page.getByRole('heading', { name: 'Console' }).waitFor();
    await page.locator('[data-live="live"]').waitFor({ state: 'detached' });
  });

  test('counts sessions again that began after the preview, logs the user out, and shows how many instances deny it', async () => {
    const page = await open();
    await logIn(page);
    const user = await fleet.client.register();
    const laptop = await fleet.client.login(user, 'laptop');
    await fleet.client.login(user, 'phone');
    await page.keyboard.press('/');
    await page.keyboard.type(user.username);
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: user.username }).click();
    await page.getByText('2 open').waitFor();
    await page.keyboard.press('r');
    const dialog = page.getByRole('dialog');
    await dialog.getByText('2 sessions', { exact: true }).waitFor();
    await dialog.getByLabel('Why').fill('lost a phone');

    // The user logs in between the preview and the command.
    await fleet.client.login(user, 'tablet');
    await dialog.getByRole('button', { name: /^Log out everywhere/ }).click();
    await dialog.getByRole('alert').filter({ hasText: 'More sessions' }).waitFor();
    await dialog.getByText('3 sessions', { exact: true }).waitFor();
    await dialog.getByRole('button', { name: /^Log out everywhere/ }).click();
    await dialog.getByText(/^3 of 3 deny it/).waitFor();
    expect((await fleet.client.refresh(laptop.refresh_token)).status).toBe(400);
    await dialog.getByRole('button', { name: 'Close' }).click();
    await page.getByText('0 open').waitFor();
  });

  test('requires the number of sessions, or the word everybody, before everybody can be logged out', async () => {
    const page = await open('/revocations', { viewport: { width: 320, height: 640 } });
    await logIn(page);
    await page.getByRole('button', { name: 'Log out everybody' }).click();
    const dialog = page.getByRole('dialog');
    const act = dialog.getByRole('button', { name: /^Log out everybody/ });
    const field = dialog.getByLabel(/^Type \d+ to confirm/);
    await field.fill('999999');
    expect(await act.isDisabled()).toBe(true);
    const [, count] =
      /^Type (\d+) to confirm/.exec((await dialog.getByText(/^Type \d+ to confirm/).textContent()) ?? '') ?? [];
    for (const word of [String(count), 'everybody']) {
      await field.fill(word);
      expect([word, await act.isDisabled()]).toEqual([word, false]);
    }
    await dialog.getByRole('button', { name: 'Cancel' }).click();
  });

  test('explains a revoked token, which is in no address and in no storage', async () => {
    const page = await open('/explain');
    await logIn(page);
    const user = await fleet.client.register();
    const { access_token: token } = await fleet.client.login(user, 'laptop');
    await fleet.client.logout(token);
    const urls: string[] = [];
    page.on('request', (request) => void urls.push(request.url()));
    await page.getByRole('textbox', { name: 'Access token' }).fill(token);
    await page.getByRole('button', { name: 'Explain' }).click();
    await page.getByRole('heading', { name: 'It is revoked' }).waitFor();
    const stored = await page.evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state, location.href]),
    );
    expect([...urls, stored].join(' ')).not.toContain(token.slice(-20));
    await page.getByRole('link', { name: 'Keys and epochs' }).click();
    await page.goBack();
    expect(await page.getByRole('textbox', { name: 'Access token' }).inputValue()).toBe('');
  });

  test('has one stream for all tabs, and another tab takes over', async () => {
    const page = await open();
    await logIn(page);
    const context = page.context();
    let streams = 0;
    context.on('request', (request) => {
      if (request.url().endsWith('/api/stream')) streams += 1;
    });
    const tabs = await Promise.all(Array.from({ length: 7 }, () => context.newPage()));
    await Promise.all(tabs.map((tab) => tab.goto(`${fleet.console?.url}/fleet`)));
    await Promise.all(tabs.map((tab) => tab.locator('[data-live="live"]').waitFor()));
    expect(streams).toBe(0);
    await page.close();
    await vi.waitFor(() => expect(streams).toBe(1), DEADLINE);
    await tabs[0]?.locator('[data-live="live"]').waitFor();
  });

  test('marks values with the time of the last frame while nothing arrives', async () => {
    const page = await open();
    await logIn(page);
    await fleet.console?.stop('SIGKILL');
    await page.locator('[data-live="behind"]').waitFor();
    await page.getByText(/^as of \d\d:\d\d:\d\d$/).waitFor();
    await fleet.console?.start();
    // The tokens of operators were in the memory of the process.
    await page.getByRole('heading', { name: 'Console' }).waitFor();
  });
});

describe.each(['light', 'dark'] as const)('in %s', (colorScheme) => {
  test.each([320, 820, 1440])('each page violates no rule of axe, and fits into %i px', async (width) => {
    const page = await open('/', { colorScheme, viewport: { width, height: 900 } });
    await page.getByRole('heading', { name: 'Console' }).waitFor();
    await expectAccessible(page, 'login');
    await logIn(page);
    for (const path of PAGES) {
      await page.goto(`${fleet.console?.url}${path}`);
      await page.locator('[data-live="live"] h1').waitFor();
      await expectAccessible(page, path);
    }
  });
});

test('a request without the header of the page, or for a call that is not listed, is refused', async () => {
  const url = fleet.console?.url ?? '';
  const own = { 'x-rescind-csrf': '1' };
  const statusOf = async (path: string, init: RequestInit = {}) => (await fetch(url + path, init)).status;
  expect(await statusOf('/api/stream')).toBe(403);
  expect(await statusOf('/api/stream', { headers: { ...own, 'sec-fetch-site': 'cross-site' } })).toBe(403);
  expect(await statusOf('/api/stream', { headers: own })).toBe(401);
  expect(await statusOf('/api/admin/instances', { headers: own })).toBe(401);
  const login = await fetch(`${url}/api/login`, {
    method: 'POST',
    headers: { ...own, 'content-type': 'application/json' },
    body: JSON.stringify(fleet.consoleUser),
  });
  expect(login.status).toBe(204);
  const cookie = login.headers.get('set-cookie') ?? '';
  expect(cookie).toMatch(/^__Host-rescind-console=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict$/);
  const headers = { ...own, cookie: cookie.split(';')[0] ?? '' };
  expect(await statusOf('/api/admin/instances', { headers })).toBe(200);
  for (const path of ['/api/admin/openapi.json', '/api/admin/users/x%2fdelete']) {
    expect([path, await statusOf(path, { headers })]).toEqual([path, 404]);
  }
  const json = { ...headers, 'content-type': 'application/json' };
  const remove = { method: 'POST', headers: json, body: '{"why":"a test"}' };
  expect(await statusOf('/api/admin/users/x/delete', remove)).toBe(404);
});

test('a document has a strict policy, and is not stored', async () => {
  for (const path of ['/', '/fleet', '/revocations/abc']) {
    const response = await fetch(`${fleet.console?.url}${path}`);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self';");
    expect(policy).toContain("frame-ancestors 'none'; require-trusted-types-for 'script'");
    expect(policy).not.toMatch(/unsafe|\*/);
  }
});
