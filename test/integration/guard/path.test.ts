import type { GuardOptions } from '@rescind/guard';
import type { ExpressRoute } from '@rescind/guard/express';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CutOffEntry } from '../../support/cut-offs.ts';
import { waitFor } from '../../support/wait.ts';
import type { TestIssuer } from './issuer.ts';
import { openTestIssuer } from './issuer.ts';
import { ask, createRemembering, freshPath, openMiddleware, serveGuarded } from './setting.ts';

async function openService(options: Partial<GuardOptions> & ExpressRoute = {}) {
  const issuer = await openTestIssuer();
  const middleware = openMiddleware(issuer, { denylistPath: freshPath(), ...options });
  await middleware.ready();
  return { issuer, middleware, url: await serveGuarded(middleware) };
}

/** Revokes, and waits until the instance has applied it. */
async function revoked(
  issuer: TestIssuer,
  url: string,
  token: string,
  entry: Partial<CutOffEntry> & { claim: string },
) {
  issuer.revoke({ value: '', ...entry });
  return waitFor(`the token is refused by ${entry.claim}`, async () => {
    const answer = await ask(url, token);
    return answer.status === 401 && answer;
  });
}

test('a valid token passes, and request.auth has its claims', async () => {
  const { issuer, url } = await openService();
  expect(await ask(url, issuer.token())).toMatchObject({ status: 200, body: { sub: 'user-1' } });
});

test('after a logout the guard refuses the token, and the session on the other device continues', async () => {
  const { issuer, url } = await openService();
  const phone = issuer.token({ sid: 'phone' });
  const laptop = issuer.token({ sid: 'laptop' });
  const answer = await revoked(issuer, url, phone, { claim: 'sid', value: 'phone' });
  expect(answer).toMatchObject({
    body: { error: 'invalid_token', code: 'token_revoked', message: 'The access token has been revoked' },
    challenge: 'Bearer error="invalid_token", error_description="The access token has been revoked"',
    cacheControl: 'no-store',
  });
  expect(await ask(url, laptop)).toMatchObject({ status: 200 });
});

test('a cut-off of each scope refuses its tokens and no others', async () => {
  const { issuer, url } = await openService();
  const held = { sid: 's', sub: 'u', jti: 'j', client_id: 'c', tenant: 't', groups: ['g', 'h'] };
  for (const claim of ['jti', 'sid', 'sub', 'client_id', 'tenant', 'groups'] as const) {
    const own = { [claim]: `of-${claim}` };
    const other = issuer.token(held);
    const token = issuer.token({ ...held, ...own, ...(claim === 'groups' && { groups: ['g', 'of-groups'] }) });
    expect((await ask(url, token)).status).toBe(200);
    const bounded = claim === 'jti' || claim === 'sid' ? {} : { issuedUntil: Date.now() };
    const answer = await revoked(issuer, url, token, { claim, value: `of-${claim}`, ...bounded });
    expect(answer.body.code).toBe('token_revoked');
    expect((await ask(url, other)).status).toBe(200);
  }
});

test('new tokens pass at once after a cut-off of the issuer, and of a key', async () => {
  const { issuer, url } = await openService();
  const old = issuer.token();
  const at = Date.now();
  await revoked(issuer, url, old, { claim: 'iss', value: issuer.url, issuedUntil: at });
  const later = { iat: Math.floor((at + 1) / 1000), iat_ms: at + 1 };
  const fresh = issuer.token(later);
  expect((await ask(url, fresh)).status).toBe(200);
  const { kid } = issuer.key;
  issuer.rotate(true);
  expect((await ask(url, issuer.token(later))).status).toBe(200);
  await revoked(issuer, url, fresh, { claim: 'kid', value: kid });
  expect((await ask(url, issuer.token(later))).status).toBe(200);
});

test('within one second the guard refuses a token from before the cut-off, and accepts one from after it', async () => {
  const { issuer, url } = await openService();
  const at = Math.floor(Date.now() / 1000) * 1000 - 500;
  const iat = Math.floor(at / 1000);
  const before = issuer.token({ iat, iat_ms: at });
  const after = issuer.token({ iat, iat_ms: at + 1 });
  await revoked(issuer, url, before, { claim: 'sub', value: 'user-1', issuedUntil: at });
  expect((await ask(url, after)).status).toBe(200);
});

test('a revoked token is refused in every other spelling', async () => {
  const { issuer, url } = await openService();
  const token = issuer.token();
  await revoked(issuer, url, token, { claim: 'sid', value: 'session-1' });
  const [header = '', payload = '', signature = ''] = token.split('.');
  const lastOf = (text: string) => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    return text.slice(0, -1) + alphabet[(alphabet.indexOf(text.at(-1) ?? '') ^ 1) & 63];
  };
  const spellings = [
    `${token}=`,
    `${token}==`,
    `${token}.`,
    `.${token}`,
    `${header}.${payload}.${signature}A`,
    `${header}.${payload}.${lastOf(signature)}`,
    `${header}.${lastOf(payload)}.${signature}`,
    `${header}=.${payload}.${signature}`,
    `${header}.${payload}=.${signature}`,
    `${header}.${payload}.${signature.slice(0, 20)}%20${signature.slice(20)}`,
    `${header}.${payload}.!${signature}`,
    token.replaceAll('_', '/').replaceAll('-', '+'),
    `"${token}"`,
    encodeURIComponent(`${token} `),
  ].filter((spelling) => spelling !== token);
  for (const spelling of spellings) {
    const answer = await ask(url, spelling);
    expect([401, 400], spelling.slice(-30)).toContain(answer.status);
  }
  for (const header of [`bearer ${token}`, `BEARER  ${token}`, `Bearer ${token} `]) {
    const answer = await ask(url, undefined, { headers: { authorization: header } });
    expect(answer.body.code, header.slice(0, 8)).toBe('token_revoked');
  }
});

test('the code of the response names the error of the token', async () => {
  const { issuer, url } = await openService();
  const now = Math.floor(Date.now() / 1000);
  const wrong: [string, string][] = [
    ['token_audience_wrong', issuer.token({ aud: 'orders' })],
    ['token_audience_wrong', issuer.token({ aud: undefined })],
    ['token_expired', issuer.token({ exp: now - 1 })],
    ['token_claim_wrong', issuer.token({ exp: undefined })],
    ['token_issuer_unknown', issuer.token({ iss: 'https://other.example' })],
    ['token_claim_wrong', issuer.token({ jti: undefined })],
    ['token_claim_wrong', issuer.token({ client_id: undefined })],
    ['token_type_wrong', issuer.token({}, 'rt+jwt')],
    ['token_type_wrong', issuer.token({}, 'secevent+jwt')],
    ['token_malformed', 'not.a.token'],
    ['token_malformed', 'x'.repeat(8_193)],
  ];
  for (const [code, token] of wrong) {
    const answer = await ask(url, token);
    expect(answer.body, code).toMatchObject({ error: 'invalid_token', code });
    expect(answer.status).toBe(401);
    expect(answer.challenge).toMatch(/^Bearer error="invalid_token"/);
  }
});

test('decisions are counted by their result', async () => {
  const { telemetry, counts } = createRemembering();
  const { issuer, url } = await openService({ telemetry });
  const token = issuer.token();
  await ask(url, token);
  await ask(url, 'rubbish');
  expect(counts.get('rescind_decisions_total accepted')).toBe(1);
  expect(counts.get('rescind_decisions_total token_malformed')).toBe(1);
});

test('every other text is refused, and the guard does not throw', async () => {
  const { issuer, middleware } = await openService();
  const token = issuer.token();
  const cut = fc.tuple(fc.nat(token.length), fc.nat(token.length), fc.string({ maxLength: 3 }));
  const texts = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    cut.map(([from, to, between]) => token.slice(0, from) + between + token.slice(to)).filter((text) => text !== token),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const decision = middleware.opened.decide(text);
      expect(decision).toMatchObject({ accepted: false, error: { status: 401 } });
    }),
    { numRuns: 500 },
  );
});
