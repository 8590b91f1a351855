import { generateKeyPairSync } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Decision, GuardOptions } from '@rescind/guard';
import { createGuard, profiles } from '@rescind/guard';
import * as jose from 'jose';
import { describe, expect, onTestFinished, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { openServer } from '../feed/server.ts';
import { openTestIssuer } from './issuer.ts';
import type { Recorded, RecordedIssuer } from './recorded-issuers.ts';
import { RECORDED } from './recorded-issuers.ts';
import { createRemembering, freshPath, openMiddleware } from './setting.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2_048 });

const codeOf = (decision: Decision) => (decision.accepted ? 'accepted' : decision.error.code);

/** A server that answers as this issuer does, and signs as it does. */
async function serveIssuer(recorded: RecordedIssuer) {
  const asked: string[] = [];
  const server = await openServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    const document = documents()[path];
    if (document === undefined) {
      response
        .writeHead(recorded.elsewhere, { 'content-type': 'text/html' })
        .end('<!DOCTYPE html><title>Error</title>');
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
  });
  const issuer = `${server.url}${recorded.path}`;
  const exported = publicKey.export({ format: 'jwk' });
  const encryption = { ...other.publicKey.export({ format: 'jwk' }), kid: 'enc', use: 'enc', alg: 'RSA-OAEP' };
  const documents = (): Record<string, unknown> => ({
    [recorded.metadataAt]: { issuer, jwks_uri: `${server.url}${recorded.jwksPath}`, token_endpoint: `${issuer}/token` },
    [recorded.jwksPath]: { keys: [encryption, { ...exported, kid: 'key-1', ...recorded.jwk }] },
  });

  async function sign({ header, payload }: Pick<Recorded, 'header' | 'payload'>): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const times = { iat: now, exp: now + 900, ...('nbf' in payload && { nbf: now }) };
    const protectedHeader = { ...header, kid: 'key-1' } as unknown as jose.JWTHeaderParameters;
    return new jose.SignJWT({ iss: issuer, ...payload, ...times }).setProtectedHeader(protectedHeader).sign(privateKey);
  }
  return { issuer, asked, sign };
}

async function openFor(recorded: RecordedIssuer, more: Partial<GuardOptions> = {}) {
  const served = await serveIssuer(recorded);
  const options = { ...profiles[recorded.profile], issuer: served.issuer, audience: recorded.audience };
  const opened = createGuard({ ...options, revocation: 'none', ...more });
  onTestFinished(() => opened.close());
  await opened.ready();
  return { ...served, opened, decide: async (token: Recorded) => codeOf(opened.decide(await served.sign(token))) };
}

describe.each(RECORDED.map((recorded) => [recorded.profile, recorded] as const))('%s', (_name, recorded) => {
  test('accepts its access tokens by the keys in its metadata', async () => {
    const { decide, asked } = await openFor(recorded);
    for (const token of recorded.accessTokens) expect(await decide(token), token.what).toBe('accepted');
    expect(asked).toContain(recorded.metadataAt);
    expect(asked.at(-1)).toBe(recorded.jwksPath);
  });

  test('refuses its other tokens, also with the configured audience', async () => {
    const { decide, opened, sign } = await openFor(recorded);
    for (const { what, header, payload } of recorded.otherTokens) {
      for (const claims of [
        payload,
        { ...payload, aud: recorded.audience },
        { ...payload, aud: [recorded.audience] },
      ]) {
        expect(await decide({ what, header, payload: claims }), what).toMatch(/^token_(?:claim|type|audience)_wrong$/);
      }
      // What OpenID Connect Core section 2 allows an ID token beside that makes no access token of it.
      const likeAnAccessToken = { azp: recorded.client, jti: 'a', sid: 'b', ...payload, aud: recorded.audience };
      expect(codeOf(opened.decide(await sign({ header, payload: likeAnAccessToken }))), what).not.toBe('accepted');
    }
  });

  test('refuses a token of another audience or key', async () => {
    const { decide, opened, sign } = await openFor(recorded);
    const [token] = recorded.accessTokens as readonly [Recorded];
    const claim = token.payload.aud === undefined ? 'client_id' : 'aud';
    expect(await decide({ ...token, payload: { ...token.payload, [claim]: 'another' } })).toBe('token_audience_wrong');
    const [header, payload] = (await sign(token)).split('.');
    const forged = `${header}.${payload}.${Buffer.alloc(256, 1).toString('base64url')}`;
    expect(codeOf(opened.decide(forged))).toBe('token_signature_wrong');
    const typed = { ...token, header: { ...token.header, typ: 'dpop+jwt' } };
    expect(await decide(typed)).toBe('token_type_wrong');
  });

  test("refuses the tokens of a client by a cut-off, whatever the issuer's name of the claim", async () => {
    const own = await openTestIssuer();
    const served = await serveIssuer(recorded);
    const { profile, audience } = recorded;
    const issuers = [{ ...profiles[profile], issuer: served.issuer, audience }];
    const { opened } = openMiddleware(own, { denylistPath: freshPath(), issuers });
    await opened.ready();
    const tokens = await Promise.all(recorded.accessTokens.filter(isOfClient).map(served.sign));
    expect(tokens.length).toBeGreaterThan(0);
    for (const token of tokens) expect(codeOf(opened.decide(token))).toBe('accepted');
    own.revoke({ iss: served.issuer, claim: 'client_id', value: recorded.client, issuedUntil: Date.now() });
    await waitFor('every token is refused', () =>
      tokens.every((token) => codeOf(opened.decide(token)) === 'token_revoked'),
    );
  });

  const isOfClient = ({ payload: { azp, appid, cid, client_id: id } }: Recorded) =>
    [azp, appid, cid, id].includes(recorded.client);
});

test('typ: null accepts a token without typ, and requires claims that distinguish it from an ID token', async () => {
  const [recorded] = RECORDED as readonly [RecordedIssuer];
  const options = { issuer: 'https://login.example', audience: 'prices', revocation: 'none', typ: null } as const;
  expect(() => createGuard(options)).toThrow(/^typ must be/);
  const { decide } = await openFor(recorded, { typ: null });
  const [token] = recorded.accessTokens as readonly [Recorded];
  for (const [typ, expected] of [
    [undefined, 'accepted'],
    ['JWT', 'accepted'],
    ['at+jwt', 'accepted'],
    ['logout+jwt', 'token_type_wrong'],
    ['secevent+jwt', 'token_type_wrong'],
  ] as const) {
    expect(await decide({ ...token, header: { alg: 'RS256', ...(typ && { typ }) } }), typ).toBe(expected);
  }
});

describe('metadata', () => {
  /** An issuer with a path whose three addresses answer what the test sets. */
  async function openWith(answers: readonly [Answer, Answer, Answer]) {
    const asked: string[] = [];
    const paths = [
      '/.well-known/oauth-authorization-server/tenant',
      '/tenant/.well-known/openid-configuration',
      '/tenant/.well-known/oauth-authorization-server',
    ];
    const server = await openServer((request, response) => {
      const path = request.url ?? '';
      asked.push(path);
      const answer = answers[paths.indexOf(path)];
      if (path === '/tenant/keys') response.end(JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] }));
      else if (answer === undefined) response.writeHead(404).end();
      else answer(response, server.url);
    });
    const { telemetry, lines, counts } = createRemembering();
    const issuer = `${server.url}/tenant`;
    const opened = createGuard({ issuer, audience: 'prices', revocation: 'none', telemetry });
    onTestFinished(() => opened.close());
    return { asked, opened, lines, counts, issuer, url: server.url };
  }
  type Answer = (response: ServerResponse, url: string) => unknown;
  const status =
    (code: number): Answer =>
    (response) =>
      response.writeHead(code, { location: '/elsewhere' }).end();
  const json =
    (document: (url: string) => object): Answer =>
    (response, url) =>
      response.end(JSON.stringify(document(url)));
  const good = json((url) => ({ issuer: `${url}/tenant`, jwks_uri: `${url}/tenant/keys` }));
  const html: Answer = (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
  const foreign = json((url) => ({ issuer: 'https://evil.example', jwks_uri: `${url}/stolen` }));
  const cut: Answer = (response) => response.destroy();

  test.each<[string, Answer]>([
    ...[301, 400, 401, 403, 404, 405, 410, 429, 500, 503].map((code): [string, Answer] => [`${code}`, status(code)]),
    ['200 with HTML', html],
    ['no answer', cut],
    ['those of another issuer', foreign],
    ['those without jwks_uri', json((url) => ({ issuer: `${url}/tenant` }))],
    ['a list', json(() => [])],
    ['more than is read', json(() => ({ padding: 'x'.repeat(70_000) }))],
    ['a jwks_uri that leads astray', json((url) => ({ issuer: `${url}/tenant`, jwks_uri: 'file:///etc/passwd' }))],
  ])('the next address is asked after %s', async (_what, first) => {
    for (const answers of [
      [first, good, first],
      [first, first, good],
    ] as const) {
      const { opened, asked } = await openWith(answers);
      await opened.ready();
      expect(asked.at(-1)).toBe('/tenant/keys');
      expect(asked).not.toContain('/stolen');
      expect(asked).not.toContain('/elsewhere');
      await opened.close();
    }
  });

  test('are read again if no address has them, and health has each address with its cause', async () => {
    const answers: [Answer, Answer, Answer] = [status(400), html, foreign];
    const { opened, lines, counts, url } = await openWith(answers);
    const check = () => opened.health().find(({ name }) => name === 'token_keys');
    await waitFor('health reports the causes', () => check()?.metadata);
    expect(check()?.status).toBe('fail');
    expect(check()?.metadata).toBe(
      [
        `${url}/.well-known/oauth-authorization-server/tenant: answered 400`,
        `${url}/tenant/.well-known/openid-configuration: not a JSON object`,
        `${url}/tenant/.well-known/oauth-authorization-server: of the issuer https://evil.example, not of ${url}/tenant`,
      ].join('; '),
    );
    await waitFor(
      'the metadata are requested again',
      () => (counts.get('rescind_metadata_failures_total unusable') ?? 0) >= 2,
    );
    expect(lines.filter((line) => line === 'warn metadata_unusable')).toHaveLength(1);
    answers[0] = cut;
    await waitFor('another cause is logged', () => lines.includes('warn metadata_unreachable'));
    answers[1] = good;
    await opened.ready();
    await waitFor('no cause is left', () => check()?.metadata === undefined && check()?.status === 'pass');
  });
});
