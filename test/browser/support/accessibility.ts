import axe from 'axe-core';
import type { Page } from 'playwright-core';

/** The rules of WCAG 2.2 AA that axe finds violated, with the elements. */
async function violations(page: Page): Promise<string[]> {
  // By the debugger, not by a script element: the policy of the page stays as it is.
  await page.evaluate(axe.source);
  // Its preload would copy the style sheet of another origin into the page, which the policy forbids.
  const { violations: found } = await page.evaluate<axe.AxeResults>('axe.run({ preload: false })');
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

/** Fails if a view violates a rule, or is wider than the window. @param view its name in the failure */
export async function expectAccessible(page: Page, view: string): Promise<void> {
  const overflow = await page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - innerWidth));
  const found = [...(await violations(page)), ...(overflow > 0 ? [`${overflow} px too wide`] : [])];
  if (found.length > 0) throw new Error(`${view}: ${found.join('; ')}`);
}
