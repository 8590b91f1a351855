import type { Fleet, FleetOptions, User } from '@rescind/dev-fleet';
import { openFleet } from '@rescind/dev-fleet';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';
import { launchChromium, watch } from './chromium.ts';

/** A page in the browser profile of one user. */
interface Profile {
  readonly context: BrowserContext;
  /** Opens a tab. @param path such as `/devices` */
  open(path?: string): Promise<Page>;
}

export interface WebFleet extends AsyncDisposable {
  readonly fleet: Fleet;
  readonly browser: Browser;
  /** The address of the page. */
  readonly url: string;
  /**
   * A browser profile of its own: cookies, storage, tabs. When the test has finished, the test fails if a tab violated its Content Security Policy, threw,
   * or wrote an error to the console.
   */
  profile(options?: BrowserContextOptions): Promise<Profile>;
  /** A profile with a new user who is logged in in one tab. @param query such as `?mode=body` */
  loggedIn(
    query?: string,
    options?: BrowserContextOptions,
  ): Promise<Profile & { readonly page: Page; readonly user: User }>;
}

/** A fleet with the page, and a Chromium. */
export async function openWebFleet(options: FleetOptions = {}): Promise<WebFleet> {
  const browser = await launchChromium();
  const fleet = await openFleet({ prices: 1, orders: 0, web: true, ...options });
  const url = fleet.web?.url ?? '';

  async function profile(contextOptions: BrowserContextOptions = {}): Promise<Profile> {
    const context = await browser.newContext(contextOptions);
    const problems = await watch(context);
    onTestFinished(async () => {
      await context.close();
      expect(problems).toEqual([]);
    });
    return {
      context,
      async open(path = '/') {
        const page = await context.newPage();
        page.setDefaultTimeout(20_000);
        await page.goto(url + path);
        return page;
      },
    };
  }

  return {
    fleet,
    browser,
    url,
    profile,
    async loggedIn(query = '', contextOptions) {
      const user = await fleet.client.register();
      const opened = await profile(contextOptions);
      const page = await opened.open(`/login${query}`);
      await logIn(page, user);
      return { ...opened, page, user };
    },
    async [Symbol.asyncDispose]() {
      await browser.close();
      await fleet.close();
    },
  };
}

/** Logs in by the form. */
export async function logIn(page: Page, { username, password }: User): Promise<void> {
  await page.getByLabel('Name').fill(username);
  await page.getByRole('textbox', { name: 'Password' }).fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('heading', { name: `Hello, ${username}` }).waitFor();
}

/** The text of a claim, as the page shows it. */
export const claim = async (page: Page, name: string): Promise<string> =>
  (await page.locator(`dd[data-claim="${name}"]`).textContent()) ?? '';
