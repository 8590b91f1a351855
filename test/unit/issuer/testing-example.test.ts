import type { Issuer } from '@rescind/issuer';
import type { MemoryRows } from '@rescind/issuer/testing';
import { openTestIssuer } from '@rescind/issuer/testing';
import { expect, test } from 'vitest';

/** The code under test takes its issuer as a parameter. */
async function suspend(issuer: Issuer<MemoryRows>, sub: string) {
  return issuer.transaction(async (tx) => {
    tx.sql.set(sub, { active: false });
    return tx.endAllSessions({ sub, reason: 'suspended' });
  });
}

test('logs a suspended user out, and refuses their login', async () => {
  await using kit = await openTestIssuer({
    subject(from, sub) {
      const { active } = from.sql.get(sub) as { active: boolean };
      return { claims: { scope: 'read' }, credentialVersion: 1, active };
    },
  });
  const { issuer, clock } = kit;
  await issuer.transaction((tx) => tx.sql.set('ada', { active: true }));
  const login = () =>
    issuer.transaction((tx) =>
      tx.beginSession({ sub: 'ada', clientId: 'web', audience: 'shop', credentialVersion: 1 }),
    );

  const tokens = await login();
  expect((await issuer.verify(tokens.access_token)).payload).toMatchObject({ sub: 'ada', scope: 'read' });

  await suspend(issuer, 'ada');
  await expect(issuer.verify(tokens.access_token)).rejects.toMatchObject({ code: 'token_revoked' });
  await expect(login()).rejects.toMatchObject({ code: 'subject_inactive' });
  expect(kit.rows.get('ada')).toEqual({ active: false });

  clock.advance(16 * 60_000);
  await expect(issuer.verify(tokens.access_token)).rejects.toMatchObject({ code: 'token_expired' });
});
