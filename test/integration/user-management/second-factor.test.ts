import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { createAuthenticator } from '../../support/authenticator.ts';
import { openUserManagement, USER } from '../../support/user-management.ts';

const PROOF = { password: USER.password };

async function started(environment?: Record<string, string>) {
  const service = await openUserManagement(environment);
  await service.register();
  const del = (path: string, access: string, body: object) =>
    service.send(path, {
      method: 'DELETE',
      headers: { 'Content-Type': 'application/json', ...service.asBearer(access) },
      body: JSON.stringify(body),
    });
  return { ...service, del };
}

/** A user with a second factor, logged in by it. */
async function enrolled(environment?: Record<string, string>) {
  const service = await started(environment);
  const { access } = await service.login();
  const secret = await service.post('/totp', PROOF, service.asBearer(access));
  expect([secret.status, secret.headers.get('cache-control')]).toEqual([200, 'no-store']);
  const authenticator = createAuthenticator(String(secret.body.uri));
  const confirmed = await service.post(
    '/totp/confirm',
    { ...PROOF, totp: authenticator.code() },
    service.asBearer(access),
  );
  const recoveryCodes = confirmed.body.recoveryCodes as string[];
  return { ...service, authenticator, secret, recoveryCodes, before: access, confirmed: service.tokensOf(confirmed) };
}

describe('a second factor', () => {
  test('applies from its confirmation, and is named in the tokens', async () => {
    const service = await started();
    const { access } = await service.login();
    expect(decodeJwt(access)).toMatchObject({ amr: ['pwd'], acr: 'aal1' });
    const nothing = await service.post('/totp/confirm', { ...PROOF, totp: '000000' }, service.asBearer(access));
    expect([nothing.status, nothing.body.code]).toEqual([409, 'second_factor_state']);

    const { body } = await service.post('/totp', PROOF, service.asBearer(access));
    expect(body.uri).toContain(`secret=${body.secret}`);
    // Before the confirmation the password is sufficient, and a wrong code changes nothing.
    expect((await service.post('/login', USER)).status).toBe(200);
    const wrong = await service.post('/totp/confirm', { ...PROOF, totp: '000000' }, service.asBearer(access));
    expect([wrong.status, wrong.body.code]).toEqual([401, 'second_factor_wrong']);

    const authenticator = createAuthenticator(String(body.uri));
    const answer = await service.post(
      '/totp/confirm',
      { ...PROOF, totp: authenticator.code() },
      service.asBearer(access),
    );
    expect(decodeJwt(service.tokensOf(answer).access)).toMatchObject({ amr: ['pwd', 'otp', 'mfa'], acr: 'aal2' });
    expect(new Set(answer.body.recoveryCodes as string[]).size).toBe(10);

    const without = await service.post('/login', USER);
    expect([without.status, without.body.code]).toEqual([401, 'second_factor_required']);
    const login = await service.login({ totp: authenticator.code() });
    expect(decodeJwt(login.access)).toMatchObject({ amr: ['pwd', 'otp', 'mfa'], acr: 'aal2' });
    const again = await service.post('/totp', PROOF, service.asBearer(login.access));
    expect([again.status, again.body.code]).toEqual([409, 'second_factor_state']);
  });

  test('is not revealed without the right password', async () => {
    const service = await enrolled();
    const wrong = await service.post('/login', { ...USER, password: 'not the password' });
    const unknown = await service.post('/login', { ...USER, username: 'nobody', totp: '123456' });
    expect([wrong.status, wrong.text]).toEqual([unknown.status, unknown.text]);
  });

  test('accepts a code once', async () => {
    const service = await enrolled();
    const replayed = await service.post('/login', { ...USER, totp: service.authenticator.sameCode() });
    expect([replayed.status, replayed.body.code]).toEqual([401, 'totp_used']);
    const totp = service.authenticator.code();
    const answers = await Promise.all(Array.from({ length: 4 }, () => service.post('/login', { ...USER, totp })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401]);
    expect(answers.filter(({ body }) => body.code === 'totp_used')).toHaveLength(3);
  });

  test('is replaced by a recovery code while guesses of its codes are refused', async () => {
    const service = await enrolled({ TRUSTED_PROXIES: 'loopback' });
    const from = (address: string) => ({ 'X-Forwarded-For': address });
    const [good = '', another = ''] = service.recoveryCodes;
    const totp = service.authenticator.code();
    const login = (address: string, proof: object) => service.post('/login', { ...USER, ...proof }, from(address));
    for (let index = 0; index < 25; index++) await login(`203.0.113.${index}`, { totp: '000000' });
    expect((await login('198.51.100.1', { totp })).status).toBe(429);
    expect((await login('198.51.100.1', { recoveryCode: good, totp: '000000' })).status).toBe(429);
    expect((await login('198.51.100.1', { recoveryCode: 'AAAA-AAAA-AAAA-AAAA' })).status).toBe(429);
    expect((await login('198.51.100.1', { recoveryCode: good })).status).toBe(200);
    // The same applies to operations of a session.
    const prove = (proof: object) =>
      service.post('/reauthenticate', { ...PROOF, ...proof }, service.asBearer(service.confirmed.access));
    for (let index = 0; index < 6; index++) await prove({ totp: '000000' });
    expect((await prove({ totp })).status).toBe(429);
    expect((await prove({ recoveryCode: another })).status).toBe(200);
  });

  test('is replaced by a recovery code, each once, however it is typed', async () => {
    const service = await enrolled();
    const [first = '', second = ''] = service.recoveryCodes;
    const login = await service.login({ recoveryCode: first.toLowerCase().replaceAll('-', ' ') });
    expect(decodeJwt(login.access)).toMatchObject({ acr: 'aal2' });
    expect((await service.post('/login', { ...USER, recoveryCode: first })).body.code).toBe('recovery_code_used');
    const account = await service.send('/account', { headers: service.asBearer(login.access) });
    expect(account.body).toMatchObject({ secondFactor: true, recoveryCodesLeft: 9 });

    const proof = { password: USER.password, totp: service.authenticator.code() };
    const renewed = await service.post('/totp/recovery-codes', proof, service.asBearer(login.access));
    expect(renewed.body.recoveryCodes).toHaveLength(10);
    expect((await service.post('/login', { ...USER, recoveryCode: second })).status).toBe(401);
    const [fresh = ''] = renewed.body.recoveryCodes as string[];
    expect((await service.post('/login', { ...USER, recoveryCode: fresh })).status).toBe(200);
  });

  test('is removed only with password and code', async () => {
    const service = await enrolled();
    const { access } = service.confirmed;
    const [code = ''] = service.recoveryCodes;
    const remove = (body: object) => service.del('/totp', access, body);
    expect((await remove({ password: USER.password })).body.code).toBe('second_factor_required');
    expect((await remove({ password: 'not the password', recoveryCode: code })).body.code).toBe('credentials_wrong');
    const removed = await remove({ password: USER.password, recoveryCode: code });
    expect(decodeJwt(service.tokensOf(removed).access)).toMatchObject({ amr: ['pwd'], acr: 'aal1' });
    expect((await service.post('/login', USER)).status).toBe(200);
    const gone = await service.del('/totp', service.tokensOf(removed).access, { password: USER.password });
    expect([gone.status, gone.body.code]).toEqual([409, 'second_factor_state']);
  });

  test('limits guesses with the right password to five an hour', async () => {
    const service = await enrolled();
    const guesses = [];
    for (let index = 0; index < 7; index++) {
      guesses.push((await service.post('/login', { ...USER, totp: '000000' })).status);
    }
    expect(guesses.slice(0, 5)).toEqual(Array(5).fill(401));
    expect(guesses.slice(5)).toEqual([429, 429]);
  });
});

describe('repeated requests', () => {
  test('do not count as guesses for used codes, by login and by token', async () => {
    const service = await enrolled();
    const [first, second] = service.recoveryCodes;
    const { access } = await service.login({ recoveryCode: first });
    const prove = (body: object) => service.post('/reauthenticate', body, service.asBearer(access));
    for (let index = 0; index < 12; index++) {
      const code = await service.post('/login', { ...USER, totp: service.authenticator.sameCode() });
      const recovery = await service.post('/login', { ...USER, recoveryCode: first });
      const byToken = await prove({ ...PROOF, recoveryCode: first });
      expect([code.body.code, recovery.body.code, byToken.body.code]).toEqual([
        'totp_used',
        'recovery_code_used',
        'recovery_code_used',
      ]);
    }
    expect((await service.post('/login', { ...USER, totp: service.authenticator.code() })).status).toBe(200);
    expect((await prove({ ...PROOF, recoveryCode: second })).status).toBe(200);
  });

  test('do not count as guesses for concurrent changes of the password and the factor', async () => {
    const service = await enrolled();
    const { access } = service.confirmed;
    const codes = [...service.recoveryCodes];
    const remove = { ...PROOF, recoveryCode: codes.shift() };
    const twice = await Promise.all([service.del('/totp', access, remove), service.del('/totp', access, remove)]);
    expect(twice.filter(({ status }) => status === 200)).toHaveLength(1);
    const again = await service.login();
    const change = { currentPassword: USER.password, newPassword: 'another correct horse' };
    const changes = await Promise.all(
      [1, 2].map(() => service.post('/password', change, service.asBearer(again.access))),
    );
    expect(changes.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { body } of [...twice, ...changes]) expect(body.code).not.toBe('credentials_wrong');
    expect((await service.login({ password: change.newPassword })).answer.sid).toBeDefined();
  });

  test('admit the owner from a new address while an attacker with the password guesses codes', async () => {
    const service = await enrolled({ TRUSTED_PROXIES: 'loopback' });
    const login = (address: string, totp: string) =>
      service.post('/login', { ...USER, totp }, { 'X-Forwarded-For': address });
    const guesses = [];
    for (let index = 0; index < 12; index++) guesses.push((await login(`203.0.113.${index % 2}`, '000000')).status);
    expect(guesses.filter((status) => status === 401)).toHaveLength(10);
    expect((await login('198.51.100.7', service.authenticator.code())).status).toBe(200);
  });
});

describe('security 24: a change of the second factor', () => {
  test('ends every other session, and continues this one', async () => {
    const service = await started();
    const [here, elsewhere] = [await service.login(), await service.login()];
    const { body } = await service.post('/totp', PROOF, service.asBearer(here.access));
    expect(await service.accepts(elsewhere.access)).toBe(400);
    const authenticator = createAuthenticator(String(body.uri));
    const answer = await service.post(
      '/totp/confirm',
      { ...PROOF, totp: authenticator.code() },
      service.asBearer(here.access),
    );
    const tokens = service.tokensOf(answer);
    expect(tokens.answer.sid).toBe(here.answer.sid);
    expect(await service.accepts(elsewhere.access)).toBe(401);
    expect((await service.refresh(elsewhere.refresh)).status).toBe(400);
    expect(await service.accepts(here.access)).toBe(401);
    expect(await service.accepts(tokens.access)).toBe(400);
    const refreshed = service.tokensOf(await service.refresh(here.refresh));
    expect(decodeJwt(refreshed.access)).toMatchObject({ acr: 'aal2' });
  });
});

describe('the key that seals secrets', () => {
  test('is readable by its owner only, and required at the start once a secret is sealed', async () => {
    const service = await started();
    const { access } = await service.login();
    const file = join(service.directory, 'keys', 'account-secrets.key');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await service.post('/totp', PROOF, service.asBearer(access));
    await service.close();

    const place = { ISSUER: service.url, PORT: new URL(service.url).port };
    const again = () => openUserManagement(place, service.directory);
    chmodSync(file, 0o644);
    await expect(again()).rejects.toThrow('chmod 600');
    const key = readFileSync(file, 'utf8');
    rmSync(file);
    await expect(again()).rejects.toThrow('is missing');
    writeFileSync(file, 'nonsense', { mode: 0o600 });
    await expect(again()).rejects.toThrow('must hold a key');
    writeFileSync(file, randomBytes(32).toString('base64url'), { mode: 0o600 });
    await expect(again()).rejects.toThrow('holds another key');
    writeFileSync(file, key, { mode: 0o600 });
    expect((await again()).url).toBe(service.url);
  });
});
