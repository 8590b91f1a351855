import { openIssuer } from '@rescind/issuer';
import { memoryStore, openTestIssuer } from '@rescind/issuer/testing';
import { silentTelemetry } from '@rescind/revocation';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';

const ada = { sub: 'ada', clientId: 'web', audience: 'shop', credentialVersion: 1 };

describe('an issuer in memory', () => {
  test('logs in, refreshes once, and ends the session at a reuse', async () => {
    await using kit = await openTestIssuer({ refreshGraceMs: 0 });
    const { issuer } = kit;
    const first = await issuer.transaction((tx) => tx.beginSession(ada));
    const second = await issuer.refresh({ refreshToken: first.refresh_token, clientId: 'web' });
    expect(second.sid).toBe(first.sid);
    const again = issuer.refresh({ refreshToken: first.refresh_token, clientId: 'web' });
    await expect(again).rejects.toMatchObject({ code: 'grant_reused' });
    await expect(issuer.verify(second.access_token)).rejects.toMatchObject({ code: 'token_revoked' });
    expect((await issuer.sessions.list({ sub: 'ada', ended: true })).items).toMatchObject([
      { sid: first.sid, endReason: 'refresh_token_reused' },
    ]);
    expect(issuer.log.read(0, 10)).toHaveLength(1);
    expect(issuer.health().every(({ status }) => status === 'pass')).toBe(true);
  });

  test('changes its keys, and opens an epoch for a new event key', async () => {
    await using kit = await openTestIssuer();
    const { issuer } = kit;
    const tokens = await issuer.transaction((tx) => tx.beginSession(ada));
    const { epoch } = issuer.log.snapshot();
    for (const { kid, state } of await issuer.keys.list())
      if (state === 'active') await issuer.transaction((tx) => tx.keys.revoke({ kid, reason: 'key_compromised' }));
    expect(issuer.log.snapshot().epoch > epoch).toBe(true);
    await expect(issuer.verify(tokens.access_token)).rejects.toThrow();
    expect(
      (await issuer.verify((await issuer.transaction((tx) => tx.beginSession(ada))).access_token)).payload.sub,
    ).toBe('ada');
  });

  test('rolls back a transaction that rejects, with the rows of the host', async () => {
    await using kit = await openTestIssuer();
    const { issuer, rows } = kit;
    const { access_token: token } = await issuer.transaction((tx) => tx.beginSession(ada));
    const failing = issuer.transaction(async (tx) => {
      tx.sql.set('a row', 1);
      await tx.endAllSessions({ sub: 'ada', reason: 'logout' });
      throw new Error('of the work');
    });
    await expect(failing).rejects.toThrow('of the work');
    expect(rows.get('a row')).toBeUndefined();
    expect((await issuer.verify(token)).payload.sub).toBe('ada');
    expect(issuer.log.snapshot().head).toBe(0);
    expect(() => rows.set('a row', 1)).toThrow('inside a transaction');
  });

  test('has keys and sessions of its own, which another one does not have', async () => {
    await using one = await openTestIssuer();
    await using other = await openTestIssuer();
    const { access_token: token } = await one.issuer.transaction((tx) => tx.beginSession(ada));
    await expect(other.issuer.verify(token)).rejects.toThrow();
  });

  test('refuses options that it does not have', async () => {
    await expect(openTestIssuer({ keysPath: 'keys' } as never)).rejects.toThrow(TypeError);
    await expect(openTestIssuer({ subjekt: () => undefined } as never)).rejects.toThrow('subject');
  });
});

describe('a store of maps', () => {
  test('keeps its rows when its issuer closes and another one opens it', async () => {
    const store = memoryStore();
    const options = {
      ...{ issuer: 'https://issuer.test', store, keysPath: temporaryDirectory(), telemetry: silentTelemetry },
      subject: () => ({ claims: {}, credentialVersion: 1, active: true }),
    };
    const issuer = await openIssuer(options);
    await expect(openIssuer(options)).rejects.toThrow('the store is open');
    const { refresh_token: refreshToken } = await issuer.transaction((tx) => tx.beginSession(ada));
    await issuer.close();
    await using again = await openIssuer(options);
    expect(await again.refresh({ refreshToken, clientId: 'web' })).toMatchObject({ token_type: 'Bearer' });
  });

  test('refuses options that it does not have', () => {
    expect(() => memoryStore({ path: 'file' } as never)).toThrow(TypeError);
  });
});
