import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { WebFleet } from './support/web-fleet.ts';
import { claim, openWebFleet } from './support/web-fleet.ts';

let web: WebFleet;
beforeAll(async () => {
  web = await openWebFleet({
    issuerEnvironment: { ACCESS_TOKEN_TTL: '4s', REFRESH_GRACE: '0s', REFRESH_RECOVERY: '0s' },
  });
});
afterAll(() => web?.[Symbol.asyncDispose]());

const isLoggedIn = (page: Page): Promise<void> => page.getByRole('heading', { name: /^Hello/ }).waitFor();

describe.each(['cookie', 'body'])('in %s mode', (mode) => {
  test('two tabs renew five times, and never spend the same token', async () => {
    const { page, open, context } = await web.loggedIn(`?mode=${mode}`);
    const other = await open(`/?mode=${mode}`);
    await isLoggedIn(other);
    const statuses: number[] = [];
    context.on('response', (response) => {
      if (response.url().endsWith('/oauth2/token') && response.request().method() === 'POST')
        statuses.push(response.status());
    });
    const tokens = new Set<string>();
    await vi.waitFor(
      async () => {
        const [one, two] = [await claim(page, 'jti'), await claim(other, 'jti')];
        if (one === two) tokens.add(one);
        expect(tokens.size).toBeGreaterThanOrEqual(5);
      },
      { timeout: 60_000, interval: 100 },
    );
    // Without any grace, a second use of one token would be refused, and would end the session.
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  test('a logout in one tab ends the other', async () => {
    const { page, open } = await web.loggedIn(`?mode=${mode}`);
    const other = await open(`/devices?mode=${mode}`);
    await other.getByRole('heading', { name: '1 device' }).waitFor();
    await page.getByRole('button', { name: 'Log out' }).click();
    await other.getByText('This session was ended from another tab or device.').waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
  });
});
