import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createAuthenticator } from '../support/authenticator.ts';
import { expectAccessible } from './support/accessibility.ts';
import type { WebFleet } from './support/web-fleet.ts';
import { claim, logIn, openWebFleet } from './support/web-fleet.ts';

let web: WebFleet;
beforeAll(async () => {
  web = await openWebFleet({ issuerEnvironment: { RECENT_LOGIN: '5s' } });
});
afterAll(() => web?.[Symbol.asyncDispose]());

describe('the page', () => {
  test('registers a user, shows the claims of the token and the prices, and logs out', async () => {
    const { open } = await web.profile();
    const page = await open('/register');
    await page.getByLabel('Name').fill('grace');
    await page.getByRole('textbox', { name: 'Password' }).fill('correct horse battery');
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.getByRole('heading', { name: 'Hello, grace' }).waitFor();
    expect(await claim(page, 'scope')).toBe('prices:read, orders:read');
    await page.getByText(/^200 in/).waitFor();
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByText('You are logged out.').waitFor();
    await page.waitForURL('**/login');
    await page.reload();
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
  });

  test('says what is wrong with a login', async () => {
    const { open } = await web.profile();
    const page = await open('/login');
    await page.getByLabel('Name').fill('nobody');
    await page.getByRole('textbox', { name: 'Password' }).fill('not the password');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').filter({ hasText: 'The name or the password is wrong.' }).waitFor();
  });

  test('lists the devices, renames one, and logs others out after the password', async () => {
    const { page, user } = await web.loggedIn();
    const loggedInAt = Date.now();
    const phone = await web.fleet.client.login(user, 'phone');
    const tablet = await web.fleet.client.login(user, 'tablet');
    await page.getByRole('link', { name: 'Devices' }).click();
    await page.getByRole('heading', { name: '3 devices' }).waitFor();
    await page.getByRole('button', { name: 'Rename phone' }).click();
    await page.getByLabel('Name of the device').fill('old phone');
    await page.getByRole('button', { name: 'Save' }).click();

    // A login of the last five seconds needs no password.
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(loggedInAt + 6_000), 10_000);
    await page.getByRole('button', { name: 'Log out old phone' }).click();
    const dialog = page.getByRole('dialog', { name: 'Is it you?' });
    await dialog.getByLabel('Password').fill('not the password');
    await dialog.getByRole('button', { name: 'Continue' }).click();
    await dialog.getByRole('alert').waitFor();
    await dialog.getByLabel('Password').fill(user.password);
    await dialog.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('heading', { name: '2 devices' }).waitFor();
    expect((await web.fleet.client.refresh(phone.refresh_token)).status).toBe(400);

    await page.getByRole('button', { name: 'Log out all others' }).click();
    // The login may still be recent enough.
    await page.addLocatorHandler(dialog, async () => {
      await dialog.getByLabel('Password').fill(user.password);
      await dialog.getByRole('button', { name: 'Continue' }).click();
    });
    await page.getByRole('heading', { name: '1 device' }).waitFor();
    expect((await web.fleet.client.refresh(tablet.refresh_token)).status).toBe(400);
  });

  test('sets up a second factor, and asks for its code at the next login', async () => {
    const { page, user, open, context } = await web.loggedIn();
    await page.getByRole('link', { name: 'Security' }).click();
    await page.getByRole('textbox', { name: 'Password', exact: true }).fill(user.password);
    await page.getByRole('button', { name: 'Set up' }).click();
    const secret = await page.locator('[data-secret]').getAttribute('data-secret');
    const authenticator = createAuthenticator(`otpauth://totp/Rescind:x?secret=${secret}`);
    await page.getByRole('textbox', { name: 'Code' }).first().fill(authenticator.code());
    await page.getByRole('button', { name: 'Confirm' }).click();
    await page.getByText('Your second factor is on.').waitFor();
    expect(await page.locator('.codes li').count()).toBe(10);
    await page.getByRole('link', { name: 'Overview' }).click();
    await vi.waitFor(async () => expect(await claim(page, 'acr')).toBe('aal2'), 10_000);

    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
    await context.clearCookies();
    const again = await open('/login');
    await again.getByLabel('Name').fill(user.username);
    await again.getByRole('textbox', { name: 'Password' }).fill(user.password);
    await again.getByRole('button', { name: 'Log in' }).click();
    await again.getByLabel('Code of your authenticator').fill(authenticator.code());
    await again.getByRole('button', { name: 'Log in' }).click();
    await again.getByRole('heading', { name: `Hello, ${user.username}` }).waitFor();
  });
});

describe.each(['light', 'dark'] as const)('in %s', (colorScheme) => {
  test.each([360, 768, 1280])('each view is accessible, and %i px are enough', async (width) => {
    const { open, context } = await web.profile({ colorScheme, viewport: { width, height: 800 } });
    const user = await web.fleet.client.register();
    const page = await open('/login');
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
    await expectAccessible(page, 'login');
    await logIn(page, user);
    await page.getByText(/^200 in/).waitFor();
    await expectAccessible(page, 'overview');
    await web.fleet.client.login(user, 'phone');
    await page.getByRole('link', { name: 'Devices' }).click();
    await page.getByRole('heading', { name: '2 devices' }).waitFor();
    await expectAccessible(page, 'devices');
    await page.getByRole('link', { name: 'Security' }).click();
    await page.getByRole('button', { name: 'Set up' }).waitFor();
    await expectAccessible(page, 'security');
    expect(context.pages()).toHaveLength(1);
  });
});

test('a document has a strict policy, and is not stored', async () => {
  for (const path of ['/', '/login', '/devices']) {
    const response = await fetch(web.url + path);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self';");
    expect(policy).not.toMatch(/unsafe|\*/);
  }
  expect((await fetch(`${web.url}/nothing`)).status).toBe(404);
  expect((await fetch(`${web.url}/assets/..%2findex.html`)).status).toBe(404);
});
