import { basicAuthorization } from '@rescind/revocation/http';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { WebFleet } from './support/web-fleet.ts';
import { claim, logIn, openWebFleet } from './support/web-fleet.ts';

let web: WebFleet;
beforeAll(async () => {
  web = await openWebFleet({ issuerEnvironment: { REFRESH_GRACE: '0s', REFRESH_RECOVERY: '0s' } });
});
afterAll(() => web?.[Symbol.asyncDispose]());

/** The page requests the prices every two seconds, and renews by itself only after minutes; the rest is for a busy machine. */
const BOUND_MS = 20_000;

async function administer(method: string, path: string, body: object): Promise<void> {
  const { adminUrl, operator } = web.fleet;
  const response = await fetch(`${adminUrl}/admin${path}`, {
    method,
    headers: { authorization: basicAuthorization(operator.name, operator.secret), 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(response.ok).toBe(true);
}

const loginAgain = (page: Page) => page.getByRole('heading', { name: 'Log in' }).waitFor();

describe.each(['cookie', 'body'])('in %s mode', (mode) => {
  test('a page whose session another browser ends is logged out within seconds, and shows the reason', async () => {
    const { page, user } = await web.loggedIn(`?mode=${mode}`);
    const other = await web.profile();
    const elsewhere = await other.open(`/login?mode=${mode}`);
    await logIn(elsewhere, user);
    await elsewhere.getByRole('link', { name: 'Devices' }).click();
    await elsewhere.getByRole('heading', { name: '2 devices' }).waitFor();
    await elsewhere.getByRole('button', { name: 'Log out all others' }).click();
    await elsewhere.getByRole('heading', { name: '1 device' }).waitFor();
    await page.getByText('This session was ended from another tab or device.').waitFor({ timeout: BOUND_MS });
    await page.reload();
    await loginAgain(page);
    await elsewhere.reload();
    await elsewhere.getByRole('heading', { name: '1 device' }).waitFor();
  });

  test('a changed role arrives without a reload', async () => {
    const { page } = await web.loggedIn(`?mode=${mode}`);
    const sub = await claim(page, 'sub');
    const sid = await claim(page, 'sid');
    await page.evaluate(() => Object.assign(globalThis, { isSamePage: true }));
    await administer('PUT', `/users/${sub}/roles`, { roles: ['editor'], why: 'joined the desk' });
    const roles = page.locator('dd[data-claim="roles"]', { hasText: 'editor' });
    await roles.waitFor({ timeout: BOUND_MS });
    await page.getByText('roles is now editor.').waitFor();
    expect(await claim(page, 'sid')).toBe(sid);
    expect(await page.evaluate(() => 'isSamePage' in globalThis)).toBe(true);
  });

  test('a suspended account is logged out, and the page says so', async () => {
    const { page } = await web.loggedIn(`?mode=${mode}`);
    const sub = await claim(page, 'sub');
    await administer('POST', `/users/${sub}/suspend`, { why: 'a test' });
    await page.getByText('This account is suspended or deleted.').waitFor({ timeout: BOUND_MS });
  });
});

test('a refresh token that owner and thief both use logs both out', async () => {
  const { page } = await web.loggedIn('?mode=body');
  const stolen = await page.evaluate(
    () =>
      new Promise<string>((resolve, reject) => {
        const opening = indexedDB.open('rescind body');
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const database = opening.result;
          const [name = ''] = database.objectStoreNames;
          const reading = database.transaction(name).objectStore(name).getAll();
          reading.onsuccess = () => {
            database.close();
            resolve(reading.result[0].refreshToken);
          };
        };
      }),
  );
  const thief = await web.fleet.client.refreshed(stolen);
  // The earlier tokens still work; the next renewal of the page presents the used refresh token.
  await administer('PUT', `/users/${await claim(page, 'sub')}/roles`, { roles: ['reader'], why: 'a test' });
  await page.getByText('Somebody used a copy of this session.').waitFor({ timeout: BOUND_MS });
  const prices = web.fleet.instances[0]?.url;
  const asThief = () => fetch(`${prices}/prices`, { headers: { authorization: `Bearer ${thief.access_token}` } });
  await vi.waitFor(async () => expect((await asThief()).status).toBe(401), BOUND_MS);
  expect((await web.fleet.client.refresh(thief.refresh_token)).status).toBe(400);
});

test('a login of another user in another tab ends the session of the first tab, which never sends requests as the second user', async () => {
  const { page, open, user } = await web.loggedIn();
  const subject = await claim(page, 'sub');
  const sent = new Set<unknown>();
  page.on('request', (request) => {
    const token = request.headers().authorization?.split('.')[1];
    if (token !== undefined) sent.add(JSON.parse(Buffer.from(token, 'base64url').toString()).sub);
  });
  await page.waitForRequest((request) => request.url().endsWith('/prices') && request.method() === 'GET');
  const second = await web.fleet.client.register();
  const other = await open('/');
  await other.getByRole('heading', { name: `Hello, ${user.username}` }).waitFor();
  await other.getByRole('button', { name: 'Log out', exact: true }).click();
  await logIn(other, second);
  await page.getByText('This session was ended from another tab or device.').waitFor();
  expect(await claim(other, 'sub')).not.toBe(subject);
  expect([...sent]).toEqual([subject]);
});

test.each(['cookie', 'body'])(
  'after an account is switched in one tab, the other continues with it on demand, in %s mode',
  async (mode) => {
    const { page, open, user } = await web.loggedIn(`?mode=${mode}`);
    const other = await open(`/?mode=${mode}`);
    await other.getByRole('heading', { name: `Hello, ${user.username}` }).waitFor();
    await page.getByRole('button', { name: 'Log out', exact: true }).click();
    await loginAgain(other);
    await logIn(other, user);
    // The first tab still shows the login, and another user takes it.
    const second = await web.fleet.client.register();
    await logIn(page, second);
    await other.getByText('Another login in this browser has ended this session.').waitFor();
    expect(await other.getByRole('heading', { name: /^Hello/ }).count()).toBe(0);
    await other.getByRole('button', { name: 'Continue with the account of the other tab' }).click();
    await other.getByRole('heading', { name: `Hello, ${second.username}` }).waitFor();
    expect(await claim(other, 'sub')).toBe(await claim(page, 'sub'));
    expect(await claim(other, 'sid')).toBe(await claim(page, 'sid'));
  },
);

test('the back button after a logout shows the login, not the claims', async () => {
  const { page } = await web.loggedIn();
  await page.getByRole('link', { name: 'Devices' }).click();
  await page.getByRole('heading', { name: '1 device' }).waitFor();
  await page.getByRole('button', { name: 'Log out', exact: true }).click();
  await page.getByText('You are logged out.').waitFor();
  await page.goto(`${web.url}/register`);
  await page.getByRole('heading', { name: 'Create an account' }).waitFor();
  for (let step = 0; step < 3; step += 1) {
    await page.goBack();
    await page.getByRole('heading', { name: /Log in|Create an account/ }).waitFor();
    expect(await page.getByRole('heading', { name: /Hello|Where you are/ }).count()).toBe(0);
  }
});
