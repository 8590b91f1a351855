import type { Fleet } from '@rescind/dev-fleet';
import { openFleet } from '@rescind/dev-fleet';
import axe from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { launchChromium } from './support/chromium.ts';

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

/** A page of a browser profile of its own. The test fails if it violates its policy, throws, or writes an error. */
async function openConsole(path = '/', options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options);
  const problems: string[] = [];
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) =>
      console.error(`content security policy: ${effectiveDirective} ${blockedURI}`),
    );
  });
  context.on('page', (page) => {
    page.on('pageerror', (error) => void problems.push(String(error)));
    page.on('console', (message) => {
      const isRequest = message.text().startsWith('Failed to load resource') || message.text().includes('ERR_');
      if (message.type() === 'error' && !isRequest) problems.push(message.text());
    });
  });
  onTestFinished(async () => {
    await context.close();
    expect(problems).toEqual([]);
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(`${fleet.console?.url}${path}`);
  return page;
}

async function logIn(page: Page, user = fleet.consoleUser): Promise<void> {
  await page.getByLabel('Name').fill(user?.username ?? '');
  await page.getByRole('textbox', { name: 'Password' }).fill(user?.password ?? '');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.locator('[data-live="live"]').waitFor();
}

/** The rules of WCAG 2.2 AA that axe finds violated, with the elements. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations: found } = await page.evaluate<axe.AxeResults>('axe.run()');
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

/** The session ids of the operator. */
async function sidsOf(username: string): Promise<string[]> {
  const get = async (path: string) => {
    const authorization = `Basic ${Buffer.from(`${fleet.operator.name}:${fleet.operator.secret}`).toString('base64')}`;
    const response = await fetch(fleet.adminUrl + path, { headers: { authorization } });
    return (await response.json()) as { items: { sub: string; sid: string }[] };
  };
  const [user] = (await get(`/admin/users?username=${username}`)).items;
  return (await get(`/admin/sessions?sub=${user?.sub}`)).items.map(({ sid }) => sid);
}

async function endSession(sid: string): Promise<void> {
  const authorization = `Basic ${Buffer.from(`${fleet.operator.name}:${fleet.operator.secret}`).toString('base64')}`;
  const response = await fetch(`${fleet.adminUrl}/admin/sessions/${sid}/end`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ why: 'a test' }),
  });
  expect(response.status).toBe(200);
}

describe('the console', () => {
  test('shows a revocation cross the fleet, with the milliseconds of each instance', async () => {
    const page = await openConsole('/fleet');
    await logIn(page);
    await page.getByRole('heading', { name: '3 instances of 2 services' }).waitFor();
    const user = await fleet.client.register();
    const { access_token: token } = await fleet.client.login(user, 'laptop');
    await fleet.client.logout(token);
    await page.getByText(/^3 of 3 deny it, after [\d.]+ m?s/).waitFor();
    await page.getByRole('link', { name: 'logout' }).waitFor();
    await vi.waitFor(async () => expect(await page.locator('.tile.reached').count()).toBe(3), DEADLINE);
    expect(await page.locator('.tile .ms').allTextContents()).toEqual(
      Array.from({ length: 3 }, () => expect.stringMatching(/^[\d.]+ m?s$/)),
    );
  });

  test('refuses an account without a scope of administration, and leaves no cookie', async () => {
    const page = await openConsole();
    const user = await fleet.client.register();
    await page.getByLabel('Name').fill(user.username);
    await page.getByRole('textbox', { name: 'Password' }).fill(user.password);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').filter({ hasText: 'no scope of administration' }).waitFor();
    expect(await page.context().cookies()).toEqual([]);
  });

  test('ends the stream of an operator whose session is revoked, within a second', async () => {
    const page = await openConsole();
    const before = new Set(await sidsOf('operator'));
    await logIn(page);
    const [sid = ''] = (await sidsOf('operator')).filter((one) => !before.has(one));
    await endSession(sid);
    await page.getByRole('heading', { name: 'Console' }).waitFor();
    await expect(page.locator('[data-live="live"]').count()).resolves.toBe(0);
  });

  test('logs a user out after a dry run, and answers with the crossing', async () => {
    const page = await openConsole();
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
    await dialog.getByLabel('Why').fill('called the desk');

    // The world changes between the dry run and the act.
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

  test('asks for the number of sessions before it ends everybody', async () => {
    const page = await openConsole('/revocations', { viewport: { width: 320, height: 640 } });
    await logIn(page);
    await page.getByRole('button', { name: 'Log out everybody' }).click();
    const dialog = page.getByRole('dialog');
    const act = dialog.getByRole('button', { name: /^Log out everybody/ });
    const field = dialog.getByLabel(/^Type \d+ to confirm/);
    await field.fill('999999');
    expect(await act.isDisabled()).toBe(true);
    await field.fill('everybody');
    expect(await act.isDisabled()).toBe(false);
    await dialog.getByRole('button', { name: 'Cancel' }).click();
  });

  test('explains a revoked token, which is in no address and in no storage', async () => {
    const page = await openConsole('/explain');
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
    const page = await openConsole();
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

  test('marks values as old while nothing arrives', async () => {
    const page = await openConsole();
    await logIn(page);
    await fleet.console?.stop('SIGKILL');
    await page.locator('[data-live="behind"]').waitFor();
    await page.getByText(/^as of \d\d:\d\d:\d\d$/).waitFor();
    await fleet.console?.start();
    // Its memory had the tokens.
    await page.getByRole('heading', { name: 'Console' }).waitFor();
  });
});

describe.each(['light', 'dark'] as const)('in %s', (colorScheme) => {
  test.each([320, 820, 1440])('each page is accessible, and %i px are enough', async (width) => {
    const page = await openConsole('/', { colorScheme, viewport: { width, height: 900 } });
    const check = async (view: string) => {
      expect([view, await violations(page)]).toEqual([view, []]);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect([view, Math.max(0, overflow)]).toEqual([view, 0]);
    };
    await page.getByRole('heading', { name: 'Console' }).waitFor();
    await check('login');
    await logIn(page);
    for (const path of PAGES) {
      await page.goto(`${fleet.console?.url}${path}`);
      await page.locator('[data-live="live"] h1').waitFor();
      await check(path);
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
    expect([path, [404].includes(await statusOf(path, { headers }))]).toEqual([path, true]);
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
