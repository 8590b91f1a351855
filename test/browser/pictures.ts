import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openFleet } from '@rescind/dev-fleet';
import { launchChromium } from './support/chromium.ts';

// Makes the pictures of docs/client.md: the page in three widths, light and dark. `npm run docs:pictures`

const DIRECTORY = fileURLToPath(new URL('../../docs/pictures/', import.meta.url));
const USER = { username: 'ada', password: 'correct horse battery' };
const VIEWS = [
  { name: 'overview-light', path: '/', width: 1280, height: 860, colorScheme: 'light' },
  { name: 'devices-dark', path: '/devices', width: 768, height: 560, colorScheme: 'dark' },
  { name: 'overview-phone-dark', path: '/', width: 360, height: 740, colorScheme: 'dark' },
  { name: 'login-phone-light', path: '/login', width: 360, height: 740, colorScheme: 'light' },
] as const;

mkdirSync(DIRECTORY, { recursive: true });
await using fleet = await openFleet({ prices: 1, orders: 0, web: true });
const browser = await launchChromium();
try {
  const register = await fetch(`${fleet.issuer.url}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(USER),
  });
  if (!register.ok) throw new Error(`registration: ${register.status}`);
  for (const device of ['Phone of Ada', 'Office computer']) await fleet.client.login(USER, device);
  for (const { name, path, width, height, colorScheme } of VIEWS) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme });
    const page = await context.newPage();
    await page.goto(`${fleet.web?.url}/login`);
    if (path !== '/login') {
      await page.getByLabel('Name').fill(USER.username);
      await page.getByRole('textbox', { name: 'Password' }).fill(USER.password);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByText(/^200 in/).waitFor();
      await page.getByRole('heading', { name: `Hello, ${USER.username}` }).waitFor();
    }
    if (path === '/devices') {
      await page.getByRole('link', { name: 'Devices' }).click();
      await page.getByText('Office computer').waitFor();
    }
    await page.screenshot({ path: `${DIRECTORY}${name}.png` });
    await context.close();
  }
} finally {
  await browser.close();
}
