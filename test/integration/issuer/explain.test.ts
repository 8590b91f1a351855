import { createManualClock } from '@rescind/revocation';
import { expect, test } from 'vitest';
import { house, ISSUER, login } from './house.ts';

test('names every row that refuses a token, the one that counts first', async () => {
  const issuer = house().open();
  const { access_token: token, sid } = login(issuer);
  expect(issuer.explain({ token })).toMatchObject({ wrong: null, revoked: false, entries: [], claims: { sid } });
  const soft = await issuer.revoke({ claim: 'sub', value: 'ada', reason: 'roles_changed', endsSession: false });
  const ended = await issuer.endSession({ sid, reason: 'logout' });
  const { revoked, entries } = issuer.explain({ token });
  expect(revoked).toBe(true);
  expect(entries).toMatchObject([
    { claim: 'sid', value: sid, reason: 'logout', txn: ended?.txn, endsSession: true, issuedUntil: null },
    { claim: 'sub', value: 'ada', reason: 'roles_changed', txn: soft.txn, seq: soft.seq, endsSession: false },
  ]);
});

test('asks by claims as well: without a time whatever is about them, with one what denies then', async () => {
  const clock = createManualClock(1_700_000_000_000);
  const issuer = house().open({ clock });
  login(issuer);
  await issuer.revoke({ claim: 'tenant', value: 'acme', reason: 'left' });
  const at = (iat?: number) => issuer.explain({ claims: { tenant: 'acme', ...(iat === undefined ? {} : { iat }) } });
  expect(at()).toMatchObject({
    revoked: true,
    issuedAt: null,
    claims: null,
    entries: [{ iss: ISSUER, reason: 'left' }],
  });
  expect(at(1_700_000_000)).toMatchObject({ revoked: true, issuedAt: 1_700_000_000_000 });
  expect(at(1_700_000_001)).toMatchObject({ revoked: false, entries: [] });
  expect(issuer.explain({ claims: { tenant: Array(300).fill('acme') } })).toMatchObject({
    wrong: { code: 'token_unjudgeable', detail: 'tenant' },
    revoked: null,
  });
  expect(issuer.explain({ claims: { iss: 'https://other.example', tenant: 'acme' } })).toMatchObject({
    revoked: false,
  });
});

test('says what is wrong with what is not to be trusted, and nothing of it', () => {
  const issuer = house().open();
  const { access_token: token } = login(issuer);
  for (const [text, code] of [
    ['nonsense', 'token_malformed'],
    [`${token.slice(0, -6)}AAAAAA`, 'token_signature_wrong'],
  ] as const) {
    expect(issuer.explain({ token: text })).toMatchObject({
      wrong: { code },
      revoked: null,
      entries: [],
      claims: null,
    });
  }
});
