import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { expectAccessible } from './support/accessibility.ts';
import type { WebFleet } from './support/web-fleet.ts';
import { logIn, openWebFleet } from './support/web-fleet.ts';

let web: WebFleet;
beforeAll(async () => {
  // Two instances behind one address, which passes each connection to the next of them.
  web = await openWebFleet({ game: 2 });
});
afterAll(() => web?.[Symbol.asyncDispose]());

async function join(page: Page, table: string): Promise<void> {
  await page.getByRole('link', { name: 'Game' }).click();
  await sit(page, table);
}

async function sit(page: Page, table: string): Promise<void> {
  await page.getByRole('button', { name: table }).click();
  await page.getByRole('group', { name: 'Board' }).waitFor();
}

const isPlaying = (page: Page) => page.getByText(/Your turn|is thinking/).waitFor();
const column = (page: Page, number: number) => page.getByRole('button', { name: new RegExp(`^Column ${number}:`) });

/** How many sockets each instance has. */
function sockets(): Promise<number[]> {
  return Promise.all(
    web.fleet.games.map(async ({ managementUrl }) => {
      const text = await (await fetch(`${managementUrl}/metrics`)).text();
      return Number(/^rescind_live_connections(?:\{[^}]*\})? (\d+)$/m.exec(text)?.[1]);
    }),
  );
}

/** Opens the game of a new user at this instance: a reload takes the next one. */
async function playAt(instance: number, table: string) {
  const before = await sockets();
  const profile = await web.loggedIn();
  await profile.page.getByRole('link', { name: 'Game' }).click();
  for (;;) {
    await profile.page.getByRole('button', { name: table }).waitFor();
    const at = await vi.waitFor(
      async () => {
        const added = (await sockets()).map((count, index) => count - (before[index] ?? 0));
        // After a reload the socket of the page before may still be counted.
        expect(added.reduce((sum, count) => sum + count)).toBe(1);
        return added.indexOf(1);
      },
      { timeout: 20_000, interval: 100 },
    );
    if (at === instance) break;
    await profile.page.reload();
  }
  await sit(profile.page, table);
  return profile;
}

test('two users play; a logout in another tab ends the game of that user, and the other one sees it', async () => {
  const { page, open } = await web.loggedIn();
  const other = await web.loggedIn();
  await join(page, 'Amber');
  await join(other.page, 'Amber');
  for (const each of [page, other.page]) await isPlaying(each);
  expect(await page.getByRole('group', { name: 'Board' }).getByRole('button').count()).toBe(7);

  const tab = await open('/');
  await tab.getByRole('button', { name: 'Log out', exact: true }).click();
  await page.getByText('This session was ended from another tab or device.').waitFor();
  expect(await page.getByRole('group', { name: 'Board' }).count()).toBe(0);
  await other.page.getByText(', away').waitFor();
});

test('a page whose session a second browser ends loses its game, and shows the reason', async () => {
  const { page, user } = await web.loggedIn();
  await join(page, 'Birch');
  const { open } = await web.profile();
  const elsewhere = await open('/login');
  await logIn(elsewhere, user);
  await elsewhere.getByRole('link', { name: 'Devices' }).click();
  await elsewhere.getByRole('button', { name: 'Log out all others' }).click();
  await page.getByText('This session was ended from another tab or device.').waitFor();
});

test('users at two instances play on one board, and a revocation ends the game of a user at either', async () => {
  const players = [await playAt(0, 'Cedar'), await playAt(1, 'Cedar')];
  const [first, second] = players.map(({ page }) => page) as [Page, Page];
  for (const page of [first, second]) await isPlaying(page);
  await first.getByText('Your turn').waitFor();
  await column(first, 3).click();
  await second.getByText('Your turn').waitFor();
  expect(await column(second, 3).getAttribute('aria-label')).not.toContain('empty');
  await column(second, 4).click();
  await first.getByText('Your turn').waitFor();
  expect(await column(first, 4).getAttribute('aria-label')).not.toContain('empty');

  // A watcher at each instance sees the player of the other one leave.
  const watchers = [await playAt(0, 'Cedar'), await playAt(1, 'Cedar')];
  for (const [at, { page, user }] of players.entries()) {
    const device = await web.fleet.client.login(user, 'another device');
    const { access_token: token } = await web.fleet.client.forAccount(device.refresh_token);
    const headers = { authorization: `Bearer ${token}` };
    const ended = await fetch(`${web.fleet.issuer.url}/logout-everywhere`, { method: 'POST', headers });
    expect(ended.status).toBe(204);
    await page.getByText('This session was ended from another tab or device.').waitFor();
    expect(await page.getByRole('group', { name: 'Board' }).count()).toBe(0);
    for (const watcher of watchers) {
      await vi.waitFor(async () => expect(await watcher.page.getByText(', away').count()).toBe(at + 1), 20_000);
    }
  }
});

describe.each(['light', 'dark'] as const)('in %s', (colorScheme) => {
  test.each([360, 768, 1280])('tables and board violate no rule of axe, and fit into %i px', async (width) => {
    const { page } = await web.loggedIn('', { colorScheme, viewport: { width, height: 800 } });
    await page.getByRole('link', { name: 'Game' }).click();
    await page.getByRole('button', { name: 'Delta' }).waitFor();
    await expectAccessible(page, 'tables');
    await sit(page, 'Delta');
    await expectAccessible(page, 'board');
    const other = await web.loggedIn();
    await join(other.page, 'Delta');
    await isPlaying(page);
    await expectAccessible(page, 'game');
  });
});
