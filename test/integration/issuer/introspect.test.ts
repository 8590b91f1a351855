import type { Client } from '@rescind/issuer';
import { createManualClock } from '@rescind/revocation';
import { describe, expect, test } from 'vitest';
import { claimsOf, createIssuerSetting, login, refresh } from './issuer-setting.ts';

const START = 1_800_000_000_000;
const INACTIVE = { active: false };
const resource: Client = { clientId: 'rs', name: 'RS', authMethod: 'client_secret_basic', mayIntrospect: true };

async function scene() {
  const clock = createManualClock(START);
  const setting = createIssuerSetting();
  setting.users.put('ada', { claims: { scope: 'read', roles: ['auditor'] } });
  const issuer = await setting.open({ clock });
  await issuer.transaction((tx) => tx.clients.put(resource));
  const ask = (token: string, clientId = 'rs') => issuer.introspect(token, { clientId });
  return { clock, setting, issuer, ask };
}

describe('introspection (RFC 7662)', () => {
  test('returns all claims of a valid access token', async () => {
    const { issuer, ask } = await scene();
    const answer = await login(issuer);
    expect(await ask(answer.access_token)).toEqual({ active: true, token_type: 'Bearer', ...claimsOf(answer) });
    expect(await ask(answer.access_token)).toMatchObject({
      roles: ['auditor'],
      sub: 'ada',
      client_id: 'web',
      scope: 'read',
    });
  });

  test('security 32: gives the same response for unknown, expired, revoked and foreign tokens', async () => {
    const { issuer, clock, setting, ask } = await scene();
    const others = await createIssuerSetting().open({ clock });
    const [ended, softly, alone, good] = [
      await login(issuer),
      await login(issuer),
      await login(issuer),
      await login(issuer),
    ];
    await issuer.transaction((tx) => tx.endSession({ sid: ended.sid, reason: 'logout' }));
    await issuer.transaction((tx) => tx.revokeToken({ token: alone.access_token, clientId: 'web' }));
    const foreign = (await login(others)).access_token;
    for (const token of ['', 'x', 'a.b.c', foreign, `${good.access_token}x`, ended.access_token, alone.access_token]) {
      expect(await ask(token)).toEqual(INACTIVE);
    }
    await issuer.transaction((tx) => tx.subjectChanged({ sub: 'ada', kind: 'soft', reason: 'roles_changed' }));
    expect(await ask(softly.access_token)).toEqual(INACTIVE);
    const fresh = await refresh(issuer, softly);
    expect(await ask(fresh.access_token)).toMatchObject({ active: true });
    clock.advance(900_000);
    expect(await ask(fresh.access_token)).toEqual(INACTIVE);
    expect(setting.databasePath).not.toBe('');
  });

  test('requires the permission for tokens of other clients', async () => {
    const { issuer, ask } = await scene();
    const answer = await login(issuer);
    const { access_token: token } = answer;
    expect(await ask(token, 'web')).toMatchObject({ active: true });
    expect(await ask(token, 'app')).toEqual(INACTIVE);
    expect(await ask(token, 'nobody')).toEqual(INACTIVE);
    await issuer.transaction((tx) => tx.clients.put({ ...resource, audience: ['orders'] }));
    expect(await ask(token)).toEqual(INACTIVE);
    await issuer.transaction((tx) => tx.clients.put({ ...resource, audience: ['orders', 'prices'] }));
    expect(await ask(token)).toMatchObject({ active: true });
    await issuer.transaction((tx) => tx.clients.put({ ...resource, disabled: true }));
    expect(await ask(token)).toEqual(INACTIVE);
  });

  test('never reports a refresh token as an access token, and reports it to its own client only', async () => {
    const { issuer, clock, setting, ask } = await scene();
    const first = await login(issuer);
    const second = await refresh(issuer, first);
    expect(await ask(second.refresh_token)).toEqual(INACTIVE);
    expect(await ask(second.refresh_token, 'web')).toEqual({
      ...{ active: true, iss: 'https://login.example', sub: 'ada', client_id: 'web', scope: 'read', sid: first.sid },
      ...{ exp: (START + 7 * 86_400_000) / 1000, token_use: 'refresh_token' },
    });
    expect(await ask(first.refresh_token, 'web')).toEqual(INACTIVE);
    setting.users.put('ada', { active: false });
    expect(await ask(second.refresh_token, 'web')).toEqual(INACTIVE);
    setting.users.put('ada', { active: true });
    clock.advance(7 * 86_400_000);
    expect(await ask(second.refresh_token, 'web')).toEqual(INACTIVE);
  });

  test('works inside a transaction', async () => {
    const { issuer, ask } = await scene();
    const answer = await login(issuer);
    const open = issuer.transaction(() => ask(answer.access_token));
    expect(await open).toMatchObject({ active: true });
  });
});
