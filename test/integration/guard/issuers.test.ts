import type { Decision, GuardOptions, IssuerOptions } from '@rescind/guard';
import { createGuard, profiles } from '@rescind/guard';
import { createManualClock } from '@rescind/revocation';
import { expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { rawToken } from '../../unit/token/raw-tokens.ts';
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
  const [own, other] = [await openTestIssuer(options.clock), await openTestIssuer(options.clock)];
  // Its tokens are signed with another key.
  other.rotate(true);
  other.publishOnly(other.key);
  const issuers = [{ ...profiles.keycloak, issuer: other.url, audience: AUDIENCE, ...second }];
  const { opened } = openMiddleware(own, { denylistPath: freshPath(), issuers, ...options });
  await opened.ready();
  const decide = (token: string) => codeOf(opened.decide(token));
  return { own, other, opened, decide };
}

test('verifies the tokens of each issuer by its own profile and keys', async () => {
  const { own, other, decide, opened } = await openTwo();
  expect(decide(own.token())).toBe('accepted');
  expect(decide(keycloakToken(other))).toBe('accepted');
  // Security 13: the key must be of the issuer that the token names.
  expect(decide(own.token({ iss: other.url }))).toBe('token_key_unknown');
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

test('the log of the first issuer denies tokens of the others, by the names that cut-offs use, with a second of skew', async () => {
  const { own, other, decide } = await openTwo();
  const now = Math.floor(Date.now() / 1000);
  const token = keycloakToken(other, { iat: now - 10 });
  const ofOwn = own.token({ client_id: 'shop' });
  expect([token, ofOwn].map(decide)).toEqual(['accepted', 'accepted']);
  own.revoke({ iss: other.url, claim: 'client_id', value: 'shop', issuedUntil: (now - 5) * 1000 });
  await waitFor('the token is refused', () => decide(token) === 'token_revoked');
  expect(decide(ofOwn)).toBe('accepted');
  // The clock of this issuer may be a second ahead of the log's: a token with an `iat` up to a second later may be older than the cut-off.
  expect(decide(keycloakToken(other, { iat: now - 4 }))).toBe('token_revoked');
  expect(decide(keycloakToken(other, { iat: now - 3 }))).toBe('accepted');

  const session = keycloakToken(other, { azp: 'other', sid: 'gone' });
  own.revoke({ iss: other.url, claim: 'sid', value: 'gone' });
  await waitFor('its session is refused', () => decide(session) === 'token_revoked');
  expect(decide(own.token({ sid: 'gone' }))).toBe('accepted');
});

test('accepts an iat ahead by the skew of cut-offs at most', async () => {
  const clock = createManualClock(Math.ceil(Date.now() / 1000) * 1000);
  const now = clock.now() / 1000;
  const cases: [Partial<IssuerOptions>, number, number][] = [
    // The options, the latest iat that is accepted, and the first that is refused, in seconds from now.
    [{}, 1, 2],
    [{ skewMs: 0 }, 0, 1],
    [{ skewMs: 60_000 }, 60, 61],
    [{ revocation: 'none' }, 1, 2],
    [{ revocation: 'none', skewMs: undefined }, 60, 61],
  ];
  for (const [options, latest, tooLate] of cases) {
    const { own, other, decide } = await openTwo(options, { clock });
    expect(decide(keycloakToken(other, { iat: now + latest })), JSON.stringify(options)).toBe('accepted');
    for (const iat of [now + tooLate, now + latest + 0.5]) {
      expect(decide(keycloakToken(other, { iat })), JSON.stringify(options)).toBe('token_not_yet_valid');
    }
    // Cut-offs are compared with iat only, so an nbf ahead has the tolerance of the clocks.
    expect(decide(keycloakToken(other, { iat: now, nbf: now + 60 }))).toBe('accepted');
    expect(decide(keycloakToken(other, { iat: now, nbf: now + 61 }))).toBe('token_not_yet_valid');
    // The issuer that writes the log has one clock for cut-offs and iat, so its iat has the tolerance of the clocks.
    expect(decide(own.token({ iat: now + 60, iat_ms: undefined }))).toBe('accepted');
    expect(decide(own.token({ iat: now + 61, iat_ms: undefined }))).toBe('token_not_yet_valid');
  }
});

test('checks the times of a cached token', async () => {
  const clock = createManualClock(Math.ceil(Date.now() / 1000) * 1000);
  const other = await openTestIssuer();
  await using opened = createGuard({
    ...profiles.keycloak,
    ...{ issuer: other.url, audience: AUDIENCE, revocation: 'none', clock },
  });
  await opened.ready();
  const token = keycloakToken(other, { iat: clock.now() / 1000 + 1 });
  const decide = () => codeOf(opened.decide(token));
  expect([decide(), decide(), decide()]).toEqual(['accepted', 'accepted', 'accepted']);
  clock.setWall(clock.now() - 1_000);
  expect(decide()).toBe('token_not_yet_valid');
});

test('a cut-off denies every accepted iat from before it, whatever the skew', async () => {
  const { own, other, decide } = await openTwo();
  const at = Date.now();
  own.revoke({ iss: other.url, claim: 'sub', value: 'user-1', issuedUntil: at });
  await waitFor('the cut-off is enforced', () => decide(keycloakToken(other)) === 'token_revoked');
  for (const ahead of [-5, 0, 1, 2, 5, 30, 59]) {
    const iat = Math.floor(at / 1000) + ahead;
    const decision = decide(keycloakToken(other, { iat }));
    // With a clock that is ahead by the skew at most, an accepted token was issued after the cut-off.
    if (decision === 'accepted') expect(iat * 1000 - profiles.keycloak.skewMs, `${ahead} s`).toBeGreaterThan(at);
    else expect(['token_revoked', 'token_not_yet_valid'], `${ahead} s`).toContain(decision);
  }
});

test('refuses a claim that a cut-off names if it has no unambiguous text, in every spelling of its number', async () => {
  const { own, decide } = await openTwo();
  const payload = JSON.stringify({
    ...JSON.parse(Buffer.from(own.token().split('.')[1] ?? '', 'base64url').toString()),
  });
  const header = JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid: own.key.kid });
  const written = (json: string) => rawToken(header, payload.replace(/\}$/, `,"tenant":${json}}`), own.key);
  const odd = ['1e2', '100.0', '9007199254740993', '-0', 'null', '{}', '[["100"]]', '[1,1e2]'].map(written);
  for (const token of [...odd, ...odd]) expect(decide(token)).toBe('accepted');
  own.revoke({ claim: 'tenant', value: '100', issuedUntil: Date.now() });
  await waitFor('the cut-off is enforced', () => decide(written('100')) === 'token_revoked');
  for (const token of odd) expect(decide(token)).toBe('token_unjudgeable');
  expect(decide(written('101'))).toBe('accepted');
});

test('accepts the tokens of an issuer without a log until they expire, however old the view', async () => {
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

test('introspects a token at its own issuer only', async () => {
  const server = await openIntrospectionServer();
  const { own, other, opened } = await openTwo({ introspection: server.options() });
  const route = { introspect: 'always' } as const;
  expect(codeOf(await opened.decideOnline(keycloakToken(other), route))).toBe('accepted');
  expect(codeOf(await opened.decideOnline(own.token(), route))).toBe('introspection_unavailable');
  expect(server.questions).toHaveLength(1);
});

test('applies the token length limit of each issuer', async () => {
  const { own, other, decide } = await openTwo({ maxTokenBytes: 20_000 });
  const filling = 'x'.repeat(9_000);
  expect(decide(keycloakToken(other, { filling }))).toBe('accepted');
  expect(decide(own.token({ filling }))).toBe('token_malformed');
  expect(decide(keycloakToken(other, { filling: 'x'.repeat(16_000) }))).toBe('token_malformed');
});
