import type { Frame, Instance, Me } from '@rescind/console/frames';
import { toRows } from '@rescind/console/frames';
import type { Fleet } from '@rescind/dev-fleet';
import { openFleet } from '@rescind/dev-fleet';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { launchChromium } from './support/chromium.ts';
import { openConsole } from './support/console.ts';
import { administer, logInToConsole, registerOperator, subOf } from './support/operator.ts';

// What an operator does in an incident, and what the console must not state meanwhile: something old as new, or something unread as empty.

let fleet: Fleet;
let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
  fleet = await openFleet({ prices: 2, orders: 0, console: true, issuerEnvironment: { ADMIN_STEP_UP: '10s' } });
});
afterAll(async () => {
  await browser?.close();
  await fleet?.close();
});

const DEADLINE = { timeout: 30_000, interval: 100 };
const open = (path?: string, options?: BrowserContextOptions) => openConsole({ browser, fleet }, path, options);
const logIn = (page: Page, user = fleet.consoleUser) => logInToConsole(page, user);
const main = (page: Page) => page.locator('#main');

/** An operator who may read all that these pages show. */
const ME: Omit<Me, 'now'> = {
  who: 'sub:x',
  username: 'operator',
  scopes: [],
  operations: ['listInstances', 'listKeys', 'listRevocations'],
  authTime: null,
  stepUpUntil: null,
};

/** A user with one session. */
async function member() {
  const user = await fleet.client.register();
  const tokens = await fleet.client.login(user, 'laptop');
  return { user, tokens, sub: await subOf(fleet, user.username) };
}

/** Waits until the page has applied this many frames that follow. */
async function untilUpdated(page: Page, times = 3): Promise<void> {
  const clock = page.locator('.bar time');
  for (let at = 0; at < times; at++) {
    const before = await clock.textContent();
    await vi.waitFor(async () => expect(await clock.textContent()).not.toBe(before), DEADLINE);
  }
}

test('without a revocation no instance is called new, and an epoch is not cut to its zeros', async () => {
  const page = await open('/fleet');
  await logIn(page);
  const { items } = await administer<{ items: readonly Omit<Instance, 'asOf'>[] }>(fleet, '/admin/instances');
  const now = Date.now();
  const frames: readonly Frame[] = [
    { type: 'begin', now },
    { type: 'me', me: { ...ME, now } },
    { type: 'beat', now },
    {
      type: 'fleet',
      now,
      rows: toRows(
        items.map((one) => ({ ...one, asOf: now })),
        now,
      ),
      removed: [],
    },
  ];
  await page.route('**/api/stream', (route) =>
    route.fulfill({
      body: frames.map((one) => `data: ${JSON.stringify(one)}\n\n`).join(''),
      contentType: 'text/event-stream',
    }),
  );
  await page.reload();
  await vi.waitFor(async () => expect(await page.locator('.tile').count()).toBe(2), DEADLINE);
  expect((await page.locator('.tile .ms').allTextContents()).join('')).toBe('');
  await page.getByRole('link', { name: 'Keys and epochs' }).click();
  await main(page).getByText(/^1-/).waitFor();
});

test.each([
  ['/sessions', ['Client']],
  ['/audit', ['who', 'operation', 'target', 'result']],
])('a filter of %s keeps what is typed while frames arrive, and applies at Enter', async (path, names) => {
  const page = await open(path);
  await logIn(page);
  for (const name of names) {
    const field = page.getByRole('searchbox', { name, exact: true });
    await field.pressSequentially('we');
    await untilUpdated(page);
    expect([name, await field.inputValue()]).toEqual([name, 'we']);
    await field.press('Enter');
    await vi.waitFor(() => expect([...new URL(page.url()).searchParams.values()]).toContain('we'), DEADLINE);
    await field.fill('');
    await field.press('Enter');
    await vi.waitFor(() => expect(new URL(page.url()).search).toBe(''), DEADLINE);
  }
});

test('an explanation disappears when another token is pasted', async () => {
  const { tokens } = await member();
  const other = await member();
  await fleet.client.logout(tokens.access_token);
  const page = await open('/explain');
  await logIn(page);
  const field = page.getByRole('textbox', { name: 'Access token' });
  await field.fill(tokens.access_token);
  await page.getByRole('button', { name: 'Explain' }).click();
  const result = page.getByRole('heading', { name: 'It is revoked' });
  await result.waitFor();
  await field.fill(other.tokens.access_token);
  await result.waitFor({ state: 'detached' });
});

test('what is no token of this issuer is explained in words, and a token with its scheme is one', async () => {
  const { tokens } = await member();
  const page = await open('/explain');
  await logIn(page);
  const explain = async (text: string) => {
    await page.getByRole('textbox', { name: 'Access token' }).fill(text);
    await page.getByRole('button', { name: 'Explain' }).click();
  };
  const foreign = ['{"alg":"RS256","typ":"at+jwt","kid":"x"}', '{"iss":"https://other.example"}', 'x'];
  await explain(tokens.refresh_token);
  await page.getByRole('alert').filter({ hasText: 'This is no JWT' }).waitFor();
  await explain(foreign.map((part) => Buffer.from(part).toString('base64url')).join('.'));
  await page.getByRole('alert').filter({ hasText: 'No key of this issuer signed it' }).waitFor();
  await explain(`Bearer ${tokens.access_token}`);
  await page.getByRole('heading', { name: 'Nothing denies it' }).waitFor();
  // A time is readable: `Sat 28 Nov, 02:47`.
  await page
    .getByText(/^\w{3} \d+ \w{3}, \d\d:\d\d$/)
    .first()
    .waitFor();
});

test.each([1440, 768])(
  'at %i px a long name breaks no other column, and the bar has no gap above it',
  async (width) => {
    const user = { username: 'a'.repeat(64), password: 'correct horse battery' };
    const headers = { 'content-type': 'application/json' };
    await fetch(`${fleet.issuer.url}/register`, { method: 'POST', headers, body: JSON.stringify(user) });
    await fleet.client.login(user, 'laptop');
    const page = await open('/clients', { viewport: { width, height: 900 } });
    await logIn(page);
    await page.getByRole('table').waitFor();
    const top = await page.locator('.bar').evaluate((one) => one.getBoundingClientRect().top);
    const side = await page.locator('.side').evaluate((one) => one.getBoundingClientRect().bottom);
    expect(top).toBe(width > 900 ? 0 : side);
    await page.goto(`${fleet.console?.url}/sessions`);
    await page.getByRole('link', { name: user.username }).first().waitFor();
    for (const column of ['From', 'Begun']) {
      const lines = await page
        .locator(`td[data-label="${column}"]`)
        .first()
        .evaluate((cell) => {
          const range = document.createRange();
          range.selectNodeContents(cell);
          return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size;
        });
      expect([column, lines]).toEqual([column, 1]);
    }
  },
);

test('the login stays open when Escape is pressed twice, and gives the focus back', async () => {
  const { sub } = await member();
  const page = await open(`/people/${sub}`);
  for (let times = 0; times < 3; times++) await page.keyboard.press('Escape');
  await logIn(page);
  await page.getByRole('button', { name: 'Log out everywhere …' }).click();
  const why = page.getByRole('dialog').getByLabel('Why');
  await why.fill('a stolen laptop');
  await administer(fleet, `/admin/users/${await subOf(fleet, 'operator')}/log-out`, {});
  await page.getByRole('heading', { name: 'Console' }).waitFor();
  for (let times = 0; times < 3; times++) await page.keyboard.press('Escape');
  await logIn(page);
  await why.waitFor();
  await vi.waitFor(
    async () => expect(await why.evaluate((one) => one === document.activeElement)).toBe(true),
    DEADLINE,
  );
});

test('the page of a user shows a new login by itself, and a form that is open stays', async () => {
  const { user, sub } = await member();
  const page = await open(`/people/${sub}`);
  await logIn(page);
  await page.getByText('1 open').waitFor();
  await page.getByRole('button', { name: 'End', exact: true }).click();
  const why = page.getByRole('dialog').getByLabel('Why');
  await why.fill('a stolen laptop');
  await fleet.client.login(user, 'thief');
  await page.getByText('2 open').waitFor();
  expect(await why.inputValue()).toBe('a stolen laptop');
});

test('states before the client of the console is disabled that an administrator would be logged out', async () => {
  const page = await open('/clients');
  await logIn(page);
  const row = page.getByRole('row').filter({ hasText: 'console' }).first();
  await row.getByRole('button', { name: 'Disable …' }).click();
  await page
    .getByRole('dialog')
    .getByText(/Administrators among them: at most [1-9]\d*; it may log them out/)
    .waitFor();
});

test.each([1440, 360])('at %i px the dialog of a row is not cut', async (width) => {
  const page = await open('/clients', { viewport: { width, height: 800 } });
  await logIn(page);
  await page.getByRole('button', { name: 'Disable …' }).last().click();
  const dialog = page.getByRole('dialog');
  await dialog
    .getByText(/^\d+ sessions?$/)
    .first()
    .waitFor();
  expect(await dialog.evaluate((one) => one.scrollWidth - one.clientWidth)).toBe(0);
  const [cancel, act] = await dialog.getByRole('button').all();
  expect((await cancel?.boundingBox())?.y).toBe((await act?.boundingBox())?.y);
});

test('a list states when it was read', async () => {
  await member();
  const page = await open('/sessions');
  await logIn(page);
  const count = page.getByText(/^\d+ shown · read at \d\d:\d\d:\d\d/);
  const before = await count.textContent();
  await untilUpdated(page);
  expect(await count.textContent()).toBe(before);
  await page.getByRole('button', { name: 'Read again' }).click();
  await vi.waitFor(async () => expect(await count.textContent()).not.toBe(before), DEADLINE);
});

test('what is chosen is what is shown', async () => {
  await member();
  const page = await open('/sessions');
  await logIn(page);
  await page.getByRole('checkbox').first().check();
  await page.getByRole('button', { name: 'End 1 session …' }).waitFor();
  await page.getByRole('searchbox', { name: 'Client' }).fill('console');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'End 1 session …' }).waitFor({ state: 'detached' });
});

test('a login that is not recent any more leads back to the act, which says nothing of it then', async () => {
  const members = [await member(), await member()];
  const page = await open('/sessions?client_id=web');
  await logIn(page);
  for (const { user } of members) await page.getByRole('checkbox', { name: user.username }).check();
  await page.getByRole('button', { name: 'End 2 sessions …' }).click();
  const act = page.getByRole('dialog').filter({ hasText: 'End 2 sessions?' });
  await act.getByLabel('Why').fill('a stolen laptop');
  await act.getByLabel('Type 2 to confirm').fill('2');
  await page.getByText('login not recent').waitFor();
  await page.keyboard.press('Enter');
  const stepUp = page.getByRole('dialog', { name: 'Is it you?' });
  await stepUp.waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await stepUp.waitFor({ state: 'detached' });
  const hasFocus = () => act.evaluate((one) => one.contains(document.activeElement));
  await vi.waitFor(async () => expect(await hasFocus()).toBe(true), DEADLINE);
  await act.getByRole('button', { name: /^End 2/ }).click();
  await stepUp.getByLabel('Password').fill(fleet.consoleUser?.password ?? '');
  await page.keyboard.press('Enter');
  await stepUp.waitFor({ state: 'detached' });
  await vi.waitFor(async () => expect(await hasFocus()).toBe(true), DEADLINE);
  await vi.waitFor(async () => expect(await act.getByRole('alert').count()).toBe(0), DEADLINE);
  await act.getByRole('button', { name: /^End 2/ }).click();
  await page.getByRole('heading', { name: 'Done' }).waitFor();
  await page.keyboard.press('Enter');
  await act.waitFor({ state: 'detached' });
});

describe('an operator with few scopes', () => {
  test('begins at a page that may be read, and gets no choice that leads nowhere', async () => {
    await member();
    const page = await open('/');
    await logIn(page, await registerOperator(fleet, ['admin:sessions:read', 'admin:events']));
    await page.getByRole('heading', { name: 'Sessions' }).waitFor();
    await page.getByRole('table').waitFor();
    expect(await page.getByRole('checkbox').count()).toBe(0);
  });

  test('reads on no page that something is empty which the scopes do not show', async () => {
    const { tokens } = await member();
    await fleet.client.logout(tokens.access_token);
    const page = await open('/');
    await logIn(page, await registerOperator(fleet, ['admin:fleet:read']));
    await main(page).getByText('Your account may not read revocations.').waitFor();
    expect(await page.getByText('Nothing is revoked at present.').count()).toBe(0);
    const other = await open('/keys');
    await logIn(other, await registerOperator(fleet, ['admin:keys:read', 'admin:revocations:read']));
    await main(other).getByText('Your account may not read instances.').waitFor();
    await other.getByRole('link', { name: 'Explain' }).click();
    await other.getByRole('textbox', { name: 'Access token' }).fill(tokens.access_token);
    await other.getByRole('button', { name: 'Explain' }).click();
    await other.getByRole('heading', { name: 'It is revoked' }).waitFor();
    expect(await other.getByText('Every instance that reports denies it.').count()).toBe(0);
  });
});

test('a revocation that reaches no instance counts as one that was not denied within a second', async () => {
  const page = await open('/');
  await logIn(page);
  const { tokens } = await member();
  for (const one of fleet.instances) one.pause();
  try {
    await fleet.client.logout(tokens.access_token);
    await main(page).getByText('0 of 2').first().waitFor();
    const figure = main(page).getByRole('link', { name: /^Denied within 1 s/ });
    await vi.waitFor(async () => expect(await figure.textContent()).not.toMatch(/—|100 %/), DEADLINE);
  } finally {
    for (const one of fleet.instances) one.resume();
  }
});

test('while user-management is away a page says so, and states nothing as empty', async () => {
  const page = await open('/fleet');
  await logIn(page);
  await page.getByRole('heading', { name: '2 instances of 1 service' }).waitFor();
  await fleet.issuer.stop('SIGKILL');
  await page.getByRole('alert').filter({ hasText: 'cannot reach user-management' }).waitFor();
  const late = await page.context().newPage();
  await page.close();
  await late.goto(`${fleet.console?.url}/fleet`);
  await late.getByText('The console cannot reach user-management.').waitFor();
  expect(await late.getByText(/No instance reports|0 instances/).count()).toBe(0);
  await fleet.issuer.start();
  await fleet.issuer.ready();
  await late.getByRole('heading', { name: '2 instances of 1 service' }).waitFor();
});
