import type { BeginSession, Issuer, IssuerOptions } from '@rescind/issuer';
import { createManualClock } from '@rescind/revocation';
import { describe, expect, test } from 'vitest';
import { claimsOf, codeOf, createIssuerSetting, eventsOf, login, refresh, verdictOf } from './issuer-setting.ts';

const START = 1_800_000_000_000;
const SECOND = 1_000;
const DAY = 86_400 * SECOND;

async function scene(options: Partial<IssuerOptions> = {}) {
  const clock = createManualClock(START);
  const setting = createIssuerSetting();
  setting.users.put('bob');
  const issuer = await setting.open({ clock, ...options });
  const begin = (more: Partial<BeginSession> = {}) =>
    issuer.transaction((tx) =>
      tx.beginSession({ sub: 'ada', clientId: 'web', audience: 'prices', credentialVersion: 1, ...more }),
    );
  return { clock, setting, issuer, begin };
}

const sidsOf = async (issuer: Issuer, query: Parameters<Issuer['sessions']['list']>[0]) =>
  (await issuer.sessions.list(query)).items.map(({ sid }) => sid);

describe('devices', () => {
  test('stores the device of a session, its origin and its last use', async () => {
    const { issuer, clock, begin } = await scene();
    const answer = await begin({
      deviceName: 'Ada’s phone',
      deviceId: 'device-1',
      origin: { address: '192.0.2.7', userAgent: `Browser\u001b[2J${'x'.repeat(500)}` },
      amr: ['pwd', 'otp'],
      acr: 'two-factor',
    });
    clock.advance(5 * SECOND);
    await refresh(issuer, answer);
    const view = await issuer.sessions.find(answer.sid);
    expect(view).toMatchObject({
      ...{ sid: answer.sid, sub: 'ada', clientId: 'web', deviceName: 'Ada’s phone', deviceId: 'device-1' },
      ...{ createdAt: START, authTime: START, lastUsedAt: START + 5 * SECOND, amr: ['pwd', 'otp'], acr: 'two-factor' },
      ...{ storage: 'body', endedAt: null, endReason: null, reauthenticationReason: null, current: false },
      ...{ idleExpiresAt: START + 5 * SECOND + 7 * DAY, absoluteExpiresAt: START + 30 * DAY },
    });
    expect(view?.origin.address).toBe('192.0.2.7');
    expect(view?.origin.userAgent).toMatch(/^Browser \[2Jx{200}/);
    expect(view?.origin.userAgent).toHaveLength(256);
    expect(claimsOf(answer)).toMatchObject({ amr: ['pwd', 'otp'], acr: 'two-factor' });
    expect(await issuer.sessions.find('nobody')).toBeUndefined();
  });

  test('lists sessions newest first, by page, for one user, one client, or all', async () => {
    const { issuer, clock } = await scene();
    const all: string[] = [];
    for (let at = 0; at < 7; at += 1) {
      all.unshift((await login(issuer, at % 2 ? 'bob' : 'ada', { clientId: at < 3 ? 'app' : 'web' })).sid);
      if (at !== 3) clock.advance(SECOND);
    }
    const pages: string[][] = [];
    for (let after: string | undefined = ''; after !== undefined; ) {
      const page = await issuer.sessions.list({ limit: 3, ...(after === '' ? {} : { after }) });
      pages.push(page.items.map(({ sid }) => sid));
      after = page.next;
    }
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(new Set(pages.flat())).toEqual(new Set(all));
    expect(pages.flat().slice(0, 2)).toEqual(all.slice(0, 2));
    expect(await sidsOf(issuer, { sub: 'bob' })).toEqual([all[1], all[3], all[5]]);
    expect(await sidsOf(issuer, { clientId: 'app' })).toEqual(all.slice(4));
    expect(await sidsOf(issuer, { clientId: 'app', sub: 'bob' })).toEqual([all[5]]);
    const current = all[2] ?? '';
    expect((await issuer.sessions.list({ sub: 'ada', currentSid: current })).items.map((view) => view.current)).toEqual(
      [false, true, false, false],
    );
    expect(await codeOf(() => issuer.sessions.list({ after: 'x' }))).toBe('request_invalid');
    await expect(issuer.sessions.list({ limit: 0 })).rejects.toThrow(/limit/);
  });

  test('lists ended sessions on request', async () => {
    const { issuer, clock } = await scene({ refreshIdleTtlMs: 10 * SECOND });
    const [ended, idle] = [await login(issuer), await login(issuer)];
    await issuer.transaction((tx) => tx.endSession({ sid: ended.sid, reason: 'logout' }));
    clock.advance(10 * SECOND);
    const open = await login(issuer);
    expect(await sidsOf(issuer, { sub: 'ada' })).toEqual([open.sid]);
    expect(new Set(await sidsOf(issuer, { sub: 'ada', ended: true }))).toEqual(
      new Set([open.sid, ended.sid, idle.sid]),
    );
    expect(await issuer.sessions.find(ended.sid)).toMatchObject({ endReason: 'logout', endedAt: expect.any(Number) });
  });

  test('ends a timed out session once, while its tokens live', async () => {
    const { issuer, clock } = await scene({ refreshIdleTtlMs: 10 * SECOND });
    const [one, other] = [await login(issuer), await login(issuer)];
    clock.advance(20 * SECOND);
    expect(
      await issuer.transaction((tx) => tx.revokeToken({ token: one.refresh_token, clientId: 'web' })),
    ).toMatchObject({ endedSessions: 1 });
    expect(await verdictOf(issuer, one)).toBe('token_revoked');
    expect(
      await issuer.transaction((tx) => tx.revokeToken({ token: one.refresh_token, clientId: 'web' })),
    ).toBeUndefined();
    clock.advance(1_000 * SECOND);
    expect(await issuer.transaction((tx) => tx.endSession({ sid: other.sid, reason: 'logout' }))).toBeUndefined();
    expect(issuer.log.snapshot().head).toBe(1);
  });

  test('lets only their owner rename and end them', async () => {
    const { issuer } = await scene();
    const [one, other, bobs] = [await login(issuer), await login(issuer), await login(issuer, 'bob')];
    expect(
      await issuer.transaction((tx) => tx.renameSession({ sid: one.sid, sub: 'ada', deviceName: 'Kitchen' })),
    ).toMatchObject({
      deviceName: 'Kitchen',
    });
    expect((await issuer.sessions.find(one.sid))?.deviceName).toBe('Kitchen');
    expect(
      await issuer.transaction((tx) => tx.renameSession({ sid: bobs.sid, sub: 'ada', deviceName: 'Mine' })),
    ).toBeUndefined();
    for (const deviceName of ['', 'a\nb', 'x'.repeat(129)]) {
      await expect(
        issuer.transaction((tx) => tx.renameSession({ sid: one.sid, sub: 'ada', deviceName })),
      ).rejects.toThrow(/deviceName/);
    }
    expect(
      await issuer.transaction((tx) => tx.endSession({ sid: bobs.sid, sub: 'ada', reason: 'logout' })),
    ).toBeUndefined();
    expect(await verdictOf(issuer, bobs)).toBe('ok');
    expect(
      await issuer.transaction((tx) => tx.endSession({ sid: one.sid, sub: 'ada', reason: 'logout' })),
    ).toMatchObject({ endedSessions: 1 });
    expect(
      await issuer.transaction((tx) =>
        tx.endAllSessions({ sub: 'ada', exceptSid: other.sid, reason: 'logout_others' }),
      ),
    ).toBeUndefined();
    expect(await verdictOf(issuer, one)).toBe('token_revoked');
    expect(
      await issuer.transaction((tx) => tx.renameSession({ sid: one.sid, sub: 'ada', deviceName: 'Gone' })),
    ).toBeUndefined();
  });

  test('security 48: ends the session that a login replaces, of the same user only', async () => {
    const { issuer, begin } = await scene();
    const [before, bobs] = [await login(issuer), await login(issuer, 'bob')];
    const after = await begin({ replacesSid: before.sid });
    await begin({ replacesSid: bobs.sid });
    expect(after.sid).not.toBe(before.sid);
    expect(await Promise.all([before, after, bobs].map((answer) => verdictOf(issuer, answer)))).toEqual([
      'token_revoked',
      'ok',
      'ok',
    ]);
    expect((await issuer.sessions.find(before.sid))?.endReason).toBe('replaced');
  });
});

describe('policies', () => {
  const put = (issuer: Issuer, policy: object) =>
    issuer.transaction((tx) => tx.clients.put({ clientId: 'app', name: 'App', authMethod: 'none', policy }));

  test('apply by client: token life, idle time, absolute age, grace', async () => {
    const { issuer, clock } = await scene({ refreshRecoveryMs: 0 });
    await put(issuer, {
      ...{ accessTokenTtlMs: 60 * SECOND, refreshIdleTtlMs: 120 * SECOND, refreshTokenTtlMs: 300 * SECOND },
      refreshGraceMs: 1 * SECOND,
    });
    const first = await login(issuer, 'ada', { clientId: 'app' });
    expect(first).toMatchObject({ expires_in: 60, refresh_in: 30 });
    expect(await issuer.sessions.find(first.sid)).toMatchObject({
      idleExpiresAt: START + 120 * SECOND,
      absoluteExpiresAt: START + 300 * SECOND,
    });
    const second = await refresh(issuer, first, 'app');
    clock.advance(2 * SECOND);
    expect(await codeOf(() => refresh(issuer, first, 'app'))).toBe('grant_reused');
    expect(await verdictOf(issuer, second)).toBe('token_revoked');
    const third = await login(issuer, 'ada', { clientId: 'app' });
    clock.advance(120 * SECOND);
    expect(await codeOf(() => refresh(issuer, third, 'app'))).toBe('grant_invalid');
  });

  test('allow a session that never expires, and that can be revoked', async () => {
    const { issuer, clock, begin } = await scene();
    const forever = await begin({
      policy: { refreshIdleTtlMs: 'never', refreshTokenTtlMs: 'never' },
      deviceName: 'TV',
    });
    expect(await issuer.sessions.find(forever.sid)).toMatchObject({ idleExpiresAt: null, absoluteExpiresAt: null });
    clock.advance(10 * 365 * DAY);
    const next = await refresh(issuer, forever);
    expect(next.expires_in).toBe(900);
    expect(await verdictOf(issuer, next)).toBe('ok');
    await issuer.transaction((tx) => tx.endSession({ sid: forever.sid, reason: 'device_lost' }));
    expect(await verdictOf(issuer, next)).toBe('token_revoked');
    expect(await codeOf(() => refresh(issuer, next))).toBe('grant_invalid');
  });

  test('prefer that of the device to that of the client, as of the login', async () => {
    const { issuer, clock, begin } = await scene();
    await put(issuer, { refreshIdleTtlMs: 60 * SECOND });
    const kiosk = await begin({ clientId: 'app', policy: { refreshIdleTtlMs: 10 * SECOND } });
    const phone = await begin({ clientId: 'app' });
    clock.advance(20 * SECOND);
    expect(await codeOf(() => refresh(issuer, kiosk, 'app'))).toBe('grant_invalid');
    expect((await refresh(issuer, phone, 'app')).sid).toBe(phone.sid);
    await expect(begin({ policy: { storage: 'cookie' } as never })).rejects.toThrow(/storage/);
    await expect(begin({ policy: { refreshGraceMs: -1 } })).rejects.toThrow(/refreshGraceMs/);
  });

  test('keep the refresh token without rotation, with idle and absolute deadlines', async () => {
    const { issuer, clock } = await scene();
    await put(issuer, { rotation: false, refreshIdleTtlMs: 60 * SECOND });
    const first = await login(issuer, 'ada', { clientId: 'app' });
    for (let turn = 0; turn < 3; turn += 1) {
      clock.advance(50 * SECOND);
      const answer = await refresh(issuer, first, 'app');
      expect(answer.refresh_token).toBe(first.refresh_token);
      expect(await verdictOf(issuer, answer)).toBe('ok');
    }
    await issuer.transaction((tx) => tx.revokeToken({ token: first.refresh_token, clientId: 'app' }));
    expect(await codeOf(() => refresh(issuer, first, 'app'))).toBe('grant_invalid');
  });

  test('return a refresh token by the carrier that the login used', async () => {
    const { issuer, begin } = await scene();
    const use = (refreshToken: string, via: 'cookie' | 'body') =>
      issuer.refresh({ refreshToken, clientId: 'web', via });
    const [cookie, body] = [await begin({ storage: 'cookie' }), await begin()];
    expect((await issuer.sessions.find(cookie.sid))?.storage).toBe('cookie');
    expect(await codeOf(() => use(cookie.refresh_token, 'body'))).toBe('grant_invalid');
    expect(await codeOf(() => use(body.refresh_token, 'cookie'))).toBe('grant_invalid');
    const next = await use(cookie.refresh_token, 'cookie');
    expect(await codeOf(() => use(cookie.refresh_token, 'body'))).toBe('grant_invalid');
    expect(await verdictOf(issuer, next)).toBe('ok');
    expect((await use(body.refresh_token, 'body')).sid).toBe(body.sid);
  });

  test('restrict a client to one carrier', async () => {
    const { issuer, begin } = await scene();
    await put(issuer, { storage: 'cookie' });
    expect((await issuer.sessions.find((await begin({ clientId: 'app' })).sid))?.storage).toBe('cookie');
    expect(await codeOf(() => begin({ clientId: 'app', storage: 'body' }))).toBe('request_invalid');
  });
});

describe('a required re-authentication', () => {
  test('refuses a refresh at once, with the reason for the holder of the token; a new login continues the session', async () => {
    const { issuer, setting, begin } = await scene();
    const [one, other] = [await login(issuer), await login(issuer)];
    expect(await issuer.transaction((tx) => tx.requireReauthentication({ sub: 'ada', reason: 'password_reset' }))).toBe(
      2,
    );
    for (const answer of [one, other]) {
      await expect(refresh(issuer, answer)).rejects.toMatchObject({
        ...{ code: 'reauthentication_required', status: 400, oauth: 'invalid_grant', detail: 'password_reset' },
      });
      expect(await verdictOf(issuer, answer)).toBe('ok');
    }
    const [selector] = one.refresh_token.split('.');
    const guess = { refreshToken: `${selector}.${'A'.repeat(43)}`, clientId: 'web' };
    expect(await codeOf(() => issuer.refresh(guess))).toBe('grant_invalid');
    expect((await issuer.sessions.find(one.sid))?.reauthenticationReason).toBe('password_reset');
    const anew = await begin({ replacesSid: one.sid });
    expect(await verdictOf(issuer, await refresh(issuer, anew))).toBe('ok');
    setting.users.put('ada', { active: false, reason: 'banned' });
    await expect(refresh(issuer, anew)).rejects.toMatchObject({ code: 'grant_suspended', detail: 'banned' });
  });

  test('cuts off the tokens of one session in the same transaction', async () => {
    const { issuer } = await scene();
    const [one, other] = [await login(issuer), await login(issuer)];
    await issuer.transaction(async (tx) => {
      await tx.requireReauthentication({ sid: one.sid, reason: 'new_country' });
      await tx.subjectChanged({ sub: 'ada', kind: 'soft', reason: 'new_country' });
    });
    expect(await verdictOf(issuer, one)).toBe('token_revoked');
    expect(await codeOf(() => refresh(issuer, one))).toBe('reauthentication_required');
    expect(await verdictOf(issuer, await refresh(issuer, other))).toBe('ok');
    await expect(
      issuer.transaction((tx) => tx.requireReauthentication({ sub: 'ada', reason: 'Because!' })),
    ).rejects.toThrow(/reason/);
  });
});

describe('re-authentication (RFC 9470)', () => {
  const proved = (sid: string, more: object = {}) => ({
    ...{ sid, sub: 'ada', credentialVersion: 1, amr: ['pwd', 'otp'], acr: 'two-factor' },
    ...more,
  });

  test('security 48: raises auth_time of the same session, and cuts its earlier tokens off softly', async () => {
    const { issuer, clock } = await scene();
    const [before, other] = [await login(issuer), await login(issuer)];
    await issuer.transaction((tx) => tx.requireReauthentication({ sid: before.sid, reason: 'sensitive' }));
    clock.advance(60 * SECOND);
    const after = await issuer.transaction((tx) => tx.reauthenticate(proved(before.sid)));
    expect(after.sid).toBe(before.sid);
    expect(claimsOf(after)).toMatchObject({
      ...{ auth_time: (START + 60 * SECOND) / 1000, amr: ['pwd', 'otp'], acr: 'two-factor' },
    });
    expect(await Promise.all([before, after, other].map((answer) => verdictOf(issuer, answer)))).toEqual([
      'token_revoked',
      'ok',
      'ok',
    ]);
    expect(eventsOf(issuer)).toMatchObject([
      { reason: 'reauthenticated', cutOffs: [{ claim: 'sid', value: before.sid, sessionUntil: -1 }] },
    ]);
    expect(eventsOf(issuer)[0]?.type).toMatch(/session-tokens-revoked$/);
    const next = await refresh(issuer, after);
    expect(claimsOf(next).auth_time).toBe(claimsOf(after).auth_time);
    expect(await issuer.sessions.find(before.sid)).toMatchObject({ reauthenticationReason: null, createdAt: START });
  });

  test('refuses the former refresh token, and treats it later as reused', async () => {
    const { issuer, clock } = await scene();
    const before = await login(issuer);
    const after = await issuer.transaction((tx) => tx.reauthenticate(proved(before.sid)));
    expect(await codeOf(() => refresh(issuer, before))).toBe('grant_invalid');
    expect(await verdictOf(issuer, after)).toBe('ok');
    clock.advance(11 * SECOND);
    expect(await codeOf(() => refresh(issuer, before))).toBe('grant_reused');
    expect(await verdictOf(issuer, after)).toBe('token_revoked');
  });

  test('returns no refresh token and no scope to a caller with an access token alone', async () => {
    const { issuer } = await scene();
    const before = await login(issuer);
    const scope = before.scope.split(' ')[0] ?? '';
    const after = await issuer.transaction((tx) => tx.stepUp({ ...proved(before.sid), scope: `${scope} admin` }));
    expect(after).not.toHaveProperty('refresh_token');
    expect(after.scope).toBe(scope);
    expect(claimsOf(after)).toMatchObject({ amr: ['pwd', 'otp'], acr: 'two-factor', scope });
    expect(await Promise.all([before, after].map((answer) => verdictOf(issuer, answer)))).toEqual([
      'token_revoked',
      'ok',
    ]);
    const next = await refresh(issuer, before);
    expect(claimsOf(next)).toMatchObject({ acr: 'two-factor', scope: before.scope });
  });

  test('requires an open session of the same user', async () => {
    const { issuer, setting } = await scene();
    const [mine, bobs, over] = [await login(issuer), await login(issuer, 'bob'), await login(issuer)];
    await issuer.transaction((tx) => tx.endSession({ sid: over.sid, reason: 'logout' }));
    for (const sid of [bobs.sid, over.sid, 'nobody']) {
      expect(await codeOf(() => issuer.transaction((tx) => tx.reauthenticate(proved(sid))))).toBe('session_ended');
    }
    expect(
      await codeOf(() => issuer.transaction((tx) => tx.reauthenticate(proved(mine.sid, { credentialVersion: 7 })))),
    ).toBe('credentials_wrong');
    setting.users.put('ada', { active: false });
    expect(await codeOf(() => issuer.transaction((tx) => tx.reauthenticate(proved(mine.sid))))).toBe(
      'subject_inactive',
    );
    expect(await verdictOf(issuer, mine)).toBe('ok');
  });
});

describe('a subject that changes', () => {
  test('softly denies older tokens, and the response to the change has the new claims', async () => {
    const { issuer, setting } = await scene();
    const [here, there] = [await login(issuer), await login(issuer)];
    const answer = await issuer.transaction(async (tx) => {
      setting.users.put('ada', { claims: { scope: 'read', phone: '+15550100' } });
      await tx.subjectChanged({ sub: 'ada', kind: 'soft', reason: 'phone_changed' });
      return tx.reissue({ sid: here.sid, sub: 'ada' });
    });
    expect(await verdictOf(issuer, here)).toBe('token_revoked');
    expect((await issuer.verify(answer.access_token)).payload).toMatchObject({ phone: '+15550100', sid: here.sid });
    expect(answer).not.toHaveProperty('refresh_token');
    expect(claimsOf(await refresh(issuer, here))).toMatchObject({ phone: '+15550100' });
    expect(claimsOf(await refresh(issuer, there))).toMatchObject({ phone: '+15550100' });
    expect(await codeOf(() => issuer.transaction((tx) => tx.reissue({ sid: here.sid, sub: 'bob' })))).toBe(
      'session_ended',
    );
  });

  test('hard ends all sessions but one, whose older tokens are denied too', async () => {
    const { issuer, setting } = await scene();
    const [kept, other] = [await login(issuer), await login(issuer)];
    const revoked = await issuer.transaction((tx) => {
      setting.users.put('ada', { credentialVersion: 2 });
      return tx.subjectChanged({ sub: 'ada', kind: 'hard', reason: 'second_factor_changed', exceptSid: kept.sid });
    });
    expect(revoked.endedSessions).toBe(1);
    expect(await Promise.all([kept, other].map((answer) => verdictOf(issuer, answer)))).toEqual([
      'token_revoked',
      'token_revoked',
    ]);
    expect(await verdictOf(issuer, await refresh(issuer, kept))).toBe('ok');
    expect(await codeOf(() => refresh(issuer, other))).toBe('grant_invalid');
    expect(eventsOf(issuer)).toHaveLength(1);
  });

  test('ends all sessions when the session to keep is another user’s', async () => {
    const { issuer } = await scene();
    const [ada, bob] = [await login(issuer), await login(issuer, 'bob')];
    await issuer.transaction((tx) =>
      tx.subjectChanged({ sub: 'ada', kind: 'hard', reason: 'suspended', exceptSid: bob.sid }),
    );
    expect(await Promise.all([ada, bob].map((answer) => verdictOf(issuer, answer)))).toEqual(['token_revoked', 'ok']);
    expect(await codeOf(() => refresh(issuer, ada))).toBe('grant_invalid');
    await expect(
      issuer.transaction((tx) => tx.subjectChanged({ sub: 'ada', kind: 'x' as never, reason: 'x' })),
    ).rejects.toThrow(/kind/);
  });
});
