import { createHash } from 'node:crypto';
import type { Client, Issuer } from '@rescind/issuer';
import { createManualClock } from '@rescind/revocation';
import type { SigningKey } from '@rescind/token/signing';
import { createSigner, generateSigningKey, publicJwks } from '@rescind/token/signing';
import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { codeOf, createIssuerSetting, ISSUER, login, refresh } from './issuer-setting.ts';

const START = 1_800_000_000_000;
const SECOND = 1_000;

const secretClient: Client = { clientId: 'backend', name: 'Backend', authMethod: 'client_secret_basic' };

describe('the registry', () => {
  test('has the client web unless the host configures other clients', async () => {
    const own = await createIssuerSetting().open({ clients: [{ clientId: 'spa', name: 'Shop', authMethod: 'none' }] });
    expect((await own.clients.list()).map(({ clientId }) => clientId)).toEqual(['spa']);
    expect(await own.clients.find('web')).toBeUndefined();
    const byDefault = await createIssuerSetting().open({ clients: undefined as never });
    expect(await byDefault.clients.list()).toMatchObject([{ clientId: 'web', authMethod: 'none', disabled: false }]);
  });

  test('prefers a registered client to one in the options, also after a restart', async () => {
    const setting = createIssuerSetting();
    const first = await setting.open();
    await first.transaction((tx) =>
      tx.clients.put({ ...secretClient, audience: ['prices'], policy: { refreshIdleTtlMs: 'never' } }),
    );
    await first.transaction((tx) =>
      tx.clients.put({ clientId: 'web', name: 'Web', authMethod: 'none', disabled: true }),
    );
    await first.close();
    const issuer = await setting.open();
    expect(await issuer.clients.find('backend')).toMatchObject({
      audience: ['prices'],
      mayIntrospect: false,
      secretHashes: [],
    });
    expect(await codeOf(() => login(issuer))).toBe('client_invalid');
    expect(await issuer.transaction((tx) => tx.clients.remove('web'))).toBe(true);
    expect(await issuer.clients.find('web')).toMatchObject({ disabled: false });
    expect(await issuer.transaction((tx) => tx.clients.remove('nobody'))).toBe(false);
  });

  test('refuses login and refresh of a disabled or deleted client', async () => {
    const issuer = await createIssuerSetting().open();
    const answer = await login(issuer, 'ada', { clientId: 'app' });
    await issuer.transaction((tx) =>
      tx.clients.put({ clientId: 'app', name: 'App', authMethod: 'none', disabled: true }),
    );
    expect(await codeOf(() => login(issuer, 'ada', { clientId: 'app' }))).toBe('client_invalid');
    expect(await codeOf(() => refresh(issuer, answer, 'app'))).toBe('client_invalid');
    expect(await codeOf(() => login(issuer, 'ada', { clientId: 'nobody' }))).toBe('client_invalid');
    await issuer.transaction((tx) => tx.clients.put({ clientId: 'app', name: 'App', authMethod: 'none' }));
    expect((await refresh(issuer, answer, 'app')).sid).toBe(answer.sid);
  });

  test('limits the scope of a session to the scope of the client', async () => {
    const issuer = await createIssuerSetting().open();
    await issuer.transaction((tx) =>
      tx.clients.put({
        clientId: 'app',
        name: 'App',
        authMethod: 'none',
        scope: 'read',
        audience: ['prices', 'news'],
      }),
    );
    const begin = (more: object) =>
      issuer.transaction((tx) => tx.beginSession({ sub: 'ada', clientId: 'app', credentialVersion: 1, ...more }));
    expect((await begin({})).scope).toBe('read');
    expect((await issuer.verify((await begin({})).access_token)).payload.aud).toEqual(['prices', 'news']);
    expect((await issuer.verify((await begin({ audience: ['orders', 'news'] })).access_token)).payload.aud).toEqual([
      'news',
    ]);
    expect(await codeOf(() => begin({ scope: 'read write' }))).toBe('scope_invalid');
    expect(await codeOf(() => begin({ audience: 'orders' }))).toBe('target_invalid');
    const answer = await begin({ scope: 'read' });
    await issuer.transaction((tx) =>
      tx.clients.put({ clientId: 'app', name: 'App', authMethod: 'none', scope: 'write' }),
    );
    expect((await refresh(issuer, answer, 'app')).scope).toBe('');
  });

  const mistakes: [string, object, RegExp][] = [
    ['a colon in its id', { clientId: 'a:b' }, /clientId/],
    ['no name', { name: '' }, /name/],
    ['a method that is none', { authMethod: 'password' }, /authMethod/],
    ['a secret in the clear', { secretHashes: ['secret'] }, /secretHashes/],
    ['secrets of a public client', { authMethod: 'none', secretHashes: ['a'.repeat(43)] }, /secretHashes/],
    ['no keys', { authMethod: 'private_key_jwt' }, /jwks/],
    ['a private key', { authMethod: 'private_key_jwt', jwks: { keys: [{ kty: 'oct', k: 'x' }] } }, /jwks/],
    ['keys that nobody asks', { jwks: { keys: [] } }, /jwks/],
    ['half a second', { policy: { accessTokenTtlMs: 500 } }, /accessTokenTtlMs/],
    ['a grace of an hour', { policy: { refreshGraceMs: 3_600_000 } }, /refreshGraceMs/],
    ['an unknown policy', { policy: { sliding: true } }, /sliding/],
    ['a storage that is none', { policy: { storage: 'url' } }, /storage/],
  ];
  test.each(mistakes)('refuses %s and names the accepted values', async (_, wrong, message) => {
    const issuer = await createIssuerSetting().open();
    await expect(issuer.transaction((tx) => tx.clients.put({ ...secretClient, ...wrong } as Client))).rejects.toThrow(
      TypeError,
    );
    await expect(issuer.transaction((tx) => tx.clients.put({ ...secretClient, ...wrong } as Client))).rejects.toThrow(
      message,
    );
    expect(await issuer.clients.find('backend')).toBeUndefined();
  });

  test('rolls changes of clients back with their transaction', async () => {
    const issuer = await createIssuerSetting().open();
    const failing = issuer.transaction(async (tx) => {
      await tx.clients.put(secretClient);
      await tx.clients.addSecret('backend');
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await issuer.clients.find('backend')).toBeUndefined();
  });
});

describe('a secret', () => {
  const prove = (issuer: Issuer, secret: string, method: 'client_secret_basic' | 'client_secret_post') =>
    codeOf(() => issuer.clients.authenticate({ method, clientId: 'backend', secret }));

  test('is returned once and stored as a hash; both secrets work during a rotation', async () => {
    const issuer = await createIssuerSetting().open();
    await issuer.transaction((tx) => tx.clients.put(secretClient));
    const first = await issuer.transaction((tx) => tx.clients.addSecret('backend'));
    const second = await issuer.transaction((tx) => tx.clients.addSecret('backend'));
    const third = await issuer.transaction((tx) => tx.clients.addSecret('backend'));
    expect(await prove(issuer, first, 'client_secret_basic')).toBe('client_invalid');
    expect(await prove(issuer, second, 'client_secret_basic')).toBeUndefined();
    expect(await prove(issuer, third, 'client_secret_basic')).toBeUndefined();
    expect(await prove(issuer, third, 'client_secret_post')).toBe('client_invalid');
    const client = await issuer.clients.find('backend');
    expect(client?.secretHashes).toEqual(
      [second, third].map((secret) => createHash('sha256').update(secret).digest('base64url')),
    );
    await issuer.transaction((tx) =>
      tx.clients.put({ ...(client as Client), secretHashes: client?.secretHashes.slice(-1) ?? [] }),
    );
    expect(await prove(issuer, second, 'client_secret_basic')).toBe('client_invalid');
    expect(await codeOf(() => issuer.transaction((tx) => tx.clients.addSecret('nobody')))).toBe('client_unknown');
    await expect(issuer.transaction((tx) => tx.clients.addSecret('web'))).rejects.toThrow(TypeError);
  });

  test('gets the same response when missing, or of an unknown, public or disabled client', async () => {
    const issuer = await createIssuerSetting().open();
    await issuer.transaction((tx) => tx.clients.put(secretClient));
    const secret = await issuer.transaction((tx) => tx.clients.addSecret('backend'));
    for (const wrong of ['', 'x', `${secret} `, createHash('sha256').update(secret).digest('base64url')]) {
      expect(await prove(issuer, wrong, 'client_secret_basic')).toBe('client_invalid');
    }
    const methods = [
      { method: 'none', clientId: 'backend' },
      { method: 'client_secret_basic', clientId: 'web', secret },
      { method: 'client_secret_basic', clientId: 'nobody', secret },
    ] as const;
    for (const proof of methods) expect(await codeOf(() => issuer.clients.authenticate(proof))).toBe('client_invalid');
    expect((await issuer.clients.authenticate({ method: 'none', clientId: 'web' })).clientId).toBe('web');
    const client = (await issuer.clients.find('backend')) as Client;
    await issuer.transaction((tx) => tx.clients.put({ ...client, disabled: true }));
    expect(await prove(issuer, secret, 'client_secret_basic')).toBe('client_invalid');
  });
});

describe('an assertion (RFC 7523)', () => {
  const key = generateSigningKey('ES256');
  const jwks = publicJwks([key]);
  const scene = async () => {
    const clock = createManualClock(START);
    const setting = createIssuerSetting();
    const issuer = await setting.open({ clock });
    await issuer.transaction((tx) =>
      tx.clients.put({ clientId: 'robot', name: 'Robot', authMethod: 'private_key_jwt', jwks }),
    );
    return { clock, setting, issuer };
  };
  const claims = { iss: 'robot', sub: 'robot', aud: ISSUER, jti: 'one', iat: START / 1000, exp: START / 1000 + 60 };
  const assertionOf = (more: object = {}, by: SigningKey = key, typ = 'JWT') =>
    createSigner(by, { typ })({ ...claims, ...more });
  const prove = (issuer: Issuer, assertion: string, more: object = {}) =>
    codeOf(() => issuer.clients.authenticate({ method: 'private_key_jwt', assertion, ...more }));

  test('is accepted once, also after a restart', async () => {
    const { issuer, setting, clock } = await scene();
    expect(await prove(issuer, assertionOf())).toBeUndefined();
    expect(await prove(issuer, assertionOf())).toBe('client_invalid');
    expect(await prove(issuer, assertionOf({ exp: claims.exp + 1 }))).toBe('client_invalid');
    await issuer.close();
    const again = await setting.open({ clock });
    expect(await prove(again, assertionOf())).toBe('client_invalid');
    expect(await prove(again, assertionOf({ jti: 'two' }))).toBeUndefined();
  });

  test('is accepted without typ, as other libraries send it', async () => {
    const { issuer } = await scene();
    const untyped = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: key.kid }).sign(key.privateKey);
    expect(await prove(issuer, untyped)).toBeUndefined();
  });

  test('requires the issuer as its only audience, as a string or a list of one', async () => {
    const { issuer } = await scene();
    const endpoint = `${ISSUER}/oauth2/token`;
    const others = [
      endpoint,
      [endpoint],
      [ISSUER, endpoint],
      [ISSUER, ISSUER],
      [],
      `${ISSUER}/`,
      { 0: ISSUER },
      undefined,
    ];
    for (const aud of others) expect(await prove(issuer, assertionOf({ aud }))).toBe('client_invalid');
    expect(await prove(issuer, assertionOf({ aud: [ISSUER] }))).toBeUndefined();
    expect(await prove(issuer, assertionOf({ jti: 'two' }))).toBeUndefined();
  });

  test('is accepted without iat, and refused when iat or nbf is in the future', async () => {
    const { issuer } = await scene();
    const { iat: _made, ...undated } = claims;
    const sign = (more: object) =>
      new SignJWT({ ...undated, ...more }).setProtectedHeader({ alg: 'ES256', kid: key.kid }).sign(key.privateKey);
    const later = START / 1000 + 120;
    for (const ahead of [{ iat: later }, { nbf: later }, { iat: 'now' }, { iat: null }]) {
      expect(await prove(issuer, await sign({ ...ahead, exp: later + 60 }))).toBe('client_invalid');
    }
    expect(await prove(issuer, await sign({}))).toBeUndefined();
  });

  test('does not consume its jti when it is refused for another reason', async () => {
    const { issuer, clock } = await scene();
    const unsigned = `${assertionOf().split('.').slice(0, 2).join('.')}.`;
    const wrong: [string, object?][] = [
      [assertionOf({ exp: claims.iat - 1 })],
      [assertionOf({ exp: claims.iat + 600 })],
      [assertionOf({ sub: 'web' })],
      [assertionOf({ iss: 'web' })],
      [assertionOf({ jti: undefined })],
      [assertionOf({ jti: 'x'.repeat(300) })],
      [assertionOf({ aud: 'https://other.example' })],
      [assertionOf({}, generateSigningKey('ES256'))],
      [assertionOf({}, key, 'at+jwt')],
      [assertionOf(), { clientId: 'backend' }],
      [unsigned],
      ['x.y.z'],
      [''],
    ];
    for (const [assertion, more] of wrong) expect(await prove(issuer, assertion, more)).toBe('client_invalid');
    expect(await prove(issuer, assertionOf(), { clientId: 'robot' })).toBeUndefined();
    clock.advance(61 * SECOND);
    expect(await prove(issuer, assertionOf({ jti: 'late' }))).toBe('client_invalid');
  });
});
