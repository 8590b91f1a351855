import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { silentTelemetry } from '@rescind/revocation';
import { createSigner, generateSigningKey, publicJwks } from '@rescind/token/signing';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { hostileTokens, KEY_ADDRESS, otherSignature } from '../../unit/hostile/corpus.ts';
import type { HostileToken } from '../../unit/hostile/hostile-token.ts';
import { signedToken } from '../../unit/token/raw-tokens.ts';
import { openTestIssuer } from '../guard/issuer.ts';
import { ask, createRemembering, freshPath, openMiddleware, serveGuarded } from '../guard/setting.ts';

const ec = generateSigningKey('ES256');

/** A guarded service whose issuer has a key of each kind. */
async function openService(telemetry = silentTelemetry) {
  const issuer = await openTestIssuer();
  let fetches = 0;
  issuer.metadata = { jwks_uri: `${issuer.url}/keys` };
  issuer.documents.set('/keys', () => {
    fetches += 1;
    return publicJwks([issuer.key, ec]);
  });
  const middleware = openMiddleware(issuer, { denylistPath: freshPath(), telemetry });
  await middleware.ready();
  const claims = JSON.parse(Buffer.from(issuer.token().split('.')[1] ?? '', 'base64url').toString());
  const good = { rsa: issuer.key, ec, claims };
  return { issuer, guard: middleware.opened, middleware, good, fetches: () => fetches };
}

const codeOf = (decision: { accepted: true } | { accepted: false; error: { code: string } }) =>
  decision.accepted ? 'accepted' : decision.error.code;

/** Whether a text can be the value of a header: other texts are neither sent by HTTP clients nor accepted by servers. */
const fitsAHeader = ({ text }: HostileToken) => /^[\x20-\x7e]+$/.test(text) && text.trim() === text;

test('security 1 to 16: decision and request refuse every hostile token', async () => {
  const { good, guard, middleware } = await openService();
  const url = await serveGuarded(middleware);
  for (const { text, what, code, security } of hostileTokens(good)) {
    expect(codeOf(guard.decide(text)), `security ${security}: ${what}`).toBe(code);
    // Decided again: a refused token is not cached.
    expect(codeOf(guard.decide(text)), `security ${security}: ${what}, again`).toBe(code);
  }
  for (const token of hostileTokens(good).filter(fitsAHeader)) {
    const { status, body } = await ask(url, token.text).catch(() => ({ status: 431, body: {} }));
    const what = `security ${token.security}: ${token.what}`;
    expect([400, 401, 431], what).toContain(status);
    if (status === 401) expect([token.code, 'token_missing'], what).toContain((body as { code?: string }).code);
  }
  expect(codeOf(guard.decide(signedToken({ alg: 'ES256', typ: 'at+jwt', kid: ec.kid }, good.claims, ec)))).toBe(
    'accepted',
  );
});

test('security 4: an address in a header is never fetched, whatever the signature', async () => {
  let requests = 0;
  const listener = createServer((_request, response) => {
    requests += 1;
    response.end(JSON.stringify(publicJwks([ec])));
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void listener.close());
  const address = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/jwks.json`;

  const { issuer, good, guard } = await openService();
  const thief = generateSigningKey('RS256');
  const members = { jku: address, x5u: address, jwk: publicJwks([thief]).keys[0] };
  for (const [key, kid] of [
    [thief, thief.kid],
    [thief, good.rsa.kid],
    [good.rsa, 'unknown'],
    [good.rsa, good.rsa.kid],
  ] as const) {
    const token = signedToken({ alg: 'RS256', typ: 'at+jwt', kid, ...members }, good.claims, key);
    await guard.decideOnline(token);
  }
  for (const { text } of hostileTokens(good).filter(({ security }) => security === 4)) {
    await guard.decideOnline(text.replace(KEY_ADDRESS, address));
  }
  // The listener can be reached: its only request is this one.
  await fetch(address);
  expect(requests).toBe(1);
  expect(codeOf(guard.decide(issuer.token()))).toBe('accepted');
});

test('security 6: 10 000 random kids cause one fetch at most', async () => {
  const { good, guard, fetches } = await openService();
  const before = fetches();
  const [, p, s] = signedToken({ alg: 'RS256', typ: 'at+jwt', kid: good.rsa.kid }, good.claims, good.rsa).split('.');
  const strangers = Array.from({ length: 10_000 }, (_, at) => {
    const header = Buffer.from(JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid: `stranger-${at}` }));
    return `${header.toString('base64url')}.${p}.${s}`;
  });
  const decisions = await Promise.all(strangers.map((token) => guard.decideOnline(token)));
  expect(new Set(decisions.map(codeOf))).toEqual(new Set(['token_key_unknown']));
  expect(fetches() - before).toBeLessThanOrEqual(1);
});

test('security 9 and 17: the cache accepts only the exact text that was verified', async () => {
  const { issuer, good, guard } = await openService();
  const token = signedToken({ alg: 'ES256', typ: 'at+jwt', kid: ec.kid }, good.claims, ec);
  const others = [token, issuer.token()];
  for (const one of others) expect(codeOf(guard.decide(one))).toBe('accepted');
  const change = fc.oneof(
    fc.tuple(fc.nat(), fc.constantFrom(...'Aa09-_. =+/\n\0é')).map(([at, char]) => (text: string) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + char + text.slice(place + 1);
    }),
    fc.nat().map((at) => (text: string) => text.slice(0, at % text.length)),
    // Another beginning before the same last characters, which the cache hashes.
    fc.nat().map((at) => (text: string) => text.slice(at % (text.length - 20))),
    fc.string({ maxLength: 20 }).map((more) => (text: string) => more + text),
  );
  fc.assert(
    fc.property(fc.constantFrom(...others), change, (one, by) => {
      const other = by(one);
      fc.pre(!others.includes(other));
      expect(guard.decide(other).accepted).toBe(false);
      expect(guard.decide(one).accepted).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test('security 20: a revoked token is refused in its other signature too', async () => {
  const { issuer, good, guard } = await openService();
  const token = signedToken({ alg: 'ES256', typ: 'at+jwt', kid: ec.kid }, good.claims, ec);
  const twin = otherSignature(token);
  // Both are cached, so the cache has to refuse them.
  expect([token, twin].map((one) => codeOf(guard.decide(one)))).toEqual(['accepted', 'accepted']);
  issuer.revoke({ claim: 'jti', value: String(good.claims.jti) });
  await waitFor('the token is refused', () => codeOf(guard.decide(token)) === 'token_revoked');
  expect(codeOf(guard.decide(twin))).toBe('token_revoked');
  expect(codeOf(guard.decide(`${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`))).not.toBe('accepted');
});

test('security 11: the guard decodes no token beyond the limit, cached or not', async () => {
  const { guard } = await openService();
  const text = `${'A'.repeat(20_000)}.${'B'.repeat(20_000)}.${'C'.repeat(1_000_000)}`;
  const work = [vi.spyOn(Buffer, 'from'), vi.spyOn(JSON, 'parse')];
  const codes = [guard.decide(text), guard.decide(text)].map(codeOf);
  const calls = work.map((spy) => spy.mock.calls.filter(([first]) => String(first).includes('AAAA')).length);
  vi.restoreAllMocks();
  expect(codes).toEqual(['token_malformed', 'token_malformed']);
  expect(calls).toEqual([0, 0]);
});

test('security 65: nothing of a hostile token is in an error, a metric or a log line', async () => {
  const { telemetry, counts, lines } = createRemembering();
  const { good, guard } = await openService(telemetry);
  const secret = 'hunter2-hunter2';
  const claims = { ...good.claims, jti: secret, sub: secret };
  const tokens = [
    ...hostileTokens({ ...good, claims }).map(({ text }) => text),
    signedToken({ alg: 'RS256', typ: 'at+jwt', kid: secret }, claims, good.rsa),
    createSigner(good.rsa, { typ: secret })(claims),
  ];
  for (const token of tokens) {
    const decision = guard.decide(token);
    if (decision.accepted) continue;
    const { message, detail, stack, code } = decision.error;
    expect([message, detail, stack, code].join(' ')).not.toContain(secret);
  }
  expect([...counts.keys(), ...lines].join(' ')).not.toContain(secret);
});
