import type { Session, SessionOptions } from '@rescind/client';
import { createSession, memoryStore } from '@rescind/client';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { openUserManagement, USER } from '../../support/user-management.ts';

type Environment = Parameters<typeof openUserManagement>[0];

/** A fetch that handles the refresh cookie as a browser does. */
function withCookies(): typeof fetch {
  let cookie: string | undefined;
  return async (input, init = {}) => {
    const headers = new Headers(init.headers);
    if (cookie !== undefined && init.credentials === 'include') headers.set('cookie', cookie);
    const response = await fetch(input, { ...init, headers });
    for (const each of response.headers.getSetCookie()) {
      const [pair = ''] = each.split(';');
      cookie = /max-age=0\b/i.test(each) ? undefined : pair;
    }
    return response;
  };
}

async function started(environment: Environment = {}) {
  const service = await openUserManagement(environment);
  await service.register();
  const store = memoryStore(`session of ${service.url}`);
  function open(more: Partial<SessionOptions> = {}): Session {
    const session = createSession({ issuer: service.url, mode: 'body', storage: store, ...more });
    onTestFinished(() => session.stop());
    return session;
  }
  return { ...service, store, open };
}

const account = { resource: '' };
const accountOf = (url: string) => ({ ...account, resource: `${url}/account` });

describe.each(['body', 'cookie'] as const)('%s mode, over HTTP', (mode) => {
  const cookies = () => (mode === 'cookie' ? { mode, fetch: withCookies() } : { mode });

  test('logs in, calls, renews, and logs out: the access token is dead at once', async () => {
    const { open, url, accepts } = await started();
    const session = open(cookies());
    await session.login(USER);
    expect(session.getSnapshot()).toMatchObject({ status: 'active', claims: { iss: url, client_id: 'web' } });
    const before = await session.getAccessToken();
    await session.renew();
    expect(await session.getAccessToken()).not.toBe(before);
    const response = await session.fetch(`${url}/account`, accountOf(url));
    expect(await response.json()).toMatchObject({ username: USER.username });
    const token = await session.getAccessToken({ resource: `${url}/account` });
    expect(await session.logout()).toEqual({ server: 'done' });
    expect(await accepts(token)).toBe(401);
    await expect(session.fetch(`${url}/account`)).rejects.toMatchObject({ code: 'session_ended' });
  });

  test('renews by itself, again and again', async () => {
    const { open, url } = await started({ ACCESS_TOKEN_TTL: '2s' });
    const session = open(cookies());
    session.start();
    await session.login(USER);
    const tokens = new Set<unknown>();
    session.subscribe(() => void tokens.add(session.getSnapshot().claims.jti));
    await vi.waitFor(() => expect(tokens.size).toBeGreaterThanOrEqual(3), { timeout: 20_000 });
    expect((await session.fetch(`${url}/account`, accountOf(url))).status).toBe(200);
  });

  test('after a change of a claim the old token is refused, and the session renews it without its user', async () => {
    const { open, url } = await started();
    const session = open(cookies());
    await session.login(USER);
    const change = { phone: '+4915112345678', password: USER.password };
    const changed = await session.fetch(`${url}/account`, {
      ...accountOf(url),
      method: 'PATCH',
      body: JSON.stringify(change),
      headers: { 'content-type': 'application/json' },
    });
    expect(changed.status).toBe(200);
    const again = await session.fetch(`${url}/account`, accountOf(url));
    expect(await again.json()).toMatchObject({ claims: { phone_number: change.phone } });
    await session.renew();
    expect(session.getSnapshot()).toMatchObject({ status: 'active', claims: { phone_number: change.phone } });
  });

  test('a session that was ended from another device ends here, with a reason', async () => {
    const { open, url, login, asBearer, send } = await started();
    const session = open(cookies());
    const ends: unknown[] = [];
    session.onSessionEnd((end) => void ends.push(end));
    await session.login(USER);
    const { access } = await login();
    expect((await send('/logout-everywhere', { method: 'POST', headers: asBearer(access) })).status).toBe(204);
    await expect(session.fetch(`${url}/account`, accountOf(url))).rejects.toMatchObject({ code: 'session_ended' });
    await vi.waitFor(() => expect(ends).toEqual([{ reason: 'logout', code: 'grant_invalid', here: true }]), 10_000);
  });

  test('step-up: authenticates again in the same session, and repeats the request', async () => {
    const { open, url } = await started({ ACCESS_TOKEN_TTL: '15m', RECENT_LOGIN: '1s' });
    const session = open(cookies());
    await session.login(USER);
    const sid = session.getSnapshot().sid;
    const handler = vi.fn(() => session.reauthenticate({ password: USER.password }));
    session.stepUp(handler);
    const { auth_time: before } = session.getSnapshot().claims;
    await vi.waitFor(() => expect(Math.floor(Date.now() / 1_000)).toBeGreaterThan(Number(before) + 1), 10_000);
    let requests = 0;
    // Once, unless this process stands still until the new login is not recent any more either.
    await vi.waitFor(async () => {
      requests += 1;
      const response = await session.fetch(`${url}/sessions`, { ...accountOf(url), method: 'DELETE' });
      expect(response.status).toBe(204);
    }, 10_000);
    expect(handler.mock.calls.length).toBeGreaterThan(0);
    expect(handler.mock.calls.length).toBeLessThanOrEqual(requests);
    expect(session.getSnapshot()).toMatchObject({ status: 'active', sid });
    expect(Number(session.getSnapshot().claims.auth_time)).toBeGreaterThan(Number(before));
  });
});

test('two tabs refresh at the same moment, a hundred times: one session, and each token once', async () => {
  const { open, form, store } = await started();
  const [a, b] = [open(), open()];
  await a.login(USER);
  for (const tab of [a, b]) tab.start();
  for (let round = 0; round < 100; round += 1) await Promise.all([a.renew(), b.renew()]);
  expect([a.getSnapshot().status, b.getSnapshot().status]).toEqual(['active', 'active']);
  const refreshToken = (await store.read())?.refreshToken ?? '';
  const last = await form('/oauth2/token', { grant_type: 'refresh_token', refresh_token: refreshToken });
  expect(last.status).toBe(200);
});

test('a stolen refresh token: its second use ends the session, and the client reports the reason', async () => {
  const { open, store, refresh } = await started({ REFRESH_GRACE: '0s' });
  const session = open();
  const ends: { reason: string }[] = [];
  session.onSessionEnd((end) => void ends.push(end));
  await session.login(USER);
  const stolen = (await store.read())?.refreshToken ?? '';
  expect((await refresh(stolen)).status).toBe(200);
  await expect(session.renew()).rejects.toMatchObject({ code: 'session_ended' });
  await vi.waitFor(() => expect(ends).toEqual([{ reason: 'reuse', code: 'grant_reused', here: true }]), 10_000);
});

test('the session waits for an issuer that is away', async () => {
  const service = await started();
  const session = service.open();
  await session.login(USER);
  await service.close();
  await expect(session.renew()).rejects.toMatchObject({ code: 'offline' });
  expect(session.getSnapshot().status).toBe('waiting');
});

test('the login of an unknown client is refused with client_invalid', async () => {
  const { open } = await started();
  const session = open({ clientId: 'nobody' });
  await expect(session.login(USER)).rejects.toMatchObject({ code: 'login_refused', serverCode: 'client_invalid' });
});
