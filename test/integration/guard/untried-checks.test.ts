import { createManualClock } from '@rescind/revocation';
import { expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { ACTIVE, openIntrospectionServer } from './introspection-server.ts';
import { openTestIssuer } from './issuer.ts';
import { freshPath, openMiddleware } from './setting.ts';

const ALWAYS = { introspect: 'always' } as const;

test('the check `introspection` has the state `not_yet_tried` until the issuer has been asked', async () => {
  const server = await openIntrospectionServer();
  const issuer = await openTestIssuer();
  const middleware = openMiddleware(issuer, { denylistPath: freshPath(), introspection: server.options(), ...ALWAYS });
  const check = () => middleware.health().find(({ name }) => name === 'introspection');
  await middleware.ready();
  expect(check()).toMatchObject({ status: 'pass', state: 'not_yet_tried', lastError: null });
  server.reply = () => ({ status: 500, body: '' });
  await middleware.opened.decideOnline(issuer.token(), ALWAYS);
  expect(check()).toMatchObject({ status: 'warn', state: 'tried' });
  server.reply = () => ACTIVE;
  await middleware.opened.decideOnline(issuer.token(), ALWAYS);
  expect(check()).toMatchObject({ status: 'pass', state: 'tried' });
});

test.each([
  [0, 'pass'],
  [3_600_000, 'warn'],
] as const)(
  'the check `clock` has the state `not_compared` until a heartbeat came: %d ms apart',
  async (apart, status) => {
    const issuer = await openTestIssuer(createManualClock(Date.now() + apart));
    const middleware = openMiddleware(issuer, { denylistPath: freshPath() });
    const check = () => middleware.health().find(({ name }) => name === 'clock');
    expect(check()).toMatchObject({ status: 'pass', state: 'not_compared', aheadMs: null });
    await waitFor('a heartbeat', () => check()?.state === 'compared');
    expect(check()?.status).toBe(status);
    expect(Math.abs(Number(check()?.aheadMs))).toBeGreaterThanOrEqual(apart / 2);
  },
);
