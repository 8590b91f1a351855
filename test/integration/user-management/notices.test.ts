import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigurationError } from '@rescind/service/configuration';
import { describe, expect, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';
import { createAuthenticator } from '../../support/authenticator.ts';
import { freePort, openUserManagement, USER } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';
import { webhookReceiver } from '../../support/webhook-receiver.ts';

const LAPTOP = { deviceName: 'laptop', deviceId: 'a-laptop-of-ada-0001' };
const STRANGER = { deviceName: 'laptop', deviceId: 'a-laptop-of-eve-0001' };

async function started(environment: Record<string, string> = {}) {
  const receiver = await webhookReceiver(0);
  const service = await openUserManagement({ ...receiver.environment, ...environment });
  await service.register();
  const health = async () => {
    const { checks } = (await (await fetch(`${service.managementUrl}/readyz`)).json()) as {
      checks: { name: string; status: string; waiting?: number; dead?: number; lastError?: string }[];
    };
    return checks.find(({ name }) => name === 'notices');
  };
  return { ...service, receiver, health };
}

describe('a login', () => {
  test('notifies the owner of a new device, except of the first one and of known ones', async () => {
    const service = await started();
    await service.login(LAPTOP);
    await service.login({ ...LAPTOP, deviceName: 'renamed' });
    const fresh = await service.login(STRANGER);
    const notice = await service.receiver.notice('login.new_device');
    expect(notice.data).toMatchObject({
      username: USER.username,
      sid: fresh.answer.sid,
      device_name: 'laptop',
      phone_number: null,
    });
    expect(notice.data.place).toMatch(/\.0\/24$|::\/48$/);
    await waitFor('no notice waits', async () => (await service.health())?.waiting === 0);
    expect(service.receiver.requests()).toBe(1);
    expect(await service.health()).toMatchObject({ status: 'pass', dead: 0 });
  });

  test('sends no notice when it fails or the scope is wrong', async () => {
    const service = await started();
    await service.login(LAPTOP);
    await service.post('/login', { ...USER, ...STRANGER, password: 'not the password' });
    await service.post('/login', { ...USER, ...STRANGER, scope: 'everything' });
    expect((await service.health())?.waiting).toBe(0);
    expect(service.receiver.requests()).toBe(0);
  });
});

describe('"this was not me"', () => {
  test('resets and logs out everywhere once, and sends the owner a reset link', async () => {
    const service = await started();
    const own = await service.login(LAPTOP);
    const theirs = await service.login(STRANGER);
    const { data } = await service.receiver.notice('login.new_device');
    expect((await service.post('/not-me', { token: data.not_me })).status).toBe(204);
    for (const { access, refresh } of [own, theirs]) {
      expect(await service.accepts(access)).toBe(401);
      expect((await service.refresh(refresh)).status).toBe(400);
    }
    // The reason is returned after a right password only.
    const refused = await service.post('/login', USER);
    expect([refused.status, refused.body.code, refused.body.reason]).toEqual([
      403,
      'subject_inactive',
      'password_reset',
    ]);
    expect((await service.post('/login', { ...USER, password: 'a wrong one' })).body.code).toBe('credentials_wrong');
    const again = await service.post('/not-me', { token: data.not_me });
    expect([again.status, again.body.code]).toEqual([400, 'link_invalid']);

    const reset = await service.receiver.notice('account.password_reset');
    const set = (resetToken: unknown, newPassword: string) =>
      service.post('/password/reset', { resetToken, newPassword });
    expect((await set(reset.data.reset_token, 'password')).body.code).toBe('password_refused');
    expect((await set('nonsense', 'a password of mine')).body.code).toBe('link_invalid');
    expect((await set(data.not_me, 'a password of mine')).body.code).toBe('link_invalid');
    const both = await Promise.all([
      set(reset.data.reset_token, 'a password of mine'),
      set(reset.data.reset_token, 'a password of theirs'),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual([204, 400]);
    const [mine] = both;
    const password = mine?.status === 204 ? 'a password of mine' : 'a password of theirs';
    expect((await service.post('/login', USER)).status).toBe(401);
    expect((await service.post('/login', { ...USER, ...LAPTOP, password })).status).toBe(200);
    // No device was known any more.
    await service.receiver.notice('login.new_device', 2);
  });

  test('removes a second factor and a telephone that an attacker added', async () => {
    const service = await started();
    const own = await service.login(LAPTOP);
    const patch = (access: string, phone: string) =>
      service.send('/account', {
        method: 'PATCH',
        headers: { 'Content-Type': 'application/json', ...service.asBearer(access) },
        body: JSON.stringify({ phone, password: USER.password }),
      });
    expect((await patch(own.access, '+4915112345678')).status).toBe(200);
    const changed = await service.receiver.notice('account.changed');
    expect(changed.data).toMatchObject({ what: 'phone_number', phone_number: null });

    const theirs = await service.login(STRANGER);
    const { data } = await service.receiver.notice('login.new_device');
    expect(data.phone_number).toBe('+4915112345678');
    const { access } = service.tokensOf(await patch(theirs.access, '+4915199999999'));
    const { body } = await service.post('/totp', { password: USER.password }, service.asBearer(access));
    const totp = createAuthenticator(String(body.uri)).code();
    expect(
      (await service.post('/totp/confirm', { password: USER.password, totp }, service.asBearer(access))).status,
    ).toBe(200);
    // The notice goes to the former contact of the owner.
    expect((await service.receiver.notice('account.changed', 2)).data.phone_number).toBe('+4915112345678');
    expect((await service.receiver.notice('account.changed', 3)).data.what).toBe('second_factor');

    expect((await service.post('/not-me', { token: data.not_me })).status).toBe(204);
    const reset = await service.receiver.notice('account.password_reset');
    const password = 'a password of mine';
    const set = { resetToken: reset.data.reset_token, newPassword: password };
    expect((await service.post('/password/reset', set)).status).toBe(204);
    expect((await service.post('/login', { ...USER, ...LAPTOP, password })).status).toBe(200);
  });

  test('also removes a second factor that the owner added after the oldest live link', async () => {
    const service = await started();
    const own = await service.login(LAPTOP);
    const { body } = await service.post('/totp', { password: USER.password }, service.asBearer(own.access));
    const authenticator = createAuthenticator(String(body.uri));
    const confirm = { password: USER.password, totp: authenticator.code() };
    const confirmed = await service.post('/totp/confirm', confirm, service.asBearer(own.access));
    const [first] = confirmed.body.recoveryCodes as string[];
    await service.login({ ...STRANGER, recoveryCode: first });
    const { data } = await service.receiver.notice('login.new_device');
    expect((await service.post('/not-me', { token: data.not_me })).status).toBe(204);
    const reset = await service.receiver.notice('account.password_reset');
    const password = 'a password of mine';
    await service.post('/password/reset', { resetToken: reset.data.reset_token, newPassword: password });
    const login = { ...USER, ...LAPTOP, password };
    expect((await service.post('/login', login)).status).toBe(200);
  });

  test('is offered for changes by an administrator too', async () => {
    const receiver = await webhookReceiver(0);
    const service = await openAdministered(receiver.environment);
    await service.ada.post(`/admin/users/${await service.subOf()}/reset-password`, { why: 'a call by telephone' });
    const { data } = await receiver.notice('account.changed');
    expect(data).toMatchObject({ what: 'password', username: USER.username });
    expect(data.reset_token).toBeUndefined();
    expect((await service.post('/not-me', { token: data.not_me })).status).toBe(204);
    await receiver.notice('account.password_reset');
  });

  test('is accepted until the link expires', async () => {
    const service = await started({ NOT_ME_TTL: '1m' });
    await service.login(LAPTOP);
    await service.login(STRANGER);
    const { data, timestamp } = await service.receiver.notice('login.new_device');
    expect(Date.parse(String(data.not_me_expires_at)) - Date.parse(timestamp)).toBe(60_000);
  });
});

describe('the receiver', () => {
  test('may be unreachable, fail or redirect: deliveries are retried, and no redirect is followed', async () => {
    const service = await started();
    await service.login(LAPTOP);
    service.receiver.answer(503);
    await service.login(STRANGER);
    await waitFor('two attempts', () => service.receiver.requests() >= 2);
    expect(await service.health()).toMatchObject({ status: 'warn', waiting: 1, lastError: 'answered 503' });
    // Personal data is not sent to the target of a redirect.
    service.receiver.answer(307);
    await waitFor('the redirect is reported', async () => (await service.health())?.lastError === 'answered 307');
    await service.receiver.stop();
    await waitFor('the receiver is not reached', async () => (await service.health())?.lastError === 'not reached');
    expect(service.receiver.notices).toHaveLength(0);
  });

  test('that never accepts a notice makes it undeliverable: counted, logged, reported in health', async () => {
    const service = await started({ WEBHOOK_ATTEMPTS: '3' });
    await service.login(LAPTOP);
    service.receiver.answer(500);
    await service.login(STRANGER);
    await waitFor('one notice is given up', async () => (await service.health())?.dead === 1);
    expect(service.receiver.requests()).toBe(3);
    expect(await service.health()).toMatchObject({ status: 'warn', waiting: 0 });
    expect(service.lines.join('')).toContain('notice_dead');
    const metrics = await (await fetch(`${service.managementUrl}/metrics`)).text();
    expect(metrics).toContain('rescind_notices_total{result="dead"} 1');
  });

  test.each([
    [{ WEBHOOK_URL: 'http://example.com/notices' }, 'must be https'],
    [{ WEBHOOK_SECRET: `whsec_${'A'.repeat(20)}` }, 'must be'],
    [{ WEBHOOK_SECRET: `whsec_${'!'.repeat(44)}` }, 'must be `whsec_`'],
  ])('%j is refused at the start', async (wrong, problem) => {
    const environment = {
      WEBHOOK_URL: 'https://example.com/notices',
      WEBHOOK_SECRET: `whsec_${'A'.repeat(43)}=`,
      ...wrong,
    };
    const refused = await openUserManagement(environment).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ConfigurationError);
    expect(JSON.stringify((refused as ConfigurationError).problems)).toContain(problem);
    expect(JSON.stringify((refused as ConfigurationError).problems)).not.toContain('AAAA');
  });
});

test('stores no token of a notice and no secret of a second factor in plain text', async () => {
  const port = await freePort();
  const receiver = await webhookReceiver(port, false);
  const service = await openUserManagement({ ...receiver.environment, WEBHOOK_RETRY: '10ms' });
  await service.register();
  const { access } = await service.login(LAPTOP);
  await service.login(STRANGER);
  const { body } = await service.post('/totp', { password: USER.password }, service.asBearer(access));
  const read = () =>
    readdirSync(service.directory)
      .filter((name) => name.includes('.sqlite'))
      .map((name) => readFileSync(join(service.directory, name), 'latin1'))
      .join('');
  const before = read();
  await receiver.listen();
  const { data } = await receiver.notice('login.new_device');
  const secrets = [data.not_me, body.secret, 'login.new_device","timestamp', receiver.secret];
  for (const secret of secrets) expect(before.includes(String(secret))).toBe(false);
});

test('notifies the owner of a session recovered from another network, and not from its own', async () => {
  const service = await started({ REFRESH_GRACE: '1ms', TRUSTED_PROXIES: 'loopback' });
  const { refresh, answer } = await service.login(LAPTOP);
  const successor = service.tokensOf(await service.refresh(refresh)).refresh;
  const recover = async (headers: Record<string, string>) => {
    const form = { grant_type: 'refresh_token', refresh_token: refresh };
    expect(service.tokensOf(await service.form('/oauth2/token', form, headers)).refresh).toBe(successor);
  };
  const rotatedAt = Date.now();
  await waitFor('the grace is over', () => Date.now() > rotatedAt + 1);
  await recover({});
  await recover({ 'X-Forwarded-For': '203.0.113.9' });
  const { data } = await service.receiver.notice('session.recovered');
  expect(data).toMatchObject({ username: USER.username, sid: answer.sid, place: '203.0.113.0/24' });
  expect(data.not_me).toEqual(expect.any(String));
  await waitFor('no notice waits', async () => (await service.health())?.waiting === 0);
  expect(service.receiver.requests()).toBe(1);
});
