import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { openUserManagement, USER } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

interface Listed {
  readonly sid: string;
  readonly deviceName: string | null;
  readonly current: boolean;
  readonly origin: { readonly address?: string; readonly userAgent?: string };
}

async function started(environment?: Record<string, string>) {
  const service = await openUserManagement(environment);
  await service.register();
  const ask = (method: string, path: string, access: string, body?: object) =>
    service.send(path, {
      method,
      headers: { ...(body ? { 'Content-Type': 'application/json' } : {}), ...service.asBearer(access) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  const list = async (access: string) => (await ask('GET', '/sessions', access)).body.items as Listed[];
  return { ...service, ask, list };
}

describe('security 25: an owner', () => {
  test('sees the devices, the newest first, with their name and a coarse place', async () => {
    const service = await started();
    await service.login({ deviceName: 'laptop' });
    const phone = await service.login({ deviceName: 'phone' });
    const sessions = await service.list(phone.access);
    expect(sessions.map(({ deviceName, current }) => [deviceName, current])).toEqual([
      ['phone', true],
      ['laptop', false],
    ]);
    expect(sessions[0]?.origin.address).toMatch(/^(127\.0\.0\.0\/24|0:0:0::\/48)$/);
    expect(Object.keys(sessions[0] ?? {})).not.toContain('sub');

    const other = { username: 'bob', password: 'another password' };
    await service.register(other);
    const stranger = await service.login(other);
    expect(await service.list(stranger.access)).toHaveLength(1);
    const page = await service.ask('GET', '/sessions?limit=1', phone.access);
    const next = await service.ask('GET', `/sessions?limit=1&after=${page.body.next}`, phone.access);
    expect((next.body.items as Listed[]).map(({ deviceName }) => deviceName)).toEqual(['laptop']);
  });

  test('names a device, ends one and all others, of the own account only', async () => {
    const service = await started();
    const [here, there, third] = [await service.login(), await service.login(), await service.login()];
    const sidOf = ({ answer }: { answer: Record<string, unknown> }) => String(answer.sid);
    const renamed = await service.ask('PATCH', `/sessions/${sidOf(there)}`, here.access, { deviceName: 'tablet' });
    expect([renamed.status, renamed.body.deviceName, renamed.body.current]).toEqual([200, 'tablet', false]);

    const other = { username: 'bob', password: 'another password' };
    await service.register(other);
    const stranger = await service.login(other);
    for (const [method, body] of [
      ['PATCH', { deviceName: 'mine' }],
      ['DELETE', undefined],
    ] as const) {
      const refused = await service.ask(method, `/sessions/${sidOf(there)}`, stranger.access, body);
      expect([method, refused.status, refused.body.code]).toEqual([method, 404, 'not_found']);
    }
    expect(await service.accepts(there.access)).toBe(400);

    expect((await service.ask('DELETE', `/sessions/${sidOf(there)}`, here.access)).status).toBe(204);
    expect(await service.accepts(there.access)).toBe(401);
    expect((await service.refresh(there.refresh)).status).toBe(400);
    expect((await service.ask('DELETE', `/sessions/${sidOf(there)}`, here.access)).status).toBe(404);
    expect((await service.ask('DELETE', '/sessions', here.access)).status).toBe(204);
    expect(await service.accepts(third.access)).toBe(401);
    expect(await service.accepts(here.access)).toBe(400);
    expect(await service.list(here.access)).toHaveLength(1);
    expect(await service.accepts(stranger.access)).toBe(400);
  });

  test('ends devices only after a recent login; re-authentication continues the session', async () => {
    const service = await started({ RECENT_LOGIN: '2s' });
    const [here, there] = [await service.login(), await service.login()];
    const end = (access: string, sid = there.answer.sid) => service.ask('DELETE', `/sessions/${sid}`, access);
    const refused = await waitFor('the login is not recent any more', async () => {
      const answer = await end(here.access, 'nobody');
      return answer.status === 401 && answer;
    });
    expect(refused.body.code).toBe('authentication_insufficient');
    const challenge = refused.headers.get('www-authenticate');
    expect(challenge).toContain('error="insufficient_user_authentication"');
    expect(challenge).toContain('max_age="2"');
    expect((await service.ask('DELETE', '/sessions', here.access)).status).toBe(401);

    const wrong = await service.post(
      '/reauthenticate',
      { password: 'not the password' },
      service.asBearer(here.access),
    );
    expect([wrong.status, wrong.body.code]).toEqual([401, 'credentials_wrong']);
    const proof = { password: USER.password };
    let again = here;
    // Once, unless this process stands still until that login is not recent any more either.
    await waitFor('a device is ended', async () => {
      again = service.tokensOf(await service.post('/reauthenticate', proof, service.asBearer(again.access)));
      return (await end(again.access)).status === 204;
    });
    expect(again.answer.sid).toBe(here.answer.sid);
    expect(Number(decodeJwt(again.access).auth_time)).toBeGreaterThan(Number(decodeJwt(here.access).auth_time));
    // Security 48: the access token from before the re-authentication is refused.
    expect(await service.accepts(here.access)).toBe(401);
    // The refresh token of the session is still the one of the login.
    expect((await service.refresh(here.refresh)).status).toBe(200);
  });
});

test('gives a device that never expires no deadline, where the configuration permits it, and lets its owner revoke it', async () => {
  const strict = await started();
  const refused = await strict.post('/login', { ...USER, neverExpires: true });
  expect([refused.status, refused.body.code]).toEqual([400, 'request_invalid']);

  const service = await started({ NEVER_EXPIRING_DEVICES: 'true' });
  const [kiosk, phone] = [await service.login({ neverExpires: true }), await service.login()];
  const view = async () => (await service.ask('GET', '/sessions', phone.access)).body.items;
  expect(await view()).toMatchObject([
    { idleExpiresAt: expect.any(Number), absoluteExpiresAt: expect.any(Number) },
    { idleExpiresAt: null, absoluteExpiresAt: null },
  ]);
  expect(kiosk.answer.expires_in).toBe(900);
  const refreshed = service.tokensOf(await service.refresh(kiosk.refresh));
  expect((await service.ask('DELETE', `/sessions/${kiosk.answer.sid}`, phone.access)).status).toBe(204);
  expect(await service.accepts(refreshed.access)).toBe(401);
  expect((await service.refresh(refreshed.refresh)).status).toBe(400);
});

test('security 48: gives each login its own session id', async () => {
  const service = await started();
  const sids = [await service.login(), await service.login()].map(({ answer }) => answer.sid);
  expect(new Set(sids).size).toBe(2);
  const grant = await service.form('/oauth2/token', { grant_type: 'password', ...USER });
  expect([grant.status, grant.body.error]).toEqual([400, 'unsupported_grant_type']);
});

test('never returns the refresh token of a cookie session in a body', async () => {
  const service = await started();
  const resource = service.accountAudience;
  const answer = await service.post('/login', { ...USER, storage: 'cookie', resource });
  expect(answer.body.refresh_token).toBeUndefined();
  expect(answer.headers.get('set-cookie')).toMatch(/^__Host-.*HttpOnly; Secure; SameSite=Strict/);
  const bearer = service.asBearer(String(answer.body.access_token));
  const again = await service.post('/reauthenticate', { password: USER.password }, bearer);
  expect([again.status, again.body.refresh_token]).toEqual([200, undefined]);
  expect(again.headers.get('set-cookie')).toBeNull();
  const changed = await service.post(
    '/password',
    { currentPassword: USER.password, newPassword: 'another correct horse' },
    service.asBearer(String(again.body.access_token)),
  );
  expect([changed.status, changed.body.refresh_token]).toEqual([200, undefined]);
  const access = service.asBearer(String(changed.body.access_token));
  const out = await service.send('/logout', { method: 'POST', headers: access });
  expect(out.headers.get('set-cookie')).toMatch(/Max-Age=0/);
});
