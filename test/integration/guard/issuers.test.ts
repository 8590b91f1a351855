import type { Decision, GuardOptions, IssuerOptions } from '@rescind/guard';
import { profiles } from '@rescind/guard';
import { expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { openIntrospectionServer } from './introspection-server.ts';
import type { TestIssuer } from './issuer.ts';
import { AUDIENCE, openTestIssuer } from './issuer.ts';
import { freshPath, openMiddleware } from './setting.ts';

const codeOf = (decision: Decision) => (decision.accepted ? 'accepted' : decision.error.code);

/** As Keycloak 26 writes one: no client_id, a jti that is no UUID, a list of audiences. */
const KEYCLOAK = {
  typ: 'Bearer',
  client_id: undefined,
  azp: 'shop',
  jti: 'onrtro:b9c2a7d4-1111-4222-8333-444455556666',
  sid: 'Zk3pY0XqQmW1r7Ls9dTfHgBv',
  aud: [AUDIENCE, 'account'],
  iat_ms: undefined,
};
const keycloakToken = (issuer: TestIssuer, claims: object = {}) => issuer.token({ ...KEYCLOAK, ...claims }, 'JWT');

async function openTwo(second: Partial<IssuerOptions> = {}, options: Partial<GuardOptions> = {}) {
  const [own, other] = [await openTestIssuer(), await openTestIssuer()];
  // Its tokens are signed with another key.
  other.rotate(true);
  other.publishOnly(other.key);
  const issuers = [{ ...profiles.keycloak, issuer: other.url, audience: AUDIENCE, ...second }];
  const { opened } = openMiddleware(own, { denylistPath: freshPath(), issuers, ...options });
  await opened.ready();
  const decide = (token: string) => codeOf(opened.decide(token));
  return { own, other, opened, decide };
}

test('tokens of each by its own profile and its own keys', async () => {
  const { own, other, decide, opened } = await openTwo();
  expect(decide(own.token())).toBe('accepted');
  expect(decide(keycloakToken(other))).toBe('accepted');
  // Security 13: the key must be of the issuer that the token names.
  expect(decide(own.token({ iss: other.url }))).toBe('token_type_wrong');
  expect(decide(own.token({ ...KEYCLOAK, iss: other.url }, 'JWT'))).toBe('token_key_unknown');
  expect(decide(other.token({ iss: own.url }))).toBe('token_key_unknown');
  expect(decide(keycloakToken(other, { iss: own.url }))).toBe('token_type_wrong');
  expect(decide(own.token({ iss: 'https://third.example' }))).toBe('token_issuer_unknown');
  for (const iss of [undefined, 1, null, [own.url], '__proto__', 'constructor']) {
    expect(decide(own.token({ iss }))).toBe('token_issuer_unknown');
  }
  // An ID token of the same issuer, signed with the same key.
  expect(decide(keycloakToken(other, { typ: 'ID', aud: AUDIENCE }))).toBe('token_claim_wrong');
  expect(decide(keycloakToken(other, { azp: undefined }))).toBe('token_claim_wrong');
  expect(opened.health().map(({ name }) => name)).toEqual(
    expect.arrayContaining(['token_keys', `token_keys ${other.url}`]),
  );
});

test('the log of the first speaks for the others too, by the names that cut-offs use, a second of skew on the strict side', async () => {
  const { own, other, decide } = await openTwo();
  const now = Math.floor(Date.now() / 1000);
  const token = keycloakToken(other, { iat: now - 10 });
  const ofOwn = own.token({ client_id: 'shop' });
  expect([token, ofOwn].map(decide)).toEqual(['accepted', 'accepted']);
  own.revoke({ iss: other.url, claim: 'client_id', value: 'shop', issuedUntil: (now - 5) * 1000 });
  await waitFor('it is refused', () => decide(token) === 'token_revoked');
  expect(decide(ofOwn)).toBe('accepted');
  // Its clock may be a second ahead of the log's: up to there a token may be of before.
  expect(decide(keycloakToken(other, { iat: now - 4 }))).toBe('token_revoked');
  expect(decide(keycloakToken(other, { iat: now - 3 }))).toBe('accepted');

  const session = keycloakToken(other, { azp: 'other', sid: 'gone' });
  own.revoke({ iss: other.url, claim: 'sid', value: 'gone' });
  await waitFor('its session is refused', () => decide(session) === 'token_revoked');
  expect(decide(own.token({ sid: 'gone' }))).toBe('accepted');
});

test('an issuer without a log: its tokens are taken until they expire, however old the view', async () => {
  const { own, other, decide } = await openTwo({ revocation: 'none' }, { maxStalenessMs: 200 });
  const token = keycloakToken(other, { sid: 'gone' });
  own.revoke({ iss: other.url, claim: 'sid', value: 'gone' });
  own.revoke({ claim: 'sid', value: 'gone' });
  await waitFor('the log has been read', () => decide(own.token({ sid: 'gone' })) === 'token_revoked');
  expect(decide(token)).toBe('accepted');
  await own.stop();
  await waitFor('the view is stale', () => decide(own.token()) === 'view_stale');
  expect(decide(token)).toBe('accepted');
});

test('each is asked about its own tokens, and about no others', async () => {
  const server = await openIntrospectionServer();
  const { own, other, opened } = await openTwo({ introspection: server.options() });
  const route = { introspect: 'always' } as const;
  expect(codeOf(await opened.decideOnline(keycloakToken(other), route))).toBe('accepted');
  expect(codeOf(await opened.decideOnline(own.token(), route))).toBe('introspection_unavailable');
  expect(server.questions).toHaveLength(1);
});

test('the length that is looked into is the issuer’s own', async () => {
  const { own, other, decide } = await openTwo({ maxTokenBytes: 20_000 });
  const filling = 'x'.repeat(9_000);
  expect(decide(keycloakToken(other, { filling }))).toBe('accepted');
  expect(decide(own.token({ filling }))).toBe('token_malformed');
  expect(decide(keycloakToken(other, { filling: 'x'.repeat(16_000) }))).toBe('token_malformed');
});
