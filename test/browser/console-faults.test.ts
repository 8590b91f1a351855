import type { Fleet } from '@rescind/dev-fleet';
import { openFleet } from '@rescind/dev-fleet';
import type { Browser, BrowserContextOptions, Page, Route } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { launchChromium } from './support/chromium.ts';
import { openConsole } from './support/console.ts';
import { administer, logInToConsole, registerOperator, subOf } from './support/operator.ts';

// What the console shows when something fails: a session that ends in the middle of work, a list that cannot be read, a wrong clock, texts of strangers.

let fleet: Fleet;
let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
  fleet = await openFleet({ prices: 1, orders: 0, console: true });
});
afterAll(async () => {
  await browser?.close();
  await fleet?.close();
});

const DEADLINE = { timeout: 20_000, interval: 100 };
const open = (path?: string, options?: BrowserContextOptions) => openConsole({ browser, fleet }, path, options);
const logIn = (page: Page, user = fleet.consoleUser) => logInToConsole(page, user);

interface Listed {
  readonly items: readonly { readonly sid: string; readonly endedAt: number | null }[];
}

/** A user with one session. */
async function member(deviceName = 'laptop') {
  const user = await fleet.client.register();
  const tokens = await fleet.client.login(user, deviceName);
  const sub = await subOf(fleet, user.username);
  const sessions = async () => (await administer<Listed>(fleet, `/admin/sessions?sub=${sub}&ended=true`)).items;
  return { user, tokens, sub, sessions };
}

/** Ends every session of the operator. */
const endOperator = async (username = 'operator') =>
  administer(fleet, `/admin/users/${await subOf(fleet, username)}/log-out`, {});

describe('a session of the operator that ends', () => {
  test('in the middle of a confirmation keeps the form, and the act is confirmed once more', async () => {
    const { user, sub, sessions } = await member();
    const page = await open(`/people/${sub}`);
    await logIn(page);
    await page.getByText('1 open').waitFor();
    await page.getByRole('button', { name: 'Log out everywhere …' }).click();
    const act = page.getByRole('dialog').filter({ hasText: `Log out ${user.username} everywhere?` });
    await act.getByText('1 session', { exact: true }).waitFor();
    await act.getByLabel('Why').fill('lost a phone');
    await endOperator();
    const login = page.getByRole('dialog').filter({ has: page.getByRole('heading', { name: 'Console' }) });
    await login.waitFor();
    // What was read is hidden until somebody logs in.
    await vi.waitFor(async () => expect(await page.locator('main').isVisible()).toBe(false), DEADLINE);
    expect((await sessions()).map(({ endedAt }) => endedAt)).toEqual([null]);
    await logIn(page);
    await act.waitFor();
    expect(await act.getByLabel('Why').inputValue()).toBe('lost a phone');
    expect((await sessions()).map(({ endedAt }) => endedAt)).toEqual([null]);
    await act.getByRole('button', { name: /^Log out everywhere/ }).click();
    await page.getByRole('dialog').getByRole('heading', { name: 'Done' }).waitFor();
    expect((await sessions()).map(({ endedAt }) => endedAt)).toEqual([expect.any(Number)]);
  });

  test('reads again after the login what could not be read, and another operator gets an empty form', async () => {
    const { sub } = await member();
    const page = await open('/people');
    await logIn(page);
    await page.getByRole('table').waitFor();
    await endOperator();
    await page.getByRole('heading', { name: 'Console' }).waitFor();
    await page.evaluate((to) => {
      history.pushState(null, '', to);
      dispatchEvent(new PopStateEvent('popstate'));
    }, `/people/${sub}`);
    await logIn(page);
    await page.getByText('1 open').waitFor();
    await page.getByRole('button', { name: 'Suspend …' }).click();
    await page.getByLabel('Why').fill('mine');
    await endOperator();
    await page.getByRole('heading', { name: 'Console' }).waitFor();
    await logIn(page, await registerOperator(fleet, ['admin:users', 'admin:sessions', 'admin:fleet']));
    await page.getByText('1 open').waitFor();
    expect(await page.getByRole('dialog').count()).toBe(0);
  });

  test('is shown by one request of the stream, not by one after the other', async () => {
    const page = await open();
    await logIn(page);
    let requests = 0;
    await page.route('**/api/stream', async (route) => {
      requests += 1;
      await route.fulfill({
        status: 401,
        contentType: 'application/json',
        body: '{"code":"operator_session_missing"}',
      });
    });
    await page.reload();
    await page.getByRole('heading', { name: 'Console' }).waitFor();
    const shownAt = performance.now();
    // The pause after a lost stream is 1.5 s.
    await vi.waitFor(() => expect(performance.now() - shownAt).toBeGreaterThan(4_000), DEADLINE);
    expect(requests).toBeLessThanOrEqual(2);
  });
});

describe('a list', () => {
  const LISTS = [
    { path: '/people', call: '**/api/admin/users*', of: 'users', empty: 'No name begins so.' },
    { path: '/sessions', call: '**/api/admin/sessions*', of: 'sessions', empty: 'No session is open.' },
    {
      path: '/revocations',
      call: '**/api/admin/revocations?*',
      of: 'revocations',
      empty: 'Nothing is revoked at present.',
    },
    { path: '/clients', call: '**/api/admin/clients', of: 'clients', empty: 'There is no client.' },
    { path: '/keys', call: '**/api/admin/keys', of: 'keys', empty: 'There is no key.' },
    { path: '/audit', call: '**/api/admin/audit?*', of: 'entries', empty: 'No entry.' },
  ];
  const problem = (status: number, code: string) => (route: Route) =>
    route.fulfill({ status, contentType: 'application/json', body: JSON.stringify({ code, title: code }) });

  test.each(LISTS)(
    'of $of is empty only where the response is: not when it is late, refused, broken off or failed',
    async ({ path, call, of, empty }) => {
      const page = await open(path);
      await logIn(page);
      const held = Promise.withResolvers<void>();
      const failed = page.getByRole('alert').filter({ hasText: `The ${of} could not be read.` });
      const cases: readonly (readonly [(route: Route) => Promise<void>, () => Promise<void>])[] = [
        [(route) => route.fulfill({ json: { items: [] } }), () => page.getByText(empty).waitFor()],
        [problem(403, 'scope_insufficient'), () => page.getByText(`Your account may not read ${of}.`).waitFor()],
        [problem(500, 'internal'), () => failed.waitFor()],
        [(route) => route.abort('connectionreset'), () => failed.waitFor()],
        [
          (route) => route.fulfill({ status: 200, contentType: 'text/html', body: '<p>a proxy</p>' }),
          () => failed.waitFor(),
        ],
        [
          async (route) => held.promise.then(() => route.fulfill({ json: { items: [] } })),
          () => page.getByText(`Loading ${of} …`).waitFor(),
        ],
      ];
      for (const [index, [answer, isShown]] of cases.entries()) {
        await page.route(call, answer);
        await page.reload();
        await page.locator('[data-live="live"] h1').waitFor();
        await isShown();
        if (index > 0) expect(await page.getByText(empty).count()).toBe(0);
        if (index === cases.length - 1) {
          held.resolve();
          await page.getByText(empty).waitFor();
        }
        await page.unroute(call);
      }
      if (path === '/people') {
        await page.route(call, problem(500, 'internal'));
        await page.reload();
        await failed.waitFor();
        await page.unroute(call);
        await page.getByRole('button', { name: 'Try again' }).click();
        await page.getByRole('table').waitFor();
      }
    },
  );
});

test.each([-3_600_000, 3_600_000])('ages are those of the issuer, whatever the device says: %i ms', async (aheadMs) => {
  const { sub } = await member();
  const page = await open();
  await page.clock.setSystemTime(Date.now() + aheadMs);
  await logIn(page);
  await page.goto(`${fleet.console?.url}/people/${sub}`);
  await page.getByText('1 open').waitFor();
  const ages = await page.locator('table time').allTextContents();
  expect(ages.length).toBeGreaterThan(0);
  for (const age of ages) expect(age).toMatch(/^\d+ s ago$/);
  const side = aheadMs > 0 ? 'ahead of' : 'behind';
  await page.getByText(new RegExp(`^The clock of this device is (59|60) min ${side} the issuer`)).waitFor();
});

test('a link shows the same in another browser: a period that ends now, and one that is pinned', async () => {
  await member();
  const page = await open('/audit?operation=setScopes');
  await logIn(page);
  await page.getByRole('table').waitFor();
  await page.getByRole('combobox', { name: 'Period' }).selectOption('24h');
  await page.getByRole('table').waitFor();
  expect(new URL(page.url()).search).toBe('?operation=setScopes&since=24h');
  await page.getByRole('button', { name: 'Pin' }).click();
  await vi.waitFor(
    () => expect(new URL(page.url()).searchParams.get('until')).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/),
    DEADLINE,
  );
  await page.getByRole('table').waitFor();
  const rows = await page.getByRole('table').locator('tbody td[data-label="Entry"]').allTextContents();
  expect(rows.length).toBeGreaterThan(0);
  // A later entry is in no pinned period.
  await registerOperator(fleet, ['admin:audit']);
  const other = await open(new URL(page.url()).pathname + new URL(page.url()).search, { timezoneId: 'Asia/Kathmandu' });
  await logIn(other);
  await other.getByRole('table').waitFor();
  expect(await other.getByRole('table').locator('tbody td[data-label="Entry"]').allTextContents()).toEqual(rows);
});

describe('the scopes of an operator', () => {
  const AREAS = ['revocations', 'users', 'sessions', 'clients', 'keys', 'fleet', 'events', 'audit'];
  const SCOPES = AREAS.flatMap((area) =>
    ['events', 'audit'].includes(area) ? [`admin:${area}`] : [`admin:${area}:read`, `admin:${area}:write`],
  );
  const PAGES: Readonly<Record<string, { readonly operation: string; readonly path: string }>> = {
    Fleet: { operation: 'listInstances', path: '/admin/instances' },
    Revocations: { operation: 'listRevocations', path: '/admin/revocations' },
    People: { operation: 'listUsers', path: '/admin/users' },
    Sessions: { operation: 'listSessions', path: '/admin/sessions' },
    'Keys and epochs': { operation: 'listKeys', path: '/admin/keys' },
    Clients: { operation: 'listClients', path: '/admin/clients' },
    Audit: { operation: 'listAudit', path: '/admin/audit' },
  };
  const ACTS = [
    { page: 'Revocations', button: 'Log out everybody …', path: '/admin/emergency' },
    { page: 'Sessions', button: 'End', path: '/admin/sessions/x/end' },
    { page: 'Clients', button: 'Disable …', path: '/admin/clients/x/disable' },
    { page: 'Keys and epochs', button: 'Revoke …', path: '/admin/keys/x/revoke' },
    { page: 'Keys and epochs', button: 'Rotate the key of tokens …', path: '/admin/keys/rotate' },
  ];

  test.each(SCOPES)(
    '%s: a page and an act are offered if and only if the administration accepts them',
    async (scope) => {
      await member();
      const page = await open();
      await logIn(page, await registerOperator(fleet, [scope]));
      const accepts = (path: string, method: 'GET' | 'POST') =>
        page.evaluate(
          async ([to, how]) => {
            const headers = { 'x-rescind-csrf': '1', 'content-type': 'application/json' };
            const response = await fetch(`/api${to}`, { method: how, headers, ...(how === 'POST' && { body: '{}' }) });
            return response.status !== 403;
          },
          [path, method] as const,
        );
      const offered = await page.getByRole('navigation', { name: 'Pages' }).getByRole('link').allTextContents();
      for (const [name, { path }] of Object.entries(PAGES))
        expect([name, offered.includes(name)]).toEqual([name, await accepts(path, 'GET')]);
      for (const { page: name, button, path } of ACTS) {
        if (!offered.includes(name)) continue;
        await page.getByRole('link', { name, exact: true }).click();
        await page.locator('main table, main .card').first().waitFor();
        await vi.waitFor(async () => expect(await page.getByText(/^Loading /).count()).toBe(0), DEADLINE);
        const count = await page.getByRole('button', { name: button, exact: true }).count();
        expect([button, count > 0]).toEqual([button, await accepts(path, 'POST')]);
      }
    },
  );
});

test('an act leads to its entry of the audit, which names the console', async () => {
  const { sub } = await member();
  const page = await open(`/people/${sub}`);
  await logIn(page);
  await page.getByRole('button', { name: 'Log out everywhere …' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('1 session', { exact: true }).waitFor();
  await dialog.getByLabel('Why').fill('a stolen laptop');
  await dialog.getByRole('button', { name: /^Log out everywhere/ }).click();
  await dialog.getByRole('link', { name: 'Show the crossing' }).click();
  await page.getByRole('link', { name: /^Entry \d+$/ }).click();
  const row = page.getByRole('table').locator('tbody tr');
  await row.filter({ hasText: 'a stolen laptop' }).waitFor();
  expect(await row.count()).toBe(1);
  expect(await row.textContent()).toMatch(/sub:.* via console.*logOutUser/);
});

test('the search opens the page of each kind of id', async () => {
  const { user, tokens, sub, sessions } = await member();
  const [{ sid = '' } = {}] = await sessions();
  const { jti } = JSON.parse(Buffer.from(tokens.access_token.split('.')[1] ?? '', 'base64url').toString()) as {
    jti: string;
  };
  const cutoffs = [{ claim: 'jti', value: jti, expiresAt: Date.now() + 600_000 }];
  const { txn } = await administer<{ txn: string }>(fleet, '/admin/revocations', {
    cutoffs,
    reason: 'leaked',
    confirm: 'everybody',
  });
  const { items: keys } = await administer<{ items: { kid: string }[] }>(fleet, '/admin/keys');
  const page = await open();
  await logIn(page);
  const kid = keys[0]?.kid ?? '';
  for (const [text, path] of [
    [user.username.slice(0, 12), `/people?prefix=${user.username.slice(0, 12)}`],
    [sub, `/people/${sub}`],
    [sid, `/sessions?sid=${sid}`],
    [txn, `/revocations/${txn}`],
    [jti, `/revocations/${txn}`],
    [kid, `/keys?kid=${kid}`],
    ['console', '/clients?client=console'],
  ] as const) {
    await page.getByRole('searchbox', { name: /^Search a person/ }).fill(text);
    await page.keyboard.press('Enter');
    await vi.waitFor(() => expect(page.url().slice(fleet.console?.url.length)).toBe(path), DEADLINE);
  }
  // Something that cannot be asked is no page of people without a name.
  await page.route('**/api/admin/revocations/*', (route) => route.abort('connectionreset'));
  await page.getByRole('searchbox', { name: /^Search a person/ }).fill(sid);
  await page.keyboard.press('Enter');
  await page.getByRole('search').getByRole('alert').waitFor();
});

test('texts of strangers are shown as text, cut, with a mark for what is invisible', async () => {
  const hostile = ['<img src=x onerror="document.title=1">', 'a\u202egnp.exe', 'z\u200bw\u200dj', 'x'.repeat(120)];
  const { user, sub } = await member(hostile[0]);
  for (const name of hostile.slice(1)) {
    const login = await fetch(`${fleet.issuer.url}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': `${'u'.repeat(4_000)}` },
      body: JSON.stringify({ ...user, deviceName: name }),
    });
    // What the issuer refuses is on no page.
    if (login.status !== 200) expect(login.status).toBe(400);
  }
  const page = await open(`/people/${sub}`);
  await logIn(page);
  await page
    .getByText(hostile[0] ?? '', { exact: true })
    .first()
    .waitFor();
  expect(await page.title()).not.toBe('1');
  expect(await page.locator('main img').count()).toBe(0);
  const text = (await page.locator('main').textContent()) ?? '';
  expect(text).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u200b-\u200f]/);
  const titles = await page
    .locator('main [title]')
    .evaluateAll((all) => all.map((one) => one.getAttribute('title') ?? ''));
  expect(Math.max(...titles.map(({ length }) => length))).toBeLessThanOrEqual(121);
});

test('the chart has lines of one pixel, and follows a change of the theme', async () => {
  for (let at = 0; at < 3; at++) {
    const { tokens } = await member();
    await fleet.client.logout(tokens.access_token);
  }
  const page = await open('/revocations', { colorScheme: 'light' });
  await logIn(page);
  const canvas = page.locator('.plot canvas');
  await canvas.waitFor();
  const colors = () =>
    canvas.evaluate((one) => {
      const { data } = (one as HTMLCanvasElement)
        .getContext('2d')
        ?.getImageData(0, 0, (one as HTMLCanvasElement).width, (one as HTMLCanvasElement).height) ?? {
        data: new Uint8ClampedArray(),
      };
      let sum = 0;
      for (let at = 0; at < data.length; at += 4)
        if ((data[at + 3] ?? 0) > 0) sum += (data[at] ?? 0) + (data[at + 1] ?? 0) * 3;
      return sum;
    });
  const light = await colors();
  await page.emulateMedia({ colorScheme: 'dark' });
  await vi.waitFor(async () => expect(await colors()).not.toBe(light), DEADLINE);
  await page.getByRole('button', { name: 'Show as a table' }).click();
  await page.getByRole('columnheader', { name: 'p99' }).waitFor();
});
