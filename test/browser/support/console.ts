import type { Fleet } from '@rescind/dev-fleet';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';
import { watch } from './chromium.ts';

/** A page of the console in a browser profile of its own. The test fails if it violates its policy, throws, or writes an error. */
export async function openConsole(
  { browser, fleet }: { readonly browser: Browser; readonly fleet: Fleet },
  path = '/',
  options: BrowserContextOptions = {},
): Promise<Page> {
  const context = await browser.newContext(options);
  const problems = await watch(context);
  onTestFinished(async () => {
    await context.close();
    expect(problems).toEqual([]);
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(`${fleet.console?.url}${path}`);
  return page;
}
