import { createManualClock } from '@rescind/revocation';
import { expect, test } from 'vitest';
import { createIssuerSetting, ISSUER, login } from './issuer-setting.ts';

test('names every row that denies a token, the deciding one first', async () => {
  const issuer = await createIssuerSetting().open();
  const { access_token: token, sid } = await login(issuer);
  expect(await issuer.explain({ token })).toMatchObject({ error: null, revoked: false, entries: [], claims: { sid } });
  const soft = await issuer.transaction((tx) =>
    tx.revoke({ claim: 'sub', value: 'ada', reason: 'roles_changed', endsSession: false }),
  );
  const ended = await issuer.transaction((tx) => tx.endSession({ sid, reason: 'logout' }));
  const { revoked, entries } = await issuer.explain({ token });
  expect(revoked).toBe(true);
  expect(entries).toMatchObject([
    { claim: 'sid', value: sid, reason: 'logout', txn: ended?.txn, endsSession: true, issuedUntil: null },
    { claim: 'sub', value: 'ada', reason: 'roles_changed', txn: soft.txn, seq: soft.seq, endsSession: false },
  ]);
});

test('explains claims: all matching rows without a time, the denying rows with one', async () => {
  const clock = createManualClock(1_700_000_000_000);
  const issuer = await createIssuerSetting().open({ clock });
  await login(issuer);
  await issuer.transaction((tx) => tx.revoke({ claim: 'tenant', value: 'acme', reason: 'left' }));
  const at = (iat?: number) => issuer.explain({ claims: { tenant: 'acme', ...(iat === undefined ? {} : { iat }) } });
  expect(await at()).toMatchObject({
    revoked: true,
    issuedAt: null,
    claims: null,
    entries: [{ iss: ISSUER, reason: 'left' }],
  });
  expect(await at(1_700_000_000)).toMatchObject({ revoked: true, issuedAt: 1_700_000_000_000 });
  expect(await at(1_700_000_001)).toMatchObject({ revoked: false, entries: [] });
  expect(await issuer.explain({ claims: { tenant: Array(300).fill('acme') } })).toMatchObject({
    error: { code: 'token_unjudgeable', detail: 'tenant' },
    revoked: null,
  });
  expect(await issuer.explain({ claims: { iss: 'https://other.example', tenant: 'acme' } })).toMatchObject({
    revoked: false,
  });
});

test('returns why a token is not trusted, and none of its claims', async () => {
  const issuer = await createIssuerSetting().open();
  const { access_token: token } = await login(issuer);
  for (const [text, code] of [
    ['nonsense', 'token_malformed'],
    [`${token.slice(0, -6)}AAAAAA`, 'token_signature_wrong'],
  ] as const) {
    expect(await issuer.explain({ token: text })).toMatchObject({
      error: { code },
      revoked: null,
      entries: [],
      claims: null,
    });
  }
});
