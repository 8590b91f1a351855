import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openAdministered, secretOf } from '../../support/administration.ts';
import { createAuthenticator } from '../../support/authenticator.ts';
import { FEED_SECRET, openUserManagement, USER } from '../../support/user-management.ts';
import { webhookReceiver } from '../../support/webhook-receiver.ts';

/** Collects the secrets of a run. */
function keptSecrets() {
  // The first half of a refresh token finds its row; only the second half is a secret.
  const selectors: string[] = [];
  const secrets: string[] = [];
  return {
    selectors,
    secrets,
    keep: <T extends { access: string; refresh: string }>(answer: T): T => {
      const [selector = '', verifier] = answer.refresh.split('.');
      secrets.push(answer.access, ...answer.access.split('.').slice(1));
      // A call by access token answers no refresh token.
      if (verifier === undefined) return answer;
      selectors.push(selector);
      secrets.push(verifier);
      return answer;
    },
    add: <T>(...more: T[]) => {
      secrets.push(...more.map(String));
      return more[0] as T;
    },
  };
}

test('security 64, 65: logs OWASP’s event names, and no secret of the run', async () => {
  const receiver = await webhookReceiver(0);
  const service = await openAdministered({ LOG_LEVEL: 'debug', REFRESH_GRACE: '0s', ...receiver.environment });
  const { secrets, selectors, keep, add } = keptSecrets();
  const [next, last] = ['another correct horse', 'yet another correct horse'];
  add(USER.password, FEED_SECRET, 'not the password', next, last, secretOf('ada'), receiver.secret);
  const del = (path: string, access: string, body: object) =>
    service.send(path, {
      method: 'DELETE',
      headers: { 'Content-Type': 'application/json', ...service.asBearer(access) },
      body: JSON.stringify(body),
    });

  // Logins and logouts, and their failures.
  await service.post('/login', { ...USER, password: 'not the password' });
  const first = keep(await service.login({ deviceName: 'a telephone' }));
  const second = keep(service.tokensOf(await service.refresh(first.refresh)));
  await service.refresh(first.refresh);
  expect(await service.accepts(second.access)).toBe(401);
  const third = keep(await service.login());
  await service.form('/oauth2/revoke', { token: third.access });
  const fourth = keep(await service.login());
  const change = { currentPassword: USER.password, newPassword: next };
  const fifth = keep(service.tokensOf(await service.post('/password', change, service.asBearer(fourth.access))));
  await service.send(`/nowhere/${fifth.access}?access_token=${fifth.access}`);
  await service.send('/logout', { method: 'POST', headers: service.asBearer(fifth.access) });
  await service.send('/revocations', { headers: { Authorization: `Basic ${btoa(`prices:${FEED_SECRET}x`)}` } });
  const inCookie = await service.post('/login', { ...USER, password: next, storage: 'cookie' });
  const [cookie = ''] = /(?<==)[^;]+/.exec(inCookie.headers.get('set-cookie') ?? '') ?? [];
  add(inCookie.body.access_token, cookie.split('.').at(-1));
  await service.form('/oauth2/token', { grant_type: 'refresh_token' }, { Cookie: `__Host-refresh-web=${cookie}` });

  // A second factor.
  const sixth = keep(await service.login({ password: next }));
  const enrolled = await service.post('/totp', { password: next }, service.asBearer(sixth.access));
  add(enrolled.body.secret);
  const authenticator = createAuthenticator(String(enrolled.body.uri));
  const totp = add(authenticator.code());
  const confirmed = await service.post('/totp/confirm', { password: next, totp }, service.asBearer(sixth.access));
  const seventh = keep(service.tokensOf(confirmed));
  const codes = confirmed.body.recoveryCodes as string[];
  add(...codes, ...codes.map((code) => code.replaceAll('-', '')));
  await service.post('/login', { ...USER, password: next, totp: authenticator.sameCode() });
  keep(await service.login({ password: next, recoveryCode: codes[0] }));
  const proof = { password: next, recoveryCode: codes[1] };
  const eighth = keep(service.tokensOf(await service.post('/reauthenticate', proof, service.asBearer(seventh.access))));
  keep(service.tokensOf(await del('/totp', eighth.access, { password: next, recoveryCode: codes[2] })));

  // A client with a secret, "this was not me", and an administrator.
  const client = { name: 'a back end', authMethod: 'client_secret_basic', why: 'a test' };
  await service.ada.put('/admin/clients/backend', client);
  const { secret } = (await service.ada.post('/admin/clients/backend/secrets', { why: 'a test' })).body;
  const basic = { Authorization: `Basic ${btoa(`backend:${add(secret)}`)}` };
  await service.form('/oauth2/introspect', { token: eighth.access }, basic);
  await service.form('/oauth2/introspect', { token: eighth.access }, { Authorization: `Basic ${btoa('backend:x')}` });
  const stranger = await service.login({ password: next, deviceId: 'a-laptop-of-eve-0001' });
  const { data } = await receiver.notice('login.new_device');
  await service.post('/not-me', { token: add(data.not_me) });
  await service.post('/not-me', { token: data.not_me });
  const reset = await receiver.notice('account.password_reset');
  await service.post('/password/reset', { resetToken: add(reset.data.reset_token), newPassword: last });
  const sub = await service.subOf();
  const byAdmin = await service.ada.post(`/admin/users/${sub}/reset-password`, { why: 'asked by telephone' });
  add(byAdmin.body.resetToken);
  await service.ada.post(`/admin/users/${sub}/suspend`, { why: 'a test' });
  await service.post('/login', { ...USER, password: last });
  keep(stranger);
  await service.close();

  const log = service.lines.join('');
  const events = service.lines.map((line) => JSON.parse(line).event);
  expect(events).toEqual(
    expect.arrayContaining([
      'authn_login_success',
      'authn_login_fail',
      'authn_login_new_device',
      'authn_token_created',
      'authn_token_revoked',
      'authn_token_reuse',
      'authn_password_change',
      'authn_second_factor_changed',
      'authn_client_fail',
      'authn_not_me',
      'session_logout',
      'session_use_after_expire',
      'user_updated',
      'notice_arrived',
    ]),
  );
  expect(secrets.filter((one) => one.length < 6)).toEqual([]);
  for (const one of [...secrets, ...selectors]) expect(log).not.toContain(one);
  expect(log).not.toMatch(new RegExp(`\\b${USER.username}@`));
  expect(log).not.toMatch(new RegExp(`"${USER.username}"`));
  expect(log).not.toContain('a telephone');
  expect(log).not.toContain('asked by telephone');

  // Neither the database nor the files beside the keys contain a password or a token in plain text.
  for (const name of readdirSync(service.directory).filter((file) => file.includes('.sqlite'))) {
    const bytes = readFileSync(join(service.directory, name), 'latin1');
    for (const one of secrets.filter((text) => text.length > 20 && text !== FEED_SECRET)) {
      expect(bytes.includes(one), name).toBe(false);
    }
  }
});

test('security 66: escapes line breaks and terminal sequences of unauthenticated clients', async () => {
  const service = await openUserManagement({ LOG_LEVEL: 'debug' });
  const hostile = ['ada\r\n{"event":"authn_login_success"}', '\u001b[31mada', '\u009b31mada', 'ada\u2028', '‮ada'];
  for (const text of hostile) {
    await service.post('/register', { ...USER, username: text });
    await service.post('/login', { ...USER, username: text });
    const device = await service.post('/login', { ...USER, deviceName: text });
    expect([400, 401]).toContain(device.status);
    await service.send(`/${encodeURIComponent(text)}?${encodeURIComponent(text)}=1`, {
      headers: { 'X-Request-Id': encodeURIComponent(text), 'User-Agent': encodeURIComponent(text) },
    });
  }
  expect(service.lines.length).toBeGreaterThan(hostile.length * 4);
  for (const line of service.lines) {
    expect(line.trimEnd()).not.toMatch(/[\p{Cc}\u2028\u2029\u202e]/u);
    expect(line).not.toMatch(/31m|\\u001b|\\r|%1B|%0D/i);
    expect(JSON.parse(line).event).not.toBe('authn_login_success');
  }
});
