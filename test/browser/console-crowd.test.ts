import type { Fleet } from '@rescind/dev-fleet';
import { openFleet } from '@rescind/dev-fleet';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { expectAccessible } from './support/accessibility.ts';
import { launchChromium } from './support/chromium.ts';
import { openConsole } from './support/console.ts';
import type { Reporters } from './support/crowd.ts';
import { fillSessions, openReporters } from './support/crowd.ts';
import { administer, logInToConsole } from './support/operator.ts';

// A fleet of 300 instances and 6,000 sessions: what the pages draw otherwise than for a few.

const INSTANCES = 300;
const SESSIONS = 6_000;
const DEADLINE = { timeout: 30_000, interval: 100 };

interface Revoked {
  readonly txn: string;
  readonly epoch: string;
  readonly seq: number;
}

let fleet: Fleet;
let browser: Browser;
let reporters: Reporters;
/** The oldest first. */
let sids: readonly string[];
let used = 0;

beforeAll(async () => {
  browser = await launchChromium();
  fleet = await openFleet({ prices: 0, orders: 0, console: true });
  sids = await fillSessions(fleet, { sessions: SESSIONS, seed: 1 });
  reporters = await openReporters(fleet, { count: INSTANCES, seed: 2, at: await revoke(1) });
}, 120_000);
afterAll(async () => {
  await reporters?.[Symbol.asyncDispose]();
  await browser?.close();
  await fleet?.close();
});

const open = (path?: string, options?: BrowserContextOptions) => openConsole({ browser, fleet }, path, options);
const logIn = (page: Page) => logInToConsole(page, fleet.consoleUser);

/** Ends the next sessions, from the oldest on, in one revocation. */
function revoke(count: number): Promise<Revoked> {
  const cutoffs = sids.slice(used, used + count).map((value) => ({ claim: 'sid', value }));
  used += count;
  return administer<Revoked>(fleet, '/admin/revocations', { cutoffs, reason: 'device_lost', confirm: 'everybody' });
}

test('draws squares for many instances, whose texts the table has for the keyboard and for readers', async () => {
  const page = await open('/fleet');
  await logIn(page);
  await page.getByRole('heading', { name: `${INSTANCES} instances of 2 services` }).waitFor();
  reporters.advance(await revoke(1));
  await page.locator('#main').getByText(`${INSTANCES} of ${INSTANCES} deny it`).waitFor();
  const squares = page.locator('canvas[role="img"]');
  expect(await squares.evaluateAll((all) => all.map((one) => one.getAttribute('aria-label')))).toEqual([
    '150 of 150 deny it; the table below has each',
    '150 of 150 deny it; the table below has each',
  ]);
  expect(await page.locator('.tile').count()).toBe(0);
  // A square of an instance that denies is filled; there is none behind the last one.
  const alphas = await squares.first().evaluate((canvas) => {
    const context = (canvas as HTMLCanvasElement).getContext('2d');
    const alphaAt = (x: number, y: number) => context?.getImageData(x * 2, y * 2, 1, 1).data[3] ?? 0;
    return { first: alphaAt(7, 7), last: alphaAt(24 * 17 + 7, 5 * 17 + 7), gap: alphaAt(15.5, 7) };
  });
  expect(alphas.first).toBeGreaterThan(60);
  expect(alphas.last).toBeGreaterThan(60);
  expect(alphas.gap).toBe(0);
  await expectAccessible(page, 'the fleet as squares');

  const table = page.getByRole('table');
  expect(await table.getAttribute('aria-rowcount')).toBe(String(INSTANCES + 1));
  expect(await table.locator('tbody tr').count()).toBe(50);
  // By the keyboard alone: the filter finds an instance that is not drawn, and the pager shows the last ones.
  await page.getByRole('searchbox', { name: /^Filter by service/ }).focus();
  await page.keyboard.type('prices-300');
  await vi.waitFor(async () => expect(await table.locator('tbody tr').count()).toBe(1), DEADLINE);
  expect(await table.locator('tbody tr').textContent()).toContain('prices-300');
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Delete');
  const next = page.getByRole('button', { name: 'Next' });
  await next.focus();
  for (let at = 0; at < 5; at++) await page.keyboard.press('Enter');
  await vi.waitFor(async () => {
    expect(await table.locator('tbody tr').last().getAttribute('aria-rowindex')).toBe(String(INSTANCES + 1));
  }, DEADLINE);
});

test('finds and ends one of thousands of sessions by the keyboard alone', async () => {
  const page = await open('/');
  await logIn(page);
  // The oldest that is open: no page of the list that is loaded first has it.
  const sid = sids[used] ?? '';
  used += 1;
  await page.keyboard.press('/');
  await page.keyboard.type(sid);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'One session' }).waitFor();
  const act = page.getByRole('button', { name: 'End', exact: true });
  await act.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  const why = dialog.getByLabel('Why');
  await vi.waitFor(
    async () => expect(await why.evaluate((one) => one === document.activeElement)).toBe(true),
    DEADLINE,
  );
  await page.keyboard.type('a call');
  await page.keyboard.press('Enter');
  await dialog.getByRole('heading', { name: 'Done' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByText(/^ended, ended by administrator/).waitFor();
  const { endedAt } = await administer<{ endedAt: number | null }>(fleet, `/admin/sessions/${sid}`);
  expect(endedAt).not.toBeNull();
});

test('a burst of events moves no line that is read, and none is lost without being counted', async () => {
  const page = await open('/log');
  await logIn(page);
  await page.getByText(/^\d+ shown/).waitFor();
  const counted = async () => {
    const text = (await page.getByText(/^\d+ shown/).textContent()) ?? '';
    const [shown = '0', hidden = '0'] = text.replaceAll(',', '').match(/\d+/g) ?? [];
    return Number(shown) + Number(hidden);
  };
  await page.locator('.log li').first().waitFor();
  const before = await counted();
  const line = page.locator('.log li a').nth(3);
  await line.focus();
  const [text, box] = [await line.textContent(), await line.boundingBox()];
  const requests = Array.from({ length: 25 }, () => revoke(200));
  await Promise.all(requests);
  const pill = page.getByRole('button', { name: /^[\d,]+ new$/ });
  await pill.waitFor();
  // 5,000 ends, and 25 revocations.
  await vi.waitFor(async () => {
    const pending = Number(((await pill.textContent()) ?? '').replaceAll(/\D/g, ''));
    expect((await counted()) + pending).toBe(before + 5_025);
  }, DEADLINE);
  expect([await line.textContent(), await line.boundingBox()]).toEqual([text, box]);
  await pill.click();
  await vi.waitFor(async () => expect(await counted()).toBe(before + 5_025), DEADLINE);
  expect(await page.locator('.log li').count()).toBe(300);
});

test('announces many revocations in few sentences', async () => {
  const page = await open('/');
  await logIn(page);
  await page.evaluate(() => {
    const region = document.querySelector('p.aloud[role="status"]');
    const state = window as unknown as { announced: string[] };
    state.announced = [];
    if (region === null) throw new Error('there is no live region');
    new MutationObserver(() => {
      const text = region.textContent ?? '';
      if (text !== (state.announced.at(-1) ?? '')) state.announced.push(text);
    }).observe(region, {
      ...{ childList: true, characterData: true, subtree: true },
    });
  });
  const announced = () => page.evaluate(() => (window as unknown as { announced: string[] }).announced);
  const began = performance.now();
  // One for each frame: a fast machine would end all sessions otherwise.
  while (performance.now() - began < 11_000) {
    reporters.advance(await revoke(1));
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  const sentences = await announced();
  // One in 5 s, also while there is no pause.
  expect(sentences.length).toBeGreaterThan(0);
  expect(sentences.length).toBeLessThanOrEqual(Math.floor((performance.now() - began) / 5_000));
  await vi.waitFor(
    async () => expect((await announced()).at(-1)).toMatch(/^\d[\d,]* revocations; the newest: /),
    DEADLINE,
  );
});

test('nothing moves while nothing happens, and nothing at all for those who prefer that', async () => {
  const page = await open('/fleet', { reducedMotion: 'reduce' });
  await logIn(page);
  await page.getByRole('button', { name: 'Replay slowed' }).click();
  const slider = page.getByRole('slider');
  const max = await slider.getAttribute('max');
  expect(await slider.inputValue()).toBe(max);
  await slider.press('Home');
  expect(await slider.getAttribute('aria-valuetext')).toMatch(/^0/);
  await slider.press('End');
  expect([await slider.inputValue(), await slider.getAttribute('aria-valuetext')]).toEqual([
    max,
    await page.locator('.replay output').textContent(),
  ]);
  expect(await page.locator('.replay .about').textContent()).toContain(
    `took ${await slider.getAttribute('aria-valuetext')}`,
  );
  const running = () => page.evaluate(() => document.getAnimations().length);
  await vi.waitFor(async () => expect(await running()).toBe(0), DEADLINE);
  const moving = await open('/');
  await logIn(moving);
  await vi.waitFor(async () => expect(await moving.evaluate(() => document.getAnimations().length)).toBe(0), DEADLINE);
});

test('shows five states as five shapes without their colours', async () => {
  const page = await open('/fleet', { viewport: { width: 1_200, height: 900 } });
  await logIn(page);
  const position = await revoke(1);
  reporters.hold((index) => index === 1);
  reporters.advance(position);
  await reporters.stop((index) => index === 2, true);
  // Most of `prices` fall silent together: unknown, where one silent instance of `orders` is lost.
  await reporters.stop((index) => index === 3 || index >= INSTANCES / 2);
  const client = await page.context().newCDPSession(page);
  await client.send('Emulation.setEmulatedVisionDeficiency', { type: 'achromatopsia' });
  const drawn = new Map<string, string>();
  for (const state of ['left', 'behind', 'live', 'lost', 'unknown']) {
    await page.getByRole('combobox', { name: 'State' }).selectOption(state);
    const shape = page.locator(`table .shape.${state}`).first();
    await shape.waitFor({ timeout: 25_000 });
    drawn.set(state, (await shape.screenshot()).toString('base64'));
  }
  expect(new Set(drawn.values()).size).toBe(5);
});
