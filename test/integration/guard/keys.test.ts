import { publicJwks } from '@rescind/token/signing';
import { expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { openTestIssuer } from './issuer.ts';
import { ask, createRemembering, freshPath, openMiddleware, serveGuarded } from './setting.ts';

test('a token of a new key is decided after one fetch, and invalid tokens cause no more fetches', async () => {
  const issuer = await openTestIssuer();
  const middleware = openMiddleware(issuer, { denylistPath: freshPath() });
  await middleware.ready();
  const url = await serveGuarded(middleware);
  const requests = issuer.keyRequests();
  issuer.rotate(true);
  const token = issuer.token();
  expect(middleware.opened.decide(token)).toMatchObject({ error: { code: 'token_key_unknown' } });
  expect((await ask(url, token)).status).toBe(200);
  expect(issuer.keyRequests()).toBe(requests + 1);

  const strangers = Array.from({ length: 200 }, (_, index) => {
    const header = Buffer.from(JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid: `kid-${index}` }));
    return `${header.toString('base64url')}.${token.split('.').slice(1).join('.')}`;
  });
  for (const stranger of strangers) expect((await ask(url, stranger)).body.code).toBe('token_key_unknown');
  expect(issuer.keyRequests()).toBe(requests + 1);
});

test('new key material under an old kid is fetched when a signature is wrong, and forged tokens cause no more fetches', async () => {
  const issuer = await openTestIssuer();
  const { key } = issuer;
  const middleware = openMiddleware(issuer, { denylistPath: freshPath() });
  await middleware.ready();
  const url = await serveGuarded(middleware);
  const old = issuer.token();
  expect((await ask(url, old)).status).toBe(200);
  const requests = issuer.keyRequests();
  issuer.rotate(false);
  const renamed = { ...issuer.key, kid: key.kid };
  issuer.publishOnly(renamed);
  const token = issuer.sign({ ...decoded(old), jti: 'renewed' }, 'at+jwt', renamed);
  expect(middleware.opened.decide(token)).toMatchObject({ error: { code: 'token_signature_wrong' } });
  expect((await ask(url, token)).status).toBe(200);
  expect(issuer.keyRequests()).toBe(requests + 1);
  // The key that verified it is gone.
  expect((await ask(url, old)).body.code).toBe('token_signature_wrong');

  const [header, payload, signature = ''] = token.split('.');
  const forged = Array.from({ length: 200 }, (_, index) => {
    const bytes = Buffer.from(signature, 'base64url');
    bytes[index] = (bytes[index] ?? 0) ^ 1;
    return `${header}.${payload}.${bytes.toString('base64url')}`;
  });
  for (const one of forged) expect((await ask(url, one)).body.code).toBe('token_signature_wrong');
  const none = Buffer.from(JSON.stringify({ alg: 'PS256', typ: 'at+jwt', kid: key.kid })).toString('base64url');
  for (const one of forged) {
    const other = `${none}.${one.split('.').slice(1).join('.')}`;
    expect((await ask(url, other)).body.code).toBe('token_signature_wrong');
  }
  expect(issuer.keyRequests()).toBe(requests + 1);
  // They do not delay the fetch of a new key either.
  issuer.publish();
  expect((await ask(url, issuer.token())).status).toBe(200);
});

const decoded = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

test('keys come from the address in the metadata, also after a restart without metadata', async () => {
  const issuer = await openTestIssuer();
  const { key } = issuer;
  issuer.rotate(false);
  issuer.metadata = { jwks_uri: `${issuer.url}/keys` };
  issuer.documents.set('/keys', () => publicJwks([issuer.key]));
  expect(issuer.key).not.toBe(key);
  const denylistPath = freshPath();
  const first = openMiddleware(issuer, { denylistPath });
  await first.ready();
  const token = issuer.token();
  expect(first.opened.decide(token).accepted).toBe(true);
  await first.close();

  issuer.metadata = undefined;
  const second = openMiddleware(issuer, { denylistPath });
  await second.ready();
  expect(second.opened.decide(token).accepted).toBe(true);
});

test('metadata of another issuer, and unusable ones, change no address', async () => {
  const issuer = await openTestIssuer();
  for (const metadata of [
    { issuer: 'https://other.example', jwks_uri: `${issuer.url}/keys` },
    { jwks_uri: 'file:///etc/passwd' },
    { jwks_uri: 'http://user:secret@127.0.0.1/keys' },
    { jwks_uri: ['http://127.0.0.1/keys'] },
    { padding: 'x'.repeat(70_000) },
  ]) {
    issuer.metadata = metadata;
    const { telemetry, lines } = createRemembering();
    const middleware = openMiddleware(issuer, { denylistPath: freshPath(), telemetry });
    await middleware.ready();
    expect(lines).toContain('warn metadata_unusable');
    expect(middleware.opened.decide(issuer.token()).accepted).toBe(true);
    await middleware.close();
  }
});

test('keys that moved are fetched from the new address while the old ones verify', async () => {
  const issuer = await openTestIssuer();
  const denylistPath = freshPath();
  const first = openMiddleware(issuer, { denylistPath });
  await first.ready();
  await first.close();

  issuer.rotate(false);
  issuer.metadata = { jwks_uri: `${issuer.url}/keys` };
  issuer.documents.set('/keys', () => publicJwks([issuer.key]));
  const second = openMiddleware(issuer, { denylistPath });
  await second.ready();
  const token = issuer.token();
  await waitFor('the new place is taken', async () => (await second.opened.decideOnline(token)).accepted);
});

test('an issuer has another address than its name', async () => {
  const issuer = await openTestIssuer();
  const name = 'https://login.example';
  issuer.metadata = { issuer: name, jwks_uri: `${name}/keys` };
  issuer.documents.set('/keys', () => publicJwks([issuer.key]));
  const { telemetry, lines } = createRemembering();
  const middleware = openMiddleware(issuer, {
    denylistPath: freshPath(),
    issuer: name,
    issuerUrl: issuer.url,
    telemetry,
  });
  await waitFor('its keys are found', () => lines.includes('info keys_located'));
  // Its log has another name, so it never becomes ready here; the token itself is good.
  const code = () => {
    const decision = middleware.opened.decide(issuer.token({ iss: name }));
    return decision.accepted ? 'accepted' : decision.error.code;
  };
  await waitFor('the keys are fetched', () => code() !== 'keys_unavailable');
  expect(code()).toBe('view_not_ready');
});

test('keys with a configured address are fetched from no other', async () => {
  const issuer = await openTestIssuer();
  issuer.documents.set('/mine', () => publicJwks([issuer.key]));
  const middleware = openMiddleware(issuer, { denylistPath: freshPath(), jwksUrl: `${issuer.url}/mine` });
  await middleware.ready();
  expect(middleware.opened.decide(issuer.token()).accepted).toBe(true);
  expect(issuer.keyRequests()).toBe(0);
});
