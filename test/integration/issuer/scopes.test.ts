import type { CutOffRequest, Issuer } from '@rescind/issuer';
import { createManualClock } from '@rescind/revocation';
import { NEVER, NO_SESSION, UNBOUNDED } from '@rescind/revocation/cut-off';
import { describe, expect, test } from 'vitest';
import {
  claimsOf,
  codeOf,
  createIssuerSetting,
  eventsOf,
  ISSUER,
  login,
  refresh,
  verdictOf,
} from './issuer-setting.ts';

const START = 1_800_000_000_123;

async function scene(): Promise<{ issuer: Issuer; clock: ReturnType<typeof createManualClock> }> {
  const clock = createManualClock(START);
  const setting = createIssuerSetting();
  setting.users.put('ada', { claims: { scope: 'read write', tenant: 'north' } });
  setting.users.put('bob', { claims: { scope: 'read', tenant: 'south' } });
  return { issuer: await setting.open({ clock }), clock };
}

describe('a cut-off of each scope denies its tokens only', () => {
  test('jti: denies one token; its session continues', async () => {
    const { issuer } = await scene();
    const first = await login(issuer);
    const second = await refresh(issuer, first);
    await issuer.transaction((tx) => tx.revokeToken({ token: first.access_token, clientId: 'web' }));
    expect(await verdictOf(issuer, first)).toBe('token_revoked');
    expect(await verdictOf(issuer, second)).toBe('ok');
    expect(await verdictOf(issuer, await refresh(issuer, second))).toBe('ok');
    const [event] = eventsOf(issuer);
    expect(event?.cutOffs).toMatchObject([
      { claim: 'jti', value: claimsOf(first).jti, issuedUntil: UNBOUNDED, sessionUntil: NO_SESSION },
    ]);
    expect(event?.cutOffs[0]?.expiresAt).toBe(Number(claimsOf(first).exp) * 1000);
  });

  test('sid: ends one session with its refresh token', async () => {
    const { issuer } = await scene();
    const phone = await login(issuer);
    const laptop = await login(issuer);
    await issuer.transaction((tx) => tx.endSession({ sid: phone.sid, reason: 'logout' }));
    expect(await verdictOf(issuer, phone)).toBe('token_revoked');
    expect(await codeOf(() => refresh(issuer, phone))).toBe('grant_invalid');
    expect(await verdictOf(issuer, laptop)).toBe('ok');
    const [event] = eventsOf(issuer);
    expect(event).toMatchObject({ reason: 'logout', seq: 1, prev: null });
    expect(event?.type).toMatch(/caep.*session-revoked$/);
    expect(event?.cutOffs).toMatchObject([
      { claim: 'sid', value: phone.sid, issuedUntil: UNBOUNDED, sessionUntil: UNBOUNDED },
    ]);
  });

  test('sub, hard: ends every session of one user', async () => {
    const { issuer } = await scene();
    const [phone, laptop, bob] = [await login(issuer), await login(issuer), await login(issuer, 'bob')];
    await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
    expect(await Promise.all([phone, laptop, bob].map((answer) => verdictOf(issuer, answer)))).toEqual([
      'token_revoked',
      'token_revoked',
      'ok',
    ]);
    expect(await codeOf(() => refresh(issuer, phone))).toBe('grant_invalid');
    expect(await verdictOf(issuer, await login(issuer))).toBe('ok');
  });

  test('sub, soft: denies old tokens, and a refresh returns the new claims', async () => {
    const { issuer } = await scene();
    const before = await login(issuer);
    await issuer.transaction((tx) =>
      tx.revoke({ claim: 'sub', value: 'ada', reason: 'roles_changed', endsSession: false }),
    );
    expect(await verdictOf(issuer, before)).toBe('token_revoked');
    expect(await verdictOf(issuer, await refresh(issuer, before))).toBe('ok');
    expect(eventsOf(issuer)[0]?.type).toMatch(/user-tokens-revoked$/);
  });

  test('denies all sessions but one by many sids in one event', async () => {
    const { issuer } = await scene();
    const kept = await login(issuer);
    const others = await Promise.all(Array.from({ length: 20 }, () => login(issuer)));
    await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', exceptSid: kept.sid, reason: 'logout_others' }));
    expect(await Promise.all(others.map((answer) => verdictOf(issuer, answer)))).toEqual(
      others.map(() => 'token_revoked'),
    );
    expect(await verdictOf(issuer, kept)).toBe('ok');
    expect(await verdictOf(issuer, await refresh(issuer, kept))).toBe('ok');
    expect(eventsOf(issuer)).toHaveLength(1);
    expect(eventsOf(issuer)[0]?.cutOffs).toHaveLength(20);
    expect(
      await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', exceptSid: kept.sid, reason: 'logout_others' })),
    ).toBeUndefined();
  });

  test('splits more sids than fit into one event into several events of one revocation', async () => {
    const { issuer } = await scene();
    const cutOffs = Array.from({ length: 900 }, (_, index) => ({
      claim: 'sid',
      value: `${'s'.repeat(60)}${index}`,
      reason: 'logout_others',
    }));
    const record = await issuer.transaction((tx) => tx.revoke(cutOffs));
    const events = eventsOf(issuer);
    expect(events.length).toBeGreaterThan(1);
    expect(events.flatMap((event) => event.cutOffs)).toHaveLength(900);
    expect(new Set(events.map(({ txn }) => txn))).toEqual(new Set([record.txn]));
    expect(record.seq).toBe(events.length);
  });

  test('client_id: ends every session of one application', async () => {
    const { issuer } = await scene();
    const web = await login(issuer);
    const app = await login(issuer, 'ada', { clientId: 'app' });
    await issuer.transaction((tx) => tx.revoke({ claim: 'client_id', value: 'web', reason: 'client_revoked' }));
    expect(await verdictOf(issuer, web)).toBe('token_revoked');
    expect(await codeOf(() => refresh(issuer, web))).toBe('grant_invalid');
    expect(await verdictOf(issuer, await refresh(issuer, app, 'app'))).toBe('ok');
  });

  test('kid: removes the key at once, another signs, and sessions continue', async () => {
    const { issuer } = await scene();
    const before = await login(issuer);
    const [old] = issuer.jwks().keys;
    await issuer.transaction((tx) => tx.revoke({ claim: 'kid', value: String(old?.kid), reason: 'key_compromised' }));
    const kids = issuer.jwks().keys.map(({ kid }) => kid);
    expect(kids).toHaveLength(1);
    expect(kids).not.toContain(old?.kid);
    expect(await verdictOf(issuer, before)).toBe('token_key_unknown');
    expect(await verdictOf(issuer, await refresh(issuer, before))).toBe('ok');
    expect(eventsOf(issuer)[0]?.cutOffs).toMatchObject([{ claim: 'kid', value: old?.kid, expiresAt: NEVER }]);
  });

  test('iss: denies all tokens of the issuer; new logins work at once', async () => {
    const { issuer } = await scene();
    const before = [await login(issuer), await login(issuer, 'bob')];
    await issuer.transaction((tx) => tx.revoke({ claim: 'iss', value: ISSUER, reason: 'emergency' }));
    expect(await Promise.all(before.map((answer) => verdictOf(issuer, answer)))).toEqual([
      'token_revoked',
      'token_revoked',
    ]);
    expect(await Promise.all(before.map((answer) => codeOf(() => refresh(issuer, answer))))).toEqual([
      'grant_invalid',
      'grant_invalid',
    ]);
    expect(await verdictOf(issuer, await login(issuer))).toBe('ok');
  });

  test('any other claim: denies its tokens, and sessions continue', async () => {
    const { issuer } = await scene();
    const [north, south] = [await login(issuer), await login(issuer, 'bob')];
    await issuer.transaction((tx) => tx.revoke({ claim: 'tenant', value: 'north', reason: 'tenant_moved' }));
    expect(await verdictOf(issuer, north)).toBe('token_revoked');
    expect(await verdictOf(issuer, south)).toBe('ok');
    expect(await verdictOf(issuer, await refresh(issuer, north))).toBe('ok');
  });

  test('sets E to the greatest exp ever minted, whatever the present settings are', async () => {
    const clock = createManualClock(START);
    const setting = createIssuerSetting();
    const generous = await setting.open({ clock, accessTokenTtlMs: 3_600_000 });
    const long = await login(generous);
    await generous.close();
    const strict = await setting.open({ clock, accessTokenTtlMs: 1_000 });
    await login(strict);
    await strict.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
    expect(eventsOf(strict)[0]?.cutOffs[0]?.expiresAt).toBe(Number(claimsOf(long).exp) * 1000);
  });

  test('another issuer of this log: writes its own rows, and denies no token of this issuer', async () => {
    const { issuer } = await scene();
    const ours = await login(issuer);
    const other = 'https://other.example';
    await issuer.transaction((tx) =>
      tx.revoke({ issuer: other, claim: 'sub', value: 'ada', reason: 'logout', expiresAt: START + 60_000 }),
    );
    expect(await verdictOf(issuer, ours)).toBe('ok');
    expect(eventsOf(issuer, [other])[0]?.cutOffs).toMatchObject([{ iss: other, claim: 'sub', value: 'ada' }]);
  });
});

describe('an invalid request is refused with the accepted values, and changes nothing', () => {
  const mistakes: [string, CutOffRequest | CutOffRequest[], RegExp][] = [
    ['no cut-off', [], /one reason/],
    [
      'two reasons',
      [
        { claim: 'sid', value: 'a', reason: 'x' },
        { claim: 'sid', value: 'b', reason: 'y' },
      ],
      /one reason/,
    ],
    ['a sentence for a reason', { claim: 'sid', value: 'a', reason: 'Logged out!' }, /reason/],
    ['no value', { claim: 'sub', value: '', reason: 'x' }, /value/],
    ['a soft sid', { claim: 'sid', value: 'a', reason: 'x', endsSession: false }, /sid/],
    ['a tenant that ends sessions', { claim: 'tenant', value: 'a', reason: 'x', endsSession: true }, /endsSession/],
    ['somebody else’s iss', { claim: 'iss', value: 'https://x.example', reason: 'x' }, /issuer/],
    ['no E for another issuer', { claim: 'sub', value: 'a', issuer: 'https://x.example', reason: 'x' }, /expiresAt/],
    ['an E that is no time', { claim: 'jti', value: 'a', reason: 'x', expiresAt: Number.NaN }, /expiresAt/],
  ];
  test.each(mistakes)('%s', async (_, cutOffs, message) => {
    const { issuer } = await scene();
    await expect(issuer.transaction((tx) => tx.revoke(cutOffs))).rejects.toThrow(TypeError);
    await expect(issuer.transaction((tx) => tx.revoke(cutOffs))).rejects.toThrow(message);
    expect(issuer.log.snapshot().head).toBe(0);
  });
});

describe('RFC 7009', () => {
  test('writes no revocation for a token that no reader accepts', async () => {
    const { issuer, clock } = await scene();
    const expired = await login(issuer);
    clock.advance(15 * 60_000 + 60_000);
    for (const token of ['', 'x', 'a.b.c', 'a.b', 'Zm9v.YmFy', expired.access_token, `${expired.access_token}x`]) {
      expect(await issuer.transaction((tx) => tx.revokeToken({ token, clientId: 'web' }))).toBeUndefined();
    }
    expect(issuer.log.snapshot().head).toBe(0);
  });

  test('revokes a token that lenient readers may still accept', async () => {
    const { issuer, clock } = await scene();
    const answer = await login(issuer);
    clock.advance(15 * 60_000 + 30_000);
    expect(
      await issuer.transaction((tx) => tx.revokeToken({ token: answer.access_token, clientId: 'web' })),
    ).toMatchObject({ seq: 1 });
  });

  test('ends the session of a refresh token, and accepts a repetition', async () => {
    const { issuer } = await scene();
    const answer = await login(issuer);
    expect(
      await issuer.transaction((tx) => tx.revokeToken({ token: answer.refresh_token, clientId: 'web' })),
    ).toMatchObject({ seq: 1 });
    expect(await verdictOf(issuer, answer)).toBe('token_revoked');
    expect(
      await issuer.transaction((tx) => tx.revokeToken({ token: answer.refresh_token, clientId: 'web' })),
    ).toBeUndefined();
    expect(
      await issuer.transaction((tx) => tx.revokeToken({ token: answer.access_token, clientId: 'web' })),
    ).toMatchObject({ seq: 2 });
    expect(
      await issuer.transaction((tx) => tx.revokeToken({ token: answer.access_token, clientId: 'web' })),
    ).toBeUndefined();
  });

  test('refuses to revoke a token of another client', async () => {
    const { issuer } = await scene();
    const answer = await login(issuer);
    for (const token of [answer.access_token, answer.refresh_token]) {
      await expect(issuer.transaction((tx) => tx.revokeToken({ token, clientId: 'other' }))).rejects.toMatchObject({
        code: 'grant_invalid',
      });
    }
    expect(await verdictOf(issuer, answer)).toBe('ok');
    expect(await verdictOf(issuer, await refresh(issuer, answer))).toBe('ok');
  });
});
