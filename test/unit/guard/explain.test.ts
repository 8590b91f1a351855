import type { TestKit } from '@rescind/guard/testing';
import { openTestKit } from '@rescind/guard/testing';
import { expect, it, onTestFinished } from 'vitest';

const AT = Date.UTC(2026, 10, 23, 12, 0, 0, 250);

function kitOf(): TestKit {
  const kit = openTestKit({ at: AT });
  onTestFinished(() => kit.close());
  return kit;
}

it('reports no error and no row for a valid token', () => {
  const { guard, token } = kitOf();
  expect(guard.explain(token())).toEqual({ error: null, revoked: false, entries: [], issuedAt: AT });
});

it('returns the denying rows with their revocation and time, the deciding one first', () => {
  const kit = kitOf();
  const token = kit.token({ tenant: 'acme' });
  kit.clock.advance(1_000);
  kit.revoke({ claim: 'tenant', value: 'acme', reason: 'contract_ended' });
  kit.clock.advance(1_000);
  kit.revoke({ claim: 'sid', value: 'session-1', reason: 'logout' });
  kit.revoke({ claim: 'sub', value: 'somebody-else' });
  const { error, revoked, entries } = kit.guard.explain(token);
  expect({ error, revoked }).toEqual({ error: null, revoked: true });
  const place = { iss: 'https://issuer.test', epoch: expect.any(String), txn: expect.stringMatching(/^[\w-]{22}$/) };
  const expiresAt = expect.any(Number);
  expect(entries).toEqual([
    {
      ...{ ...place, claim: 'sid', value: 'session-1', reason: 'logout', seq: 2, expiresAt },
      ...{ since: AT + 2_000, issuedUntil: null, endsSession: true },
    },
    {
      ...{ ...place, claim: 'tenant', value: 'acme', reason: 'contract_ended', seq: 1, expiresAt },
      ...{ since: AT + 1_000, issuedUntil: AT + 1_000, endsSession: false },
    },
  ]);
  const decision = kit.guard.decide(token);
  expect(decision).toMatchObject({ revoked: { cutoff: { txn: entries[0]?.txn }, since: entries[0]?.since } });
});

it('explains claims without a token, also incomplete ones', () => {
  const kit = kitOf();
  kit.revoke({ claim: 'sub', value: 'user-1', reason: 'password_changed' });
  const rows = (claims: object) => kit.guard.explain({ ...claims }).entries.map(({ claim }) => claim);
  expect(rows({ sub: 'user-1' })).toEqual(['sub']);
  expect(rows({ sub: 'user-1', iat: AT / 1000 - 60 })).toEqual(['sub']);
  expect(rows({ sub: 'user-1', iat: AT / 1000 + 60 })).toEqual([]);
  expect(rows({ sub: 'user-2' })).toEqual([]);
  expect(kit.guard.explain({ sub: 'user-1' })).toMatchObject({ revoked: true, issuedAt: null });
  expect(kit.guard.explain({ iss: 'https://other.test', sub: 'user-1' })).toMatchObject({
    error: { code: 'token_issuer_unknown' },
    revoked: null,
  });
  kit.revoke({ claim: 'kid', value: 'key-1', reason: 'key_compromised' });
  expect(rows({ kid: 'key-1' })).toEqual(['kid']);
});

it('reports that a soft cut-off ends no session, whatever the skew', () => {
  const kit = openTestKit({ at: AT, skewMs: 60_000 });
  onTestFinished(() => kit.close());
  kit.revoke({ claim: 'sub', value: 'user-1', endsSession: false });
  expect(kit.guard.explain({ sub: 'user-1' }).entries).toMatchObject([{ endsSession: false }]);
});

it('reports other errors with the detail that the response omits', () => {
  const kit = kitOf();
  const errorOf = (token: string) => kit.guard.explain(token).error;
  expect(errorOf('rubbish')).toEqual({ code: 'token_malformed', detail: 'not three parts' });
  expect(errorOf(kit.token({ aud: 'other' }))).toEqual({ code: 'token_audience_wrong', detail: null });
  expect(errorOf(kit.token({ jti: undefined }))).toEqual({
    code: 'token_claim_wrong',
    detail: 'jti is missing or wrong',
  });
  expect(kit.guard.explain('rubbish')).toMatchObject({ revoked: null, entries: [], issuedAt: null });
});

it('reports `revoked: null` for a token that cannot be judged', () => {
  const kit = kitOf();
  kit.revoke({ claim: 'groups', value: 'g-1' });
  const groups = Array.from({ length: 257 }, (_, index) => `g-${index}`);
  const unjudgeable = { error: { code: 'token_unjudgeable', detail: 'groups' }, revoked: null, entries: [] };
  expect(kit.guard.explain(kit.token({ groups }))).toMatchObject(unjudgeable);
  expect(kit.guard.explain({ groups })).toMatchObject(unjudgeable);
  expect(kit.guard.explain({ iat: 'yesterday' })).toMatchObject({ error: { detail: 'iat' }, revoked: null });
  for (const iss of [7, null, '']) {
    expect(kit.guard.explain({ iss })).toMatchObject({ error: { code: 'token_issuer_unknown' } });
  }
});

it('reports the revocation of a key that is no longer published', () => {
  const kit = kitOf();
  const stranger = openTestKit({ at: AT });
  onTestFinished(() => stranger.close());
  const token = stranger.token();
  expect(kit.guard.explain(token)).toMatchObject({ error: { code: 'token_key_unknown' }, revoked: null, entries: [] });
  const { kid } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
  kit.revoke({ claim: 'kid', value: kid, reason: 'key_compromised' });
  expect(kit.guard.explain(token)).toMatchObject({
    error: { code: 'token_key_unknown' },
    revoked: true,
    entries: [{ claim: 'kid', value: kid, reason: 'key_compromised', since: AT }],
  });
});

it('changes no state, and returns the same for a view of any age', () => {
  const kit = openTestKit({ at: AT, softExpiry: { maxUses: 1 } });
  onTestFinished(() => kit.close());
  const token = kit.token();
  const before = kit.guard.explain(token);
  for (const turn of [kit.makeStale, kit.makeNotReady, kit.makeFresh]) {
    turn();
    expect(kit.guard.explain(token)).toEqual(before);
  }
  expect(kit.guard.decide(token).accepted).toBe(true);
});
