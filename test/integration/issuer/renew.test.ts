import type { AccessAnswer, BeginSession, Issuer } from '@rescind/issuer';
import { createManualClock } from '@rescind/revocation';
import { describe, expect, test } from 'vitest';
import { codeOf, createIssuerSetting, eventsOf, fileOf, login, payloadOf, refresh, sqlOf } from './issuer-setting.ts';

const START = 1_800_000_000_000;
const SECOND = 1_000;
const LIFE = 900 * SECOND;

async function scene(policy: NonNullable<BeginSession['policy']> = {}) {
  const clock = createManualClock(START);
  const setting = createIssuerSetting();
  const issuer = await setting.open({ clock });
  await issuer.transaction((tx) =>
    tx.clients.put({
      clientId: 'app',
      name: 'App',
      authMethod: 'none',
      policy: { renewByToken: true, ...policy },
    }),
  );
  const begin = () => login(issuer, 'ada', { clientId: 'app' });
  const renew = (answer: AccessAnswer, more: object = {}) =>
    issuer.renew({ accessToken: answer.access_token, clientId: 'app', ...more });
  return { clock, setting, issuer, begin, renew };
}

const asked = (issuer: Issuer, answer: AccessAnswer) => codeOf(() => issuer.verify(answer.access_token));

describe('renewal by token', () => {
  test('returns the same token in the first half of its life', async () => {
    const { clock, begin, renew, issuer } = await scene();
    const first = await begin();
    clock.advance(LIFE / 2 - 1);
    const early = await renew(first);
    expect(early).toMatchObject({ renewed: false, access_token: first.access_token, expires_in: 450, refresh_in: 1 });
    expect(early).toMatchObject({ scope: 'read write', sid: first.sid, token_type: 'Bearer' });
    clock.advance(1);
    const late = await renew(first);
    expect(late).toMatchObject({ renewed: true, expires_in: 900, refresh_in: 450, sid: first.sid });
    expect(late.access_token).not.toBe(first.access_token);
    expect(late).not.toHaveProperty('refresh_token');
    expect(await asked(issuer, late)).toBeUndefined();
  });

  test('renews each token once; a repeated request returns a token with the same jti and exp', async () => {
    const { clock, begin, renew, issuer } = await scene();
    const first = await begin();
    clock.advance(LIFE / 2);
    const second = await renew(first);
    clock.advance(10 * SECOND);
    const again = await renew(first);
    const [a, b] = [payloadOf(second.access_token), payloadOf(again.access_token)];
    expect([b.jti, b.exp]).toEqual([a.jti, a.exp]);
    clock.advance(LIFE / 2);
    const third = await renew(again);
    // Both texts have the same jti, so either counts as used.
    expect((await renew(second)).access_token).toEqual(expect.any(String));
    clock.advance(11 * SECOND);
    expect(await codeOf(() => renew(second))).toBe('grant_reused');
    expect(await asked(issuer, third)).toBe('token_revoked');
    expect(eventsOf(issuer)).toMatchObject([
      { reason: 'access_token_reused', cutOffs: [{ claim: 'sid', value: first.sid }] },
    ]);
  });

  test('security 36: returns one successor to 50 parallel renewals', async () => {
    const { clock, begin, renew, issuer } = await scene();
    const first = await begin();
    clock.advance(LIFE / 2);
    const answers = await Promise.all(Array.from({ length: 50 }, () => renew(first)));
    expect(new Set(answers.map((answer) => payloadOf(answer.access_token).jti)).size).toBe(1);
    expect(sqlOf(issuer).prepare('SELECT COUNT(*) FROM rescind_spent').pluck().get()).toBe(1);
  });

  test('ends the session at a reuse after the grace, or without one', async () => {
    const { clock, begin, renew } = await scene({ refreshGraceMs: 0 });
    const first = await begin();
    clock.advance(LIFE / 2);
    await renew(first);
    expect(await codeOf(() => renew(first))).toBe('grant_reused');
    expect(await codeOf(() => renew(first))).toBe('grant_invalid');
  });

  test.each([1, 5 * SECOND, LIFE])('ends the session at a use %i ms before the first use', async (ms) => {
    const { clock, begin, renew, issuer } = await scene();
    const first = await begin();
    clock.advance(LIFE / 2);
    const second = await renew(first);
    // A use at the time of the first use is a retry.
    expect((await renew(first)).renewed).toBe(true);
    fileOf(issuer).prepare('UPDATE rescind_sessions SET renewed_at = renewed_at + ? WHERE sid = ?').run(ms, first.sid);
    expect(await codeOf(() => renew(first))).toBe('grant_reused');
    expect(await asked(issuer, second)).toBe('token_revoked');
  });

  test('renews the newest token of a session only', async () => {
    const { clock, begin, renew, issuer } = await scene();
    const first = await begin();
    clock.advance(LIFE / 2);
    const refreshed = await refresh(issuer, first, 'app');
    expect(await codeOf(() => renew(first))).toBe('grant_invalid');
    clock.advance(LIFE / 2 - SECOND);
    expect(await asked(issuer, first)).toBeUndefined();
    clock.advance(SECOND);
    expect((await renew(refreshed)).renewed).toBe(true);
  });

  test('moves the idle deadline, and never passes the absolute age', async () => {
    const { clock, begin, renew } = await scene({ refreshTokenTtlMs: 2 * LIFE, refreshIdleTtlMs: LIFE });
    let answer: AccessAnswer = await begin();
    for (let turn = 0; turn < 3; turn += 1) {
      clock.advance(LIFE / 2);
      answer = await renew(answer);
    }
    expect(answer.expires_in).toBe(450);
    expect(payloadOf(answer.access_token).exp).toBe((START + 2 * LIFE) / 1000);
    clock.advance(LIFE / 2);
    expect(await codeOf(() => renew(answer))).toBe('grant_invalid');
  });

  test('renews at once with the new claims after a soft cut-off, and refuses after a hard one', async () => {
    const { begin, renew, setting, issuer } = await scene();
    const first = await begin();
    setting.users.put('ada', { claims: { scope: 'read', role: 'auditor' } });
    await issuer.transaction((tx) => tx.subjectChanged({ sub: 'ada', kind: 'soft', reason: 'roles_changed' }));
    expect(await asked(issuer, first)).toBe('token_revoked');
    const second = await renew(first);
    expect(payloadOf(second.access_token)).toMatchObject({ role: 'auditor', scope: 'read' });
    expect(await asked(issuer, second)).toBeUndefined();
    await issuer.transaction((tx) => tx.subjectChanged({ sub: 'ada', kind: 'hard', reason: 'suspended' }));
    expect(await codeOf(() => renew(second))).toBe('grant_invalid');
  });

  test('refuses a token that was revoked alone', async () => {
    const { clock, begin, renew, issuer } = await scene();
    const first = await begin();
    clock.advance(LIFE / 2);
    await issuer.transaction((tx) => tx.revokeToken({ token: first.access_token, clientId: 'app' }));
    expect(await codeOf(() => renew(first))).toBe('grant_invalid');
    await issuer.transaction((tx) => tx.subjectChanged({ sub: 'ada', kind: 'soft', reason: 'roles_changed' }));
    expect(await codeOf(() => renew(first))).toBe('grant_invalid');
  });

  test('never widens the scope', async () => {
    const { clock, begin, renew } = await scene();
    const first = await begin();
    clock.advance(LIFE / 2);
    const narrow = await renew(first, { scope: 'read' });
    expect(narrow.scope).toBe('read');
    clock.advance(LIFE / 2);
    expect(await codeOf(() => renew(narrow, { scope: 'read write' }))).toBe('scope_invalid');
    expect((await renew(narrow)).scope).toBe('read');
  });

  test('is off by default, and refuses tokens of another client', async () => {
    const { clock, issuer, begin, renew } = await scene();
    const [web, app] = [await login(issuer), await begin()];
    clock.advance(LIFE / 2);
    expect(await codeOf(() => issuer.renew({ accessToken: web.access_token, clientId: 'web' }))).toBe(
      'grant_unsupported',
    );
    expect(await codeOf(() => issuer.renew({ accessToken: app.access_token, clientId: 'web' }))).toBe('grant_invalid');
    expect((await renew(app)).renewed).toBe(true);
  });

  test('refuses a suspended subject, a required login, an expired and a missing token, as a refresh does', async () => {
    const { clock, issuer, setting, begin, renew } = await scene();
    const first = await begin();
    clock.advance(LIFE / 2);
    setting.users.put('ada', { active: false, reason: 'banned' });
    await expect(renew(first)).rejects.toMatchObject({ code: 'grant_suspended', detail: 'banned' });
    setting.users.put('ada', { active: true });
    await issuer.transaction((tx) => tx.requireReauthentication({ sid: first.sid, reason: 'risk' }));
    await expect(renew(first)).rejects.toMatchObject({ code: 'reauthentication_required', detail: 'risk' });
    for (const accessToken of ['', 'x.y.z', first.refresh_token, `${first.access_token}x`]) {
      expect(await codeOf(() => issuer.renew({ accessToken, clientId: 'app' }))).toBe('grant_invalid');
    }
    clock.advance(LIFE / 2);
    expect(await codeOf(() => renew(first))).toBe('grant_invalid');
  });
});
