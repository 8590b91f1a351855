import type { BrowserContext, Page, Route } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { WebFleet } from './support/web-fleet.ts';
import { claim, openWebFleet } from './support/web-fleet.ts';

let web: WebFleet;
beforeAll(async () => {
  web = await openWebFleet({ issuerEnvironment: { ACCESS_TOKEN_TTL: '6s', REFRESH_GRACE: '10s' } });
});
afterAll(() => web?.[Symbol.asyncDispose]());

const TOKEN = '**/oauth2/token';
const loginAgain = (page: Page) => page.getByRole('heading', { name: 'Log in' }).waitFor();

/** The statuses of all refreshes of a profile. */
function refreshesOf(context: BrowserContext): number[] {
  const statuses: number[] = [];
  context.on('response', (response) => {
    const isRefresh = response.url().endsWith('/oauth2/token') && response.request().method() === 'POST';
    if (isRefresh) statuses.push(response.status());
  });
  return statuses;
}

/** Waits until the page shows a token that it did not have. */
async function untilRenewed(page: Page): Promise<void> {
  const before = await claim(page, 'jti');
  await vi.waitFor(async () => expect(await claim(page, 'jti')).not.toBe(before), { timeout: 20_000, interval: 50 });
}

/** Resolves with the next refresh of a tab, which waits until it is fulfilled. */
function holdRefresh(page: Page): Promise<Route> {
  return new Promise((resolve) => {
    void page.route(TOKEN, (route) => (route.request().method() === 'POST' ? resolve(route) : route.continue()));
  });
}

async function setLifecycle(page: Page, state: 'frozen' | 'active'): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send('Page.setWebLifecycleState', { state });
  await session.detach();
}

describe.each(['cookie', 'body'])('in %s mode', (mode) => {
  test('the network is cut in the middle of a renewal: the issuer has done it, and the session goes on', async () => {
    const { page, context } = await web.loggedIn(`?mode=${mode}`);
    const statuses = refreshesOf(context);
    let lost = 0;
    await page.route(TOKEN, async (route) => {
      if (route.request().method() !== 'POST' || lost > 0) return route.continue();
      lost += 1;
      // The issuer responds, and nothing arrives.
      await route.fetch();
      await route.abort('connectionreset');
    });
    await vi.waitFor(() => expect(lost).toBe(1), 20_000);
    await untilRenewed(page);
    expect(new Set(statuses)).toEqual(new Set([200]));
    await page.reload();
    await page.getByRole('heading', { name: /^Hello/ }).waitFor();
  });

  test('offline, the session waits; online, it goes on', async () => {
    const { page, context } = await web.loggedIn(`?mode=${mode}`);
    await context.setOffline(true);
    await page.getByText('There is no connection to the server. You stay logged in.').waitFor();
    await context.setOffline(false);
    await page.getByText('The connection is back.').waitFor();
    await untilRenewed(page);
  });

  test('a logout without a connection ends the session in the page at once, and at the issuer once it can be reached', async () => {
    const { page, context, user } = await web.loggedIn(`?mode=${mode}`);
    const sid = await claim(page, 'sid');
    await context.setOffline(true);
    await page.getByRole('button', { name: 'Log out', exact: true }).click();
    await loginAgain(page);
    await context.setOffline(false);
    const sessions = async () => {
      const { refresh_token: refreshToken } = await web.fleet.client.login(user, 'witness');
      const { access_token: token } = await web.fleet.client.forAccount(refreshToken);
      const response = await fetch(`${web.fleet.issuer.url}/sessions`, {
        headers: { authorization: `Bearer ${token}` },
      });
      const { items } = (await response.json()) as { items: { sid: string }[] };
      return items.map((item) => item.sid);
    };
    await vi.waitFor(async () => expect(await sessions()).not.toContain(sid), { timeout: 20_000, interval: 500 });
    await page.reload();
    await loginAgain(page);
  });

  test('a response to a refresh that arrives after the logout does not log in again', async () => {
    const { page } = await web.loggedIn(`?mode=${mode}`);
    const route = await holdRefresh(page);
    const response = await route.fetch();
    await page.getByRole('button', { name: 'Log out', exact: true }).click();
    await loginAgain(page);
    await route.fulfill({ response });
    await page.unroute(TOKEN);
    await page.reload();
    await loginAgain(page);
    await page.waitForLoadState('networkidle');
    expect(await page.getByRole('heading', { name: /^Hello/ }).count()).toBe(0);
  });

  test('a tab that is left in the middle of a renewal is logged in when it comes back', async () => {
    const { page, context } = await web.loggedIn(`?mode=${mode}`);
    const statuses = refreshesOf(context);
    await page.waitForRequest((request) => request.url().endsWith('/oauth2/token') && request.method() === 'POST');
    await page.goto('about:blank');
    await page.goto(`${web.url}/?mode=${mode}`);
    await page.getByRole('heading', { name: /^Hello/ }).waitFor();
    await untilRenewed(page);
    expect(statuses.every((status) => status === 200)).toBe(true);
  });

  test('a tab that was frozen in the middle of a renewal delays no other tab, and adopts its newer token', async () => {
    const { page, open, context } = await web.loggedIn(`?mode=${mode}`);
    const other = await open(`/?mode=${mode}`);
    await other.getByRole('heading', { name: /^Hello/ }).waitFor();
    const statuses = refreshesOf(context);
    // It holds the lock, and the issuer has used its refresh token.
    const route = await holdRefresh(page);
    const response = await route.fetch();
    await setLifecycle(page, 'frozen');
    await untilRenewed(other);
    await setLifecycle(page, 'active');
    await route.fulfill({ response });
    await page.unroute(TOKEN);
    await vi.waitFor(async () => expect(await claim(page, 'jti')).toBe(await claim(other, 'jti')), 20_000);
    await untilRenewed(page);
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  test('a tab that was frozen during a logout is logged out when it thaws', async () => {
    const { page, open } = await web.loggedIn(`?mode=${mode}`);
    const other = await open(`/?mode=${mode}`);
    await other.getByRole('heading', { name: /^Hello/ }).waitFor();
    await setLifecycle(other, 'frozen');
    await page.getByRole('button', { name: 'Log out', exact: true }).click();
    await loginAgain(page);
    await setLifecycle(other, 'active');
    await loginAgain(other);
  });

  test.each([
    ['ahead', 600_000],
    ['behind', -600_000],
  ])('with a clock ten minutes %s, tokens are renewed on time and every request is accepted', async (_, offsetMs) => {
    const { context, open } = await web.profile();
    await context.addInitScript((ms) => {
      const system = Date;
      globalThis.Date = class extends system {
        constructor(...given: [] | [number]) {
          super(...((given.length === 0 ? [system.now() + ms] : given) as [number]));
        }
        static override now() {
          return system.now() + ms;
        }
      } as DateConstructor;
    }, offsetMs);
    const user = await web.fleet.client.register();
    const statuses = new Set<number>();
    context.on('response', (response) => void statuses.add(response.status()));
    const page = await open(`/login?mode=${mode}`);
    await page.getByLabel('Name').fill(user.username);
    await page.getByRole('textbox', { name: 'Password' }).fill(user.password);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText(/^200 in/).waitFor();
    await untilRenewed(page);
    await untilRenewed(page);
    await page.reload();
    await page.getByText(/^200 in/).waitFor();
    expect([...statuses].filter((status) => status >= 400)).toEqual([]);
  });
});
