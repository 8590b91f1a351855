import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openFleet } from '@rescind/dev-fleet';
import type { Page } from 'playwright-core';
import { launchChromium } from './support/chromium.ts';

// Makes the pictures of docs/console.md: three widths, light and dark. `npm run docs:pictures`

const DIRECTORY = fileURLToPath(new URL('../../docs/pictures/', import.meta.url));
const VIEWS = [
  { name: 'now-light', path: '/', width: 1440, height: 900, colorScheme: 'light' },
  { name: 'fleet-dark', path: '/fleet', width: 1440, height: 980, colorScheme: 'dark' },
  { name: 'revocations-light', path: '/revocations', width: 820, height: 900, colorScheme: 'light' },
  { name: 'person-dark', path: '/people', width: 820, height: 900, colorScheme: 'dark' },
  { name: 'fleet-phone-light', path: '/fleet', width: 360, height: 780, colorScheme: 'light' },
  { name: 'now-phone-dark', path: '/', width: 360, height: 780, colorScheme: 'dark' },
] as const;
const USERS = ['ada', 'grace', 'edsger', 'barbara'];
const DEVICES = ['Phone', 'Office computer', 'Tablet'];

mkdirSync(DIRECTORY, { recursive: true });
await using fleet = await openFleet({ prices: 3, orders: 2, console: true });
const browser = await launchChromium();
try {
  for (const username of USERS) {
    const user = { username, password: 'correct horse battery' };
    const register = await fetch(`${fleet.issuer.url}/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(user),
    });
    if (!register.ok) throw new Error(`registration: ${register.status}`);
    for (const device of DEVICES) {
      const { access_token: token } = await fleet.client.login(user, device);
      if (device !== 'Phone') await fleet.client.logout(token);
    }
  }
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${fleet.console?.url}/`);
  await page.getByLabel('Name').fill(fleet.consoleUser?.username ?? '');
  await page.getByRole('textbox', { name: 'Password' }).fill(fleet.consoleUser?.password ?? '');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.locator('[data-live="live"]').waitFor();
  for (const { name, path, width, height, colorScheme } of VIEWS) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme });
    await page.goto(`${fleet.console?.url}${path}`);
    await page.locator('[data-live="live"] h1').waitFor();
    if (name.startsWith('person')) {
      await page.getByRole('link', { name: 'ada' }).click();
      await page.getByRole('heading', { name: 'Sessions' }).waitFor();
    }
    await untilDrawn(page);
    await page.screenshot({ path: `${DIRECTORY}console-${name}.png` });
  }
} finally {
  await browser.close();
}

/** Waits until no part loads, each revocation has its receipt, each instance its age, and fonts and charts are drawn. */
async function untilDrawn(page: Page): Promise<void> {
  await page.locator('.reach, .rows td').first().waitFor();
  await page.waitForFunction(() => {
    const cells = [...document.querySelectorAll('.reach, .rows .number')];
    const isPending = cells.some(({ textContent }) => /^[…—]/.test(textContent ?? ''));
    return document.fonts.status === 'loaded' && !isPending && !document.querySelector('main .empty');
  });
  await page.evaluate(
    () => new Promise((resolve) => void requestAnimationFrame(() => void requestAnimationFrame(resolve))),
  );
}
