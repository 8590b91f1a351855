import type { Decision } from '@rescind/guard';
import { createManualClock } from '@rescind/revocation';
import * as jose from 'jose';
import { expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { rawToken } from '../../unit/token/raw-tokens.ts';
import { openTestIssuer } from './issuer.ts';
import { freshPath, openMiddleware } from './setting.ts';

const codeOf = (decision: Decision) => (decision.accepted ? 'accepted' : decision.error.code);

test('the first cut-off of a pruned name refuses a cached token whose claim has no unambiguous text', async () => {
  const clock = createManualClock(Date.now());
  const issuer = await openTestIssuer(clock);
  const middleware = openMiddleware(issuer, { denylistPath: freshPath(), clock });
  await middleware.ready();
  const decide = (token: string) => codeOf(middleware.opened.decide(token));
  const at = clock.now();
  const named = issuer.token({ tenant: 't1' });
  issuer.revoke({ claim: 'tenant', value: 't1', issuedUntil: at, expiresAt: at + 1_000 });
  await waitFor('the cut-off is enforced', () => decide(named) === 'token_revoked');
  clock.advance(200_000);
  const entries = () => middleware.health().find(({ name }) => name === 'denylist')?.entries;
  await waitFor('the row of the cut-off is forgotten', () => entries() === 0);

  const token = issuer.token({ tenant: { id: 't2' } });
  await waitFor('the view is fresh', () => decide(token) === 'accepted');
  expect([token, token, token].map(decide)).toEqual(['accepted', 'accepted', 'accepted']);
  issuer.revoke({ claim: 'tenant', value: 't2', issuedUntil: clock.now() });
  await waitFor('the token cannot be compared with the cut-off', () => decide(token) === 'token_unjudgeable');
});

test('a cut-off of a key refuses a token without kid, and one of a key without kid', async () => {
  const issuer = await openTestIssuer();
  const payload = () => Buffer.from(issuer.token().split('.')[1] ?? '', 'base64url').toString();
  const signed = (header: object) =>
    rawToken(JSON.stringify({ alg: 'RS256', typ: 'at+jwt', ...header }), payload(), issuer.key);
  const jwk = issuer.key.publicKey.export({ format: 'jwk' });
  const name = await jose.calculateJwkThumbprint(jwk as jose.JWK);
  issuer.documents.set('/named', () => ({ keys: [{ ...jwk, kid: 'key-1' }] }));
  issuer.documents.set('/unnamed', () => ({ keys: [jwk] }));
  for (const [path, kid] of [
    ['/named', 'key-1'],
    ['/unnamed', name],
  ] as const) {
    const middleware = openMiddleware(issuer, { denylistPath: freshPath(), jwksUrl: `${issuer.url}${path}` });
    await middleware.ready();
    const decide = (token: string) => codeOf(middleware.opened.decide(token));
    const tokens = [signed({}), signed({ kid })];
    if (path === '/unnamed') tokens.push(signed({ kid: 'whatever' }));
    const before = signed({});
    for (const token of tokens) expect([decide(token), decide(token), decide(token)]).not.toContain('token_revoked');
    issuer.revoke({ claim: 'kid', value: kid });
    await waitFor('the key is revoked', () => decide(before) === 'token_revoked');
    for (const token of tokens) expect(decide(token)).toBe('token_revoked');
    await middleware.close();
  }
});
