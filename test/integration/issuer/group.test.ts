import { describe, expect, test } from 'vitest';
import { codeOf, createIssuerSetting, fileOf, login, refresh, verdictOf } from './issuer-setting.ts';

describe('concurrent refreshes', () => {
  test('succeed or fail independently of each other', async () => {
    const setting = createIssuerSetting();
    const issuer = await setting.open({ refreshGraceMs: 0 });
    const [one, reused, wide, other] = [
      await login(issuer),
      await login(issuer),
      await login(issuer),
      await login(issuer),
    ];
    await refresh(issuer, reused);
    const outcomes = await Promise.all([
      codeOf(() => refresh(issuer, one)),
      codeOf(() => refresh(issuer, reused)),
      codeOf(() => issuer.refresh({ refreshToken: wide.refresh_token, clientId: 'web', scope: 'admin' })),
      codeOf(() => issuer.refresh({ refreshToken: 'nobody’s', clientId: 'web' })),
      codeOf(() => refresh(issuer, other)),
    ]);
    expect(outcomes).toEqual([undefined, 'grant_reused', 'scope_invalid', 'grant_invalid', undefined]);
    expect(await Promise.all([one, reused, wide, other].map((answer) => verdictOf(issuer, answer)))).toEqual([
      ...['ok', 'token_revoked', 'ok', 'ok'],
    ]);
    expect((await refresh(issuer, wide)).sid).toBe(wide.sid);
    expect(await codeOf(() => refresh(issuer, one))).toBe('grant_reused');
  });

  test('fail alone when the function of the host fails', async () => {
    const setting = createIssuerSetting();
    const issuer = await setting.open({
      subject: (_from, sub) => {
        if (sub === 'broken') throw new Error('no such column');
        return setting.users.get(sub);
      },
    });
    setting.users.put('bob');
    const bob = await login(issuer, 'bob');
    fileOf(issuer).prepare("UPDATE rescind_sessions SET sub = 'broken' WHERE sid = ?").run(bob.sid);
    const ada = await login(issuer);
    const [broken, good] = await Promise.allSettled([refresh(issuer, bob), refresh(issuer, ada)]);
    expect(broken).toMatchObject({ status: 'rejected', reason: { message: 'no such column' } });
    expect(good.status).toBe('fulfilled');
  });

  test('are all answered when they exceed one transaction, and none after the end', async () => {
    const issuer = await createIssuerSetting().open();
    const all = await Promise.all(Array.from({ length: 150 }, () => login(issuer)));
    const answers = await Promise.all(all.map((answer) => refresh(issuer, answer)));
    expect(new Set(answers.map(({ sid }) => sid)).size).toBe(150);
    const waiting = answers.map((answer) => codeOf(() => refresh(issuer, answer)));
    await issuer.close();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['stopping']));
  });
});

describe('the work of a transaction', () => {
  test('is rolled back when it does not await its calls', async () => {
    const issuer = await createIssuerSetting().open();
    const answer = await login(issuer);
    const hasty = issuer.transaction((tx) => {
      tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' });
    });
    await expect(hasty).rejects.toThrow('await each call of the transaction');
    expect(issuer.log.snapshot().head).toBe(0);
    expect((await issuer.sessions.find(answer.sid))?.endedAt).toBeNull();
    expect(await verdictOf(issuer, answer)).toBe('ok');
  });

  test('gets an error and writes nothing when it calls after its end', async () => {
    const issuer = await createIssuerSetting().open();
    const { sid } = await login(issuer);
    const late: (() => unknown)[] = [];
    await issuer.transaction((tx) => void late.push(() => tx.endSession({ sid, reason: 'logout' })));
    for (const call of late) await expect(async () => call()).rejects.toThrow('the transaction is over');
    expect((await issuer.sessions.find(sid))?.endedAt).toBeNull();
  });
});
