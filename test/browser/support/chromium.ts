import type { Browser, BrowserContext } from 'playwright-core';
import { chromium } from 'playwright-core';
import { findChromium } from '../../support/chromium.ts';

/**
 * @param without arguments that Playwright gives otherwise
 * @throws Error that names what to install
 */
export async function launchChromium(without: string[] = []): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined)
    throw new Error('there is no Chromium: `apt-get install chromium`, or set CHROMIUM to the path of one');
  // Chromium has no sandbox for root in a container.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath, args, ignoreDefaultArgs: without });
}

/** Collects what goes wrong in the tabs of a context. */
export async function watch(context: BrowserContext): Promise<string[]> {
  const problems: string[] = [];
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) =>
      console.error(`content security policy: ${effectiveDirective} ${blockedURI}`),
    );
  });
  context.on('page', (page) => {
    page.on('pageerror', (error) => void problems.push(String(error)));
    page.on('console', (message) => {
      // The browser itself reports each refused or failed request; tests cause them on purpose.
      const isRequest = message.text().startsWith('Failed to load resource') || message.text().includes('ERR_');
      if (message.type() === 'error' && !isRequest) problems.push(message.text());
    });
  });
  return problems;
}
