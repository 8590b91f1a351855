import { verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Decision } from '@rescind/guard';
import { profiles } from '@rescind/guard';
import { openTestKit } from '@rescind/guard/testing';
import { expect, it } from 'vitest';

const codeOf = (decision: Decision) => (decision.accepted ? 'accepted' : decision.error.code);
const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

it('the example of docs/testing.md is testing-example.test.ts', () => {
  const [, example] = /```ts\n(.*?)```/s.exec(read('../../../docs/testing.md')) ?? [];
  expect(example).toBe(read('./testing-example.test.ts'));
});

it('the guard accepts tokens minted after a cut-off, and refuses earlier ones, although the clock does not move', async () => {
  await using kit = openTestKit();
  const before = kit.token();
  kit.revoke({ claim: 'sub', value: 'user-1' });
  const after = kit.token();
  kit.revoke({ claim: 'jti', value: 'mine' });
  expect([before, after, kit.token({ jti: 'mine' })].map((token) => codeOf(kit.guard.decide(token)))).toEqual([
    'token_revoked',
    'accepted',
    'token_revoked',
  ]);
});

it('publicKey verifies a token of the kit, and none of another kit', async () => {
  await using kit = openTestKit();
  await using other = openTestKit();
  const isOfKit = (token: string) => {
    const [header, payload, signature = ''] = token.split('.');
    const key = { key: kit.publicKey, dsaEncoding: 'ieee-p1363' as const };
    return verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'));
  };
  expect([isOfKit(kit.token()), isOfKit(other.token())]).toEqual([true, false]);
});

it('makeStale: only the issuer knows later revocations, until the log is restored', async () => {
  await using kit = openTestKit({ stale: 'introspect' });
  const [token, other] = [kit.token({ sid: 'gone' }), kit.token()];
  kit.makeStale();
  kit.revoke({ claim: 'sid', value: 'gone' });
  expect(kit.guard.view()).toMatchObject({ ready: true, complete: false, lag: 1 });
  expect(codeOf(kit.guard.decide(token, { stale: 'allow' }))).toBe('accepted');
  expect(codeOf(await kit.guard.decideOnline(token))).toBe('token_inactive');
  expect(codeOf(await kit.guard.decideOnline(other))).toBe('accepted');
  kit.issuerIsReachable = false;
  expect(codeOf(await kit.guard.decideOnline(other))).toBe('introspection_unavailable');
  kit.makeFresh();
  expect(kit.guard.view()).toMatchObject({ complete: true, lag: 0 });
  expect(codeOf(kit.guard.decide(token))).toBe('token_revoked');
  expect(codeOf(kit.guard.decide(other))).toBe('accepted');
});

it('the view ages, and tokens expire, by the clock of the kit', async () => {
  await using kit = openTestKit({ ttlMs: 60_000, maxStalenessMs: 10_000 });
  const token = kit.token();
  kit.makeStale(9_000);
  expect(codeOf(kit.guard.decide(token))).toBe('accepted');
  kit.clock.advance(1_001);
  expect(codeOf(kit.guard.decide(token))).toBe('view_stale');
  kit.makeFresh();
  kit.clock.advance(60_000);
  expect(codeOf(kit.guard.decide(token))).toBe('token_expired');
});

it('the guard is ready once it has caught up', async () => {
  const kit = openTestKit();
  await kit.guard.ready();
  kit.makeNotReady();
  const order: string[] = [];
  const waiting = kit.guard.ready().then(() => order.push('ready'));
  order.push(codeOf(kit.guard.decide(kit.token())));
  kit.makeFresh();
  await waiting;
  expect(order).toEqual(['view_not_ready', 'ready']);
  kit.makeNotReady();
  const told = expect(kit.guard.ready()).rejects.toMatchObject({ code: 'stopping' });
  await kit.close();
  await told;
});

it('the kit accepts a profile, and refuses tokens of another kit', async () => {
  await using kit = openTestKit({ ...profiles.keycloak, issuer: 'https://keycloak.test/realms/a', audience: 'prices' });
  await using stranger = openTestKit({ issuer: 'https://keycloak.test/realms/a', audience: 'prices' });
  const claims = { typ: 'Bearer', client_id: undefined, azp: 'app-7' };
  const token = kit.token(claims);
  expect(codeOf(kit.guard.decide(token))).toBe('accepted');
  expect(codeOf(kit.guard.decide(kit.token({ ...claims, typ: 'ID' })))).toBe('token_claim_wrong');
  expect(codeOf(kit.guard.decide(stranger.token(claims, 'JWT')))).toBe('token_key_unknown');
  kit.revoke({ claim: 'client_id', value: 'app-7' });
  expect(codeOf(kit.guard.decide(token))).toBe('token_revoked');
});

it('openTestKit names a wrong option', () => {
  expect(() => openTestKit({ maxStalenessMs: -1 })).toThrow(/^maxStalenessMs /);
});
