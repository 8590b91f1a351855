import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { WebFleet } from './support/web-fleet.ts';
import { logIn, openWebFleet } from './support/web-fleet.ts';

let web: WebFleet;
beforeAll(async () => {
  const main = fileURLToPath(new URL('../../services/game/src/main.js', import.meta.url));
  web = await openWebFleet({
    issuerEnvironment: { AUDIENCE: 'prices,orders,game' },
    others: [{ name: 'game', main, environment: { AUDIENCE: 'game', LINK_PORT: '0' } }],
  });
});
afterAll(() => web?.[Symbol.asyncDispose]());

async function join(page: Page, table: string): Promise<void> {
  await page.getByRole('link', { name: 'Game' }).click();
  await page.getByRole('button', { name: table }).click();
  await page.getByRole('group', { name: 'Board' }).waitFor();
}

test('two users play; a logout in another tab ends the game of that user, and the other one sees it', async () => {
  const { page, open } = await web.loggedIn();
  const other = await web.loggedIn();
  await join(page, 'Amber');
  await join(other.page, 'Amber');
  for (const each of [page, other.page]) await each.getByText(/Your turn|is thinking/).waitFor();
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
  await page.getByText('This session was ended from another tab or device.').waitFor({ timeout: 6_000 });
});
