import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { bundleForPage } from './support/bundle.ts';
import { launchChromium } from './support/chromium.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser?.close());

/** What the page of the test calls. */
interface Tested {
  login(): Promise<void>;
  changeRole(): Promise<void>;
  isOffline(yes: boolean): Promise<void>;
  logout(): Promise<unknown>;
  unmount(): void;
  renders(): number;
}

const COMMON = `
  import { createSession } from '@rescind/client';
  import { createFakeIssuer, createTestClock } from '@rescind/client/test';
  const time = createTestClock();
  const issuer = createFakeIssuer({ clock: time.clock });
  const session = createSession({ issuer: 'https://login.example', mode: 'body', clock: time.clock, fetch: issuer.fetch });
  const root = document.createElement('div');
  document.body.append(root);
  let renders = 0;
  new MutationObserver(() => { renders += 1; }).observe(root, { childList: true, subtree: true, characterData: true });
  globalThis.tested = {
    login: () => session.login({ username: 'ada', password: 'right' }),
    async changeRole() { issuer.changeClaims('editor'); await session.renew(); },
    async isOffline(yes) {
      issuer.faults.length = 0;
      if (yes) issuer.faults.push(...Array.from({ length: 9 }, () => 'offline'));
      await time.advance(yes ? 0 : 10_000);
      await session.renew().catch(() => undefined);
    },
    logout: () => session.logout(),
    unmount: () => unmount(),
    renders: () => renders,
  };
`;

const FRAMEWORKS = {
  React: `
    import { createElement } from 'react';
    import { createRoot } from 'react-dom/client';
    import { Greeting } from './examples/client/react.tsx';
    const mounted = createRoot(root);
    mounted.render(createElement(Greeting, { session }));
    const unmount = () => mounted.unmount();`,
  Vue: `
    import { createApp } from 'vue';
    import { Greeting } from './examples/client/vue.ts';
    const app = createApp(Greeting, { session });
    app.mount(root);
    const unmount = () => app.unmount();`,
};

test.each(Object.entries(FRAMEWORKS))(
  'a component of %s follows the session, and stops when it is removed',
  async (_, source) => {
    const page = await browser.newPage();
    onTestFinished(() => page.close());
    const errors: string[] = [];
    page.on('pageerror', (error) => void errors.push(String(error)));
    await page.setContent('<!doctype html><body></body>');
    await page.addScriptTag({ content: await bundleForPage(COMMON + source) });
    const call = (member: keyof Tested, argument?: unknown): Promise<unknown> =>
      page.evaluate(
        ([name, given]) => {
          const { tested } = globalThis as unknown as { tested: Record<string, (argument: unknown) => unknown> };
          return tested[String(name)]?.(given);
        },
        [member, argument] as const,
      );

    page.setDefaultTimeout(10_000);
    await page.getByText('Log in').waitFor();
    await call('login');
    await page.getByText('Hello ada, reader').waitFor();
    await call('changeRole');
    await page.getByText('Hello ada, editor').waitFor();
    await call('isOffline', true);
    await page.getByText('Connecting …').waitFor();
    await call('isOffline', false);
    await page.getByText('Hello ada, editor').waitFor();
    await call('logout');
    await page.getByText('Log in (logout)').waitFor();
    await call('unmount');
    await page.waitForFunction(() => document.querySelector('p') === null);
    const renders = await call('renders');
    await call('login');
    expect(await call('renders')).toBe(renders);
    expect(errors).toEqual([]);
  },
);
