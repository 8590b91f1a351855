import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Issuer, IssuerOptions, TokenAnswer } from '@rescind/issuer';
import { createManualClock, RescindError } from '@rescind/revocation';
import { describe, expect, test } from 'vitest';
import {
  claimsOf,
  codeOf,
  createIssuerSetting,
  eventsOf,
  fileOf,
  login,
  refresh,
  sqlOf,
  verdictOf,
} from './issuer-setting.ts';

const START = 1_800_000_000_123;
const SECOND = 1_000;
const DAY = 86_400 * SECOND;

type Durations = 'refreshGraceMs' | 'refreshRecoveryMs' | 'refreshIdleTtlMs' | 'refreshTokenTtlMs';

/** Without recovery, which has tests of its own. */
async function scene(options: Pick<IssuerOptions, Durations> = {}) {
  const clock = createManualClock(START);
  const setting = createIssuerSetting();
  return { clock, setting, issuer: await setting.open({ clock, refreshRecoveryMs: 0, ...options }) };
}

/** The number of sealed successors in the database. */
function sealedIn(issuer: Issuer): number {
  const count = 'SELECT COUNT(*) FROM rescind_sessions WHERE sealed IS NOT NULL';
  return Number(sqlOf(issuer).prepare(count).pluck().get());
}

describe('rotation', () => {
  test('security 35: returns another token of the same session with the present claims at each use', async () => {
    const { issuer, setting, clock } = await scene();
    const first = await login(issuer);
    setting.users.put('ada', { claims: { scope: 'read', role: 'auditor' } });
    clock.advance(5 * SECOND);
    const second = await refresh(issuer, first);
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect(second).toMatchObject({ sid: first.sid, scope: 'read', token_type: 'Bearer', expires_in: 900 });
    const claims = claimsOf(second);
    expect(claims).toMatchObject({ role: 'auditor', scope: 'read', iat_ms: START + 5 * SECOND });
    expect(claims.auth_time).toBe(claimsOf(first).auth_time);
    expect(claims.jti).not.toBe(claimsOf(first).jti);
  });

  test('security 34: returns opaque tokens of 256 random bits, and stores hashes only', async () => {
    const { issuer, setting } = await scene();
    const first = await login(issuer);
    const tokens = [first, await refresh(issuer, first)].map((answer) => answer.refresh_token);
    sqlOf(issuer).pragma('wal_checkpoint(TRUNCATE)');
    const file = readFileSync(setting.databasePath);
    for (const token of tokens) {
      expect(token).toMatch(/^[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}$/);
      const [, verifier = ''] = token.split('.');
      expect(file.includes(verifier)).toBe(false);
      expect(file.includes(Buffer.from(verifier, 'base64url'))).toBe(false);
    }
    const hash = createHash('sha256').update(tokens[1]?.split('.')[1] ?? '');
    expect(file.includes(hash.digest())).toBe(true);
  });

  test('security 39: refuses another client without ending the session, also for a used token', async () => {
    const { issuer, clock } = await scene();
    const first = await login(issuer);
    const second = await refresh(issuer, first);
    clock.advance(60 * SECOND);
    expect(await codeOf(() => refresh(issuer, first, 'other'))).toBe('grant_invalid');
    expect(await codeOf(() => refresh(issuer, second, 'other'))).toBe('grant_invalid');
    expect(await verdictOf(issuer, await refresh(issuer, second))).toBe('ok');
  });

  test('security 41: refuses part of a token, without an effect on the session', async () => {
    const { issuer } = await scene();
    const answer = await login(issuer);
    const [selector, verifier = ''] = answer.refresh_token.split('.');
    const wrong = `${selector}.${verifier.slice(0, -1)}${verifier.endsWith('A') ? 'B' : 'A'}`;
    for (const refreshToken of [wrong, `${selector}.`, `${selector}`, '', `${answer.refresh_token} `, `x${wrong}`]) {
      expect(await codeOf(() => issuer.refresh({ refreshToken, clientId: 'web' }))).toBe('grant_invalid');
    }
    expect(await verdictOf(issuer, await refresh(issuer, answer))).toBe('ok');
  });

  test('security 39: narrows the scope for one token, and never widens it', async () => {
    const { issuer } = await scene();
    const narrow = await issuer.transaction((tx) =>
      tx.beginSession({
        ...{ sub: 'ada', clientId: 'web', audience: 'prices', credentialVersion: 1 },
        scope: 'read',
      }),
    );
    expect(narrow.scope).toBe('read');
    const ask = (scope: string) => () => issuer.refresh({ refreshToken: narrow.refresh_token, clientId: 'web', scope });
    expect(await codeOf(ask('read write'))).toBe('scope_invalid');
    expect((await ask('read')()).scope).toBe('read');
    expect(
      await codeOf(() =>
        issuer.transaction((tx) =>
          tx.beginSession({ sub: 'ada', clientId: 'web', audience: 'p', credentialVersion: 1, scope: 'admin' }),
        ),
      ),
    ).toBe('scope_invalid');
  });
});

describe('deadlines', () => {
  test('security 38: end a session that is idle too long; each use moves the idle deadline', async () => {
    const { issuer, clock } = await scene({ refreshIdleTtlMs: 10 * SECOND });
    let answer = await login(issuer);
    for (let turn = 0; turn < 3; turn += 1) {
      clock.advance(9 * SECOND);
      answer = await refresh(issuer, answer);
    }
    clock.advance(10 * SECOND);
    expect(await codeOf(() => refresh(issuer, answer))).toBe('grant_invalid');
  });

  test('security 38: never move for the absolute age, and no access token outlives it', async () => {
    const { issuer, clock } = await scene({ refreshTokenTtlMs: 100 * SECOND });
    const first = await login(issuer);
    expect(first.expires_in).toBeLessThanOrEqual(100);
    clock.advance(90 * SECOND);
    const second = await refresh(issuer, first);
    expect(Number(claimsOf(second).exp) * 1000).toBeLessThanOrEqual(START + 100 * SECOND);
    clock.advance(10 * SECOND);
    expect(await codeOf(() => refresh(issuer, second))).toBe('grant_invalid');
  });
});

describe('reuse', () => {
  test('security 35: ends the session with its access tokens, and publishes that', async () => {
    const { issuer, clock } = await scene();
    const first = await login(issuer);
    const second = await refresh(issuer, first);
    const third = await refresh(issuer, second);
    expect(await codeOf(() => refresh(issuer, first))).toBe('grant_reused');
    expect(await Promise.all([first, second, third].map((answer) => verdictOf(issuer, answer)))).toEqual(
      Array(3).fill('token_revoked'),
    );
    expect(await codeOf(() => refresh(issuer, third))).toBe('grant_invalid');
    expect(eventsOf(issuer)).toMatchObject([
      { reason: 'refresh_token_reused', cutOffs: [{ claim: 'sid', value: first.sid }] },
    ]);
    clock.advance(DAY);
    expect(await codeOf(() => refresh(issuer, first))).toBe('grant_invalid');
    expect(issuer.log.snapshot().head).toBe(1);
  });

  test('security 35: is detected for an ancestor, a sibling and a descendant, whichever holder comes first', async () => {
    const { issuer, clock } = await scene();
    for (const who of ['ancestor', 'sibling', 'descendant']) {
      const stolen = await login(issuer);
      const owners = await refresh(issuer, stolen);
      // Within the grace the thief gets the same response: there is one family, never two.
      const thiefs = await refresh(issuer, stolen);
      expect(thiefs.refresh_token).toBe(owners.refresh_token);
      const next = await refresh(issuer, owners);
      clock.advance(11 * SECOND);
      const reused = who === 'ancestor' ? stolen : who === 'sibling' ? thiefs : owners;
      expect(await codeOf(() => refresh(issuer, reused))).toBe('grant_reused');
      for (const dead of [stolen, owners, thiefs, next]) {
        expect(await verdictOf(issuer, dead)).toBe('token_revoked');
        expect(await codeOf(() => refresh(issuer, dead))).toBe('grant_invalid');
      }
    }
  });

  test('is detected for the last token too after the grace', async () => {
    const { issuer, clock } = await scene();
    const first = await login(issuer);
    const second = await refresh(issuer, first);
    clock.advance(10 * SECOND + 1);
    expect(await codeOf(() => refresh(issuer, first))).toBe('grant_reused');
    expect(await codeOf(() => refresh(issuer, second))).toBe('grant_invalid');
  });

  test.each([1, 5 * SECOND, DAY])(
    'is detected %i ms before the first use, by a clock that was set back',
    async (ms) => {
      const { issuer } = await scene();
      const first = await login(issuer);
      const second = await refresh(issuer, first);
      fileOf(issuer)
        .prepare('UPDATE rescind_sessions SET rotated_at = rotated_at + ? WHERE sid = ?')
        .run(ms, first.sid);
      expect(await codeOf(() => refresh(issuer, first))).toBe('grant_reused');
      expect(await verdictOf(issuer, second)).toBe('token_revoked');
    },
  );

  test('is detected while the clocks differ and nothing can be minted', async () => {
    const { issuer, clock } = await scene();
    const first = await login(issuer);
    await refresh(issuer, await refresh(issuer, first));
    clock.setWall(START + DAY);
    expect(await codeOf(() => login(issuer))).toBe('clock_parted');
    expect(await codeOf(() => refresh(issuer, first))).toBe('grant_reused');
  });
});

describe('grace: a client that lost the response can request it again', () => {
  test('security 42: returns the same successor until it is used, and then deletes the sealed copy', async () => {
    const { issuer, clock } = await scene();
    const first = await login(issuer);
    const second = await refresh(issuer, first);
    expect(sealedIn(issuer)).toBe(1);
    clock.advance(10 * SECOND);
    const again = await refresh(issuer, first);
    expect(again.refresh_token).toBe(second.refresh_token);
    expect(again.access_token).not.toBe(second.access_token);
    await refresh(issuer, second);
    expect(sealedIn(issuer)).toBe(1);
    expect(await codeOf(() => refresh(issuer, first))).toBe('grant_reused');
  });

  test('security 37: counts from the first use, so that no request extends it', async () => {
    const { issuer, clock } = await scene();
    const first = await login(issuer);
    await refresh(issuer, first);
    clock.advance(8 * SECOND);
    await refresh(issuer, first);
    clock.advance(8 * SECOND);
    expect(await codeOf(() => refresh(issuer, first))).toBe('grant_reused');
  });

  test('security 37: is off with 0, and seals nothing', async () => {
    const { issuer } = await scene({ refreshGraceMs: 0 });
    const first = await login(issuer);
    await refresh(issuer, first);
    expect(sealedIn(issuer)).toBe(0);
    expect(await codeOf(() => refresh(issuer, first))).toBe('grant_reused');
  });

  test('security 37: ends with the absolute age', async () => {
    const { issuer, clock } = await scene({ refreshTokenTtlMs: 100 * SECOND });
    const first = await login(issuer);
    clock.advance(95 * SECOND);
    await refresh(issuer, first);
    clock.advance(6 * SECOND);
    expect(await codeOf(() => refresh(issuer, first))).toBe('grant_invalid');
  });

  test('security 36: returns one successor to 50 parallel uses of one token', async () => {
    const { issuer } = await scene();
    const first = await login(issuer);
    const answers = await Promise.all(Array.from({ length: 50 }, async () => refresh(issuer, first)));
    expect(new Set(answers.map((answer) => answer.refresh_token)).size).toBe(1);
    expect(sqlOf(issuer).prepare('SELECT COUNT(*) FROM rescind_spent').pluck().get()).toBe(1);
    expect(await Promise.all(answers.map((answer) => verdictOf(issuer, answer)))).toEqual(answers.map(() => 'ok'));
  });

  test('security 36: lets one of 50 parallel uses succeed without grace, and ends the session', async () => {
    const { issuer } = await scene({ refreshGraceMs: 0 });
    const first = await login(issuer);
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, async () => refresh(issuer, first)));
    const winners = outcomes.filter(
      (outcome): outcome is PromiseFulfilledResult<TokenAnswer> => outcome.status === 'fulfilled',
    );
    expect(winners).toHaveLength(1);
    expect(await Promise.all(winners.map(({ value }) => verdictOf(issuer, value)))).toEqual(['token_revoked']);
    expect(issuer.log.snapshot().head).toBe(1);
  });
});

describe('recovery: a client that lost the response can request it again after the grace', () => {
  const HOUR = 3_600 * SECOND;
  const recoverable = () => scene({ refreshRecoveryMs: 24 * HOUR });

  test('security 37: returns the same successor during the recovery time, while it is unused', async () => {
    const { issuer, clock } = await recoverable();
    const first = await login(issuer);
    const second = await refresh(issuer, first);
    clock.advance(HOUR);
    const recovered: unknown[] = [];
    const request = { refreshToken: first.refresh_token, clientId: 'web' };
    const again = await issuer.refresh({ ...request, onRecovered: (session) => void recovered.push(session) });
    expect(again.refresh_token).toBe(second.refresh_token);
    expect(again.access_token).not.toBe(second.access_token);
    expect(recovered).toEqual([{ sid: first.sid, sub: 'ada', clientId: 'web', address: null }]);
    clock.advance(22 * HOUR);
    expect((await refresh(issuer, first)).refresh_token).toBe(second.refresh_token);
    expect(await verdictOf(issuer, await refresh(issuer, again))).toBe('ok');
  });

  test('ends with the first use of the successor: an earlier token is then a reuse', async () => {
    const { issuer, clock } = await recoverable();
    const first = await login(issuer);
    const second = await refresh(issuer, first);
    const third = await refresh(issuer, second);
    clock.advance(60 * SECOND);
    expect(await codeOf(() => refresh(issuer, first))).toBe('grant_reused');
    expect(await verdictOf(issuer, third)).toBe('token_revoked');
  });

  test('security 37: counts from the first use, so that no recovery extends it', async () => {
    const { issuer, clock } = await recoverable();
    const first = await login(issuer);
    await refresh(issuer, first);
    for (let hour = 0; hour < 24; hour += 1) {
      clock.advance(HOUR);
      await refresh(issuer, first);
    }
    clock.advance(1);
    expect(await codeOf(() => refresh(issuer, first))).toBe('grant_reused');
  });

  test('security 37: ends with the idle and the absolute deadline', async () => {
    const { issuer, clock } = await scene({ refreshRecoveryMs: 24 * HOUR, refreshTokenTtlMs: 2 * HOUR });
    const first = await login(issuer);
    await refresh(issuer, first);
    clock.advance(3 * HOUR);
    expect(await codeOf(() => refresh(issuer, first))).toBe('grant_invalid');
    const idle = await scene({ refreshRecoveryMs: 24 * HOUR, refreshIdleTtlMs: 2 * HOUR });
    const session = await login(idle.issuer);
    await refresh(idle.issuer, session);
    idle.clock.advance(3 * HOUR);
    expect(await codeOf(() => refresh(idle.issuer, session))).toBe('grant_invalid');
  });

  test('is off for a token that an authentication replaced', async () => {
    const { issuer, clock } = await recoverable();
    const first = await login(issuer);
    const proof = { sid: first.sid, sub: 'ada', credentialVersion: 1, amr: ['pwd'] };
    await issuer.transaction((tx) => tx.reauthenticate(proof));
    clock.advance(HOUR);
    expect(await codeOf(() => refresh(issuer, first))).toBe('grant_reused');
  });

  test('is off with 0, and with a grace of 0', async () => {
    for (const options of [{ refreshRecoveryMs: 0 }, { refreshRecoveryMs: 24 * HOUR, refreshGraceMs: 0 }]) {
      const { issuer, clock } = await scene(options);
      const first = await login(issuer);
      await refresh(issuer, first);
      clock.advance(HOUR);
      expect(await codeOf(() => refresh(issuer, first))).toBe('grant_reused');
    }
  });

  test('returns nothing for a session that has ended', async () => {
    const { issuer, clock } = await recoverable();
    const first = await login(issuer);
    await refresh(issuer, first);
    clock.advance(HOUR);
    await issuer.transaction((tx) => tx.endSession({ sid: first.sid, reason: 'logout' }));
    expect(await codeOf(() => refresh(issuer, first))).toBe('grant_invalid');
  });

  test('reveals an attacker’s use of the successor at the second use of the owner', async () => {
    const { issuer, clock } = await recoverable();
    const stolen = await login(issuer);
    const owners = await refresh(issuer, stolen);
    clock.advance(60 * SECOND);
    const thiefs = await refresh(issuer, stolen);
    const next = await refresh(issuer, await refresh(issuer, thiefs));
    clock.advance(60 * SECOND);
    expect(await codeOf(() => refresh(issuer, owners))).toBe('grant_reused');
    expect(await verdictOf(issuer, next)).toBe('token_revoked');
  });
});

describe('the subject is read again', () => {
  test('security 40: refuses after a logout or a change of the password', async () => {
    const { issuer, setting } = await scene();
    const [here, there] = [await login(issuer), await login(issuer)];
    await issuer.transaction((tx) => tx.endSession({ sid: here.sid, reason: 'logout' }));
    expect(await codeOf(() => refresh(issuer, here))).toBe('grant_invalid');
    await issuer.transaction(async (tx) => {
      setting.users.put('ada', { credentialVersion: 2 });
      await tx.endAllSessions({ sub: 'ada', reason: 'password_changed' });
    });
    expect(await codeOf(() => refresh(issuer, there))).toBe('grant_invalid');
  });

  test('refuses login and refresh of a suspended subject, with the reason only after authentication', async () => {
    const { issuer, setting } = await scene();
    const answer = await login(issuer);
    setting.users.put('ada', { active: false, reason: 'suspended' });
    await expect(login(issuer)).rejects.toThrow(
      expect.objectContaining({ code: 'subject_inactive', detail: 'suspended' }),
    );
    await expect(refresh(issuer, answer)).rejects.toMatchObject({ code: 'grant_suspended', detail: 'suspended' });
    setting.users.put('ada', { active: true });
    expect(await verdictOf(issuer, await refresh(issuer, answer))).toBe('ok');
  });

  test('refuses a deleted subject, and one whose password has changed', async () => {
    const { issuer, setting } = await scene();
    const answer = await login(issuer);
    setting.users.put('ada', { credentialVersion: 2 });
    expect(await codeOf(() => login(issuer))).toBe('credentials_wrong');
    expect(await codeOf(() => refresh(issuer, answer))).toBe('grant_invalid');
    expect(await verdictOf(issuer, await login(issuer, 'ada', { credentialVersion: 2 }))).toBe('ok');
    setting.users.delete('ada');
    expect(await codeOf(() => login(issuer))).toBe('credentials_wrong');
  });

  test('continues the session that a change of the password keeps', async () => {
    const { issuer, setting } = await scene();
    const [kept, other] = [await login(issuer), await login(issuer)];
    await issuer.transaction(async (tx) => {
      setting.users.put('ada', { credentialVersion: 2 });
      await tx.endAllSessions({ sub: 'ada', exceptSid: kept.sid, reason: 'password_changed' });
    });
    expect(await verdictOf(issuer, await refresh(issuer, kept))).toBe('ok');
    expect(await codeOf(() => refresh(issuer, other))).toBe('grant_invalid');
  });

  test('throws a TypeError and mints nothing when the host returns claims reserved for the issuer', async () => {
    const { issuer, setting } = await scene();
    setting.users.put('ada', { claims: { sid: 'mine', exp: 4_000_000_000 } });
    await expect(login(issuer)).rejects.toThrow(/sid, exp/);
    setting.users.put('ada', { claims: { scope: 'read', blob: 'x'.repeat(9_000) } });
    await expect(login(issuer)).rejects.toThrow(/bytes/);
    expect(sqlOf(issuer).prepare('SELECT COUNT(*) FROM rescind_sessions').pluck().get()).toBe(0);
  });
});

test('rolls the transaction back at an error of the host', async () => {
  const { issuer } = await scene();
  const answer = await login(issuer);
  const failing = issuer.transaction(async (tx) => {
    await tx.endSession({ sid: answer.sid, reason: 'logout' });
    throw new RescindError('busy');
  });
  await expect(failing).rejects.toMatchObject({ code: 'busy' });
  expect(await verdictOf(issuer, answer)).toBe('ok');
});
