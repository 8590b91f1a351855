import type { Browser } from 'playwright-core';
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
