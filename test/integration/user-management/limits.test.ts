import { expect, test } from 'vitest';
import { openUserManagement, USER } from '../../support/user-management.ts';

const wrong = { ...USER, password: 'not the password' };
const from = (address: string) => ({ 'X-Forwarded-For': address });

test('security 47: an address may try so often in a minute', async () => {
  const service = await openUserManagement({ LOGINS_PER_MINUTE: '3' });
  await service.register();
  const answers = [];
  for (let index = 0; index < 3; index++) answers.push(await service.post('/login', USER));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
  const limited = answers.at(-1);
  expect(limited?.body.code).toBe('rate_limited');
  expect(Number(limited?.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(Number(limited?.headers.get('retry-after'))).toBeLessThanOrEqual(60);
  expect(service.lines.join('')).toContain('excess_rate_limit_exceeded');
});

test('an address that nobody vouches for is not believed', async () => {
  const service = await openUserManagement({ LOGINS_PER_MINUTE: '3' });
  await service.register();
  const statuses = [];
  for (let index = 0; index < 4; index++) {
    statuses.push((await service.post('/login', USER, from(`203.0.113.${index}`))).status);
  }
  expect(statuses).toEqual([200, 200, 429, 429]);
});

test('security 47: an account is guessed so often from everywhere together, and its owner gets in from where he was', async () => {
  const service = await openUserManagement({ LOGIN_FAILURES: '3', TRUSTED_PROXIES: 'loopback' });
  await service.register();
  expect((await service.post('/login', USER, from('198.51.100.1'))).status).toBe(200);

  const guesses = [];
  for (let index = 0; index < 5; index++) {
    guesses.push(await service.post('/login', wrong, from(`203.0.113.${index}`)));
  }
  expect(guesses.map(({ status }) => status)).toEqual([401, 401, 401, 429, 429]);
  const retryAfter = Number(guesses.at(-1)?.headers.get('retry-after'));
  expect(retryAfter).toBeGreaterThan(60);
  expect(retryAfter).toBeLessThanOrEqual(900);
  expect(service.lines.join('')).toContain('authn_login_lock');

  expect((await service.post('/login', USER, from('203.0.113.99'))).status).toBe(429);
  expect((await service.post('/login', USER, from('198.51.100.1'))).status).toBe(200);
  const other = { username: 'bob', password: 'another password' };
  await service.register(other);
  expect((await service.post('/login', other, from('203.0.113.1'))).status).toBe(200);
});

test('a known address may not guess for ever either, nor somebody with a stolen token', async () => {
  const service = await openUserManagement({ LOGIN_FAILURES: '2' });
  await service.register();
  const { access } = await service.login();
  const statuses = [];
  for (let index = 0; index < 3; index++) statuses.push((await service.post('/login', wrong)).status);
  expect(statuses).toEqual([401, 401, 429]);

  const body = { currentPassword: wrong.password, newPassword: 'another password' };
  const changes = [];
  for (let index = 0; index < 3; index++) {
    changes.push((await service.post('/password', body, service.asBearer(access))).status);
  }
  expect(changes).toEqual([401, 401, 429]);
});

test('security 47: a device that has logged in before gets in from anywhere, while somebody guesses from everywhere', async () => {
  const service = await openUserManagement({ LOGIN_FAILURES: '2', TRUSTED_PROXIES: 'loopback' });
  await service.register();
  const device = { ...USER, deviceId: 'a-telephone-of-ada-01' };
  expect((await service.post('/login', device, from('198.51.100.1'))).status).toBe(200);
  const guess = (index: number, body: object = wrong) => service.post('/login', body, from(`203.0.113.${index}`));
  expect([(await guess(1)).status, (await guess(2)).status, (await guess(3)).status]).toEqual([401, 401, 429]);

  // The owner, on a journey; the right password does not help from a device that nobody knows.
  expect((await service.post('/login', device, from('192.0.2.7'))).status).toBe(200);
  expect((await guess(4, USER)).status).toBe(429);
  expect((await guess(5, { ...USER, deviceId: 'a-telephone-of-eve-01' })).status).toBe(429);
});
