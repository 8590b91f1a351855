import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openFleet } from '@rescind/dev-fleet';
import type { Page } from 'playwright-core';
import { waitFor } from '../support/wait.ts';
import { launchChromium } from './support/chromium.ts';
import { fillSessions, openReporters } from './support/crowd.ts';
import { administer, logInToConsole } from './support/operator.ts';

/*
 * Measures the console with a large fleet in a real Chromium whose processor is slowed down: `npm run bench:console`. It prints
 * the table of docs/console.md, and with `--pictures` makes the pictures there.
 */
const { values } = parseArgs({
  options: {
    instances: { type: 'string', default: '1000' },
    sessions: { type: 'string', default: '100000' },
    /** How many times slower than this machine's the processor of the browser is. */
    slowdown: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    pictures: { type: 'boolean', default: false },
  },
});
const [instances, sessions, slowdown, rounds, seed] = (
  ['instances', 'sessions', 'slowdown', 'rounds', 'seed'] as const
).map((name) => Number(values[name])) as [number, number, number, number, number];
const PICTURES = fileURLToPath(new URL('../../docs/pictures/', import.meta.url));
const PAGES = ['/', '/fleet', '/revocations', '/people', '/sessions', '/log', '/audit'];
const say = (line: string) => void process.stderr.write(`${line}\n`);

interface Revoked {
  readonly txn: string;
  readonly epoch: string;
  readonly seq: number;
}

const quantile = (all: readonly number[], share: number) =>
  Math.round(all.toSorted((a, b) => a - b)[Math.ceil(all.length * share) - 1] ?? Number.NaN);

/** Collects tasks of the main thread of more than 50 ms from now on. */
const watchTasks = (page: Page) =>
  page.evaluate(() => {
    const state = window as unknown as { tasks: number[]; observer?: PerformanceObserver };
    state.tasks = [];
    state.observer ??= new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) state.tasks.push(duration);
    });
    state.observer.observe({ type: 'longtask' });
  });
const tasksOf = (page: Page) => page.evaluate(() => (window as unknown as { tasks: number[] }).tasks);

const load = () => (loadavg()[0] ?? 0).toFixed(1);
await using fleet = await openFleet({ prices: 0, orders: 0, console: true });
say(`${sessions} sessions …`);
const sids = await fillSessions(fleet, { sessions, seed });
let used = 0;
const revoke = () =>
  administer<Revoked>(fleet, '/admin/revocations', {
    ...{ cutoffs: [{ claim: 'sid', value: sids[used++] }], reason: 'device_lost' },
  });
say(`${instances} instances …`);
await using reporters = await openReporters(fleet, { count: instances, seed, at: await revoke() });
const browser = await launchChromium();
try {
  const context = await browser.newContext({ viewport: { width: 1_440, height: 900 } });
  const page = await context.newPage();
  const client = await context.newCDPSession(page);
  await page.goto(fleet.console?.url ?? '');
  await logInToConsole(page, fleet.consoleUser);
  reporters.advance(await revoke());
  const heading = (width = 0) => page.getByRole('heading', { level: 1 }).waitFor({ timeout: 60_000 + width });
  const go = async (path: string) => {
    await page.goto(fleet.console?.url + path);
    await page.locator('[data-live="live"] h1').waitFor({ timeout: 60_000 });
    await heading();
  };
  // CPU of the main thread: other programs on this machine change it less than times of the clock.
  await client.send('Performance.enable', { timeDomain: 'threadTicks' });
  const cpuMs = async () => {
    const { metrics } = await client.send('Performance.getMetrics');
    return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN) * 1_000;
  };
  const lines: string[] = [];
  await client.send('Emulation.setCPUThrottlingRate', { rate: slowdown });

  for (const path of PAGES) {
    const firstPaints: number[] = [];
    const complete: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const began = performance.now();
      await go(path);
      await waitFor('the content', async () => (await page.getByText(/^(Loading|Connecting)/).count()) === 0, 60_000);
      complete.push(performance.now() - began);
      firstPaints.push(
        await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN),
      );
    }
    lines.push(`| ${path} | ${quantile(firstPaints, 0.5)} | ${quantile(complete, 0.5)} | ${quantile(complete, 1)} |`);
    say(lines.at(-1) ?? '');
  }
  const crossing: string[] = [];
  for (const path of ['/', '/fleet', '/revocations', '/log']) {
    await go(path);
    await waitFor('an idle page', async () => (await page.getByText(/^(Loading|Connecting)/).count()) === 0, 60_000);
    const longest: number[] = [];
    const perSecond: number[] = [];
    const cpu: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await watchTasks(page);
      const [began, before] = [performance.now(), await cpuMs()];
      const revoked = await revoke();
      reporters.advance(revoked);
      await waitFor(
        'the receipt',
        async () => {
          const { receipt } = await administer<{ receipt: { complete: boolean } }>(
            fleet,
            `/admin/revocations/${revoked.txn}`,
          );
          return receipt.complete;
        },
        60_000,
      );
      // The console asks twice a second: the last frame has been drawn by then.
      await waitFor('the last frame', () => performance.now() - began > 4_000, 60_000);
      const tasks = await tasksOf(page);
      cpu.push(((await cpuMs()) - before) / ((performance.now() - began) / 1_000));
      longest.push(Math.max(0, ...tasks));
      perSecond.push(tasks.reduce((sum, one) => sum + one, 0) / ((performance.now() - began) / 1_000));
    }
    crossing.push(
      `| ${path} | ${quantile(cpu, 0.5)} | ${quantile(longest, 0.5)} | ${quantile(longest, 1)} | ${quantile(perSecond, 0.5)} | ${quantile(perSecond, 1)} |`,
    );
    say(crossing.at(-1) ?? '');
  }
  const found = { user: [] as number[], session: [] as number[], instance: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const search = async (text: string, isFound: () => Promise<unknown>) => {
      const box = page.getByRole('searchbox', { name: /^Search a person/ });
      await box.fill(text);
      const began = performance.now();
      await box.press('Enter');
      await isFound();
      return performance.now() - began;
    };
    await go('/');
    const name = `member-${String(round + 7).padStart(5, '0')}`;
    found.user.push(await search(name, () => page.getByRole('link', { name }).waitFor()));
    const sid = sids[Math.floor(sids.length / 2) + round] ?? '';
    found.session.push(await search(sid, () => page.locator(`[title="sid ${sid}"]`).waitFor()));
    await go('/fleet');
    const filter = page.getByRole('searchbox', { name: /^Filter by service/ });
    await filter.focus();
    const began = performance.now();
    await page.keyboard.type(`prices-${instances - round}`);
    await waitFor('one row', async () => (await page.locator('table tbody tr').count()) === 1, 30_000);
    found.instance.push(performance.now() - began);
  }
  process.stdout.write(`${instances} instances, ${sessions} sessions, processor slowed ${slowdown} times, load ${load()}, seed ${seed}

| page | first paint, ms (median) | all of it, ms (median) | worst |
| --- | --- | --- | --- |
${lines.join('\n')}

| while a revocation crosses | CPU of the page a second, ms, without the slowdown (median) | longest task, ms (median) | worst | long tasks a second, ms (median) | worst |
| --- | --- | --- | --- | --- | --- |
${crossing.join('\n')}

| search | ms (median) | worst |
| --- | --- | --- |
${Object.entries(found)
  .map(([what, all]) => `| ${what} | ${quantile(all, 0.5)} | ${quantile(all, 1)} |`)
  .join('\n')}
`);
  if (values.pictures) {
    await client.send('Emulation.setCPUThrottlingRate', { rate: 1 });
    for (const [name, width, height, colorScheme] of [
      ['light', 1_440, 1_000, 'light'],
      ['tablet-dark', 820, 1_000, 'dark'],
      ['phone-light', 360, 780, 'light'],
    ] as const) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      await go('/fleet');
      const sentence = page.locator('#main').getByText(new RegExp(`^${instances} of ${instances} deny it`));
      await sentence.waitFor({ timeout: 30_000 });
      await page.screenshot({ path: `${PICTURES}console-thousand-${name}.png` });
    }
  }
} finally {
  await browser.close();
}
