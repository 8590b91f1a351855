import type { Fleet } from '@rescind/dev-fleet';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';

/** A page of the console in a browser profile of its own. The test fails if it violates its policy, throws, or writes an error. */
export async function openConsole(
  { browser, fleet }: { readonly browser: Browser; readonly fleet: Fleet },
  path = '/',
  options: BrowserContextOptions = {},
): Promise<Page> {
  const context = await browser.newContext(options);
  const problems: string[] = [];
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) =>
      console.error(`content security policy: ${effectiveDirective} ${blockedURI}`),
    );
  });
  context.on('page', (page) => {
    page.on('pageerror', (error) => void problems.push(String(error)));
    page.on('console', (message) => {
      const isRequest = message.text().startsWith('Failed to load resource') || message.text().includes('ERR_');
      if (message.type() === 'error' && !isRequest) problems.push(message.text());
    });
  });
  onTestFinished(async () => {
    await context.close();
    expect(problems).toEqual([]);
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(`${fleet.console?.url}${path}`);
  return page;
}
