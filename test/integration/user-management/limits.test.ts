import { expect, test } from 'vitest';
import { openUserManagement, USER } from '../../support/user-management.ts';

const wrong = { ...USER, password: 'not the password' };
const from = (address: string) => ({ 'X-Forwarded-For': address });

test('security 47: limits the attempts of an address in a minute', async () => {
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

test('ignores a forwarded address from an untrusted proxy', async () => {
  const service = await openUserManagement({ LOGINS_PER_MINUTE: '3' });
  await service.register();
  const statuses = [];
  for (let index = 0; index < 4; index++) {
    statuses.push((await service.post('/login', USER, from(`203.0.113.${index}`))).status);
  }
  expect(statuses).toEqual([200, 200, 429, 429]);
});

test('security 47: locks no other address out, however many guesses one address makes', async () => {
  const service = await openUserManagement({ LOGIN_FAILURES: '3', TRUSTED_PROXIES: 'loopback' });
  await service.register();
  const guess = (address: string, body: object = wrong) => service.post('/login', body, from(address));
  for (let round = 0; round < 3; round++) {
    const statuses = [];
    for (let index = 0; index < 5; index++) statuses.push((await guess(`203.0.113.${round}`)).status);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    // The owner, each time from an address without an earlier login.
    expect((await guess(`198.51.100.${round}`, USER)).status).toBe(200);
  }
  const locked = await guess('203.0.113.0', USER);
  expect([locked.status, locked.body.code]).toEqual([429, 'rate_limited']);
  expect(Number(locked.headers.get('retry-after'))).toBeGreaterThan(60);
  expect(Number(locked.headers.get('retry-after'))).toBeLessThanOrEqual(900);
  expect(service.lines.join('')).toContain('authn_login_lock');
});

test('security 47: slows guesses from many addresses down, and not logins from known addresses', async () => {
  const service = await openUserManagement({ LOGIN_FAILURES: '1', TRUSTED_PROXIES: 'loopback' });
  await service.register();
  expect((await service.post('/login', USER, from('198.51.100.1'))).status).toBe(200);
  const statuses = [];
  for (let index = 0; index < 25; index++) {
    statuses.push((await service.post('/login', wrong, from(`203.0.113.${index}`))).status);
  }
  // 20 without a delay, and the first of the slow ones, which are one each 20 minutes.
  expect(statuses).toEqual([...Array(21).fill(401), ...Array(4).fill(429)]);
  const slow = await service.post('/login', USER, from('203.0.113.99'));
  expect(slow.status).toBe(429);
  expect(Number(slow.headers.get('retry-after'))).toBeLessThanOrEqual(1_200);
  expect((await service.post('/login', USER, from('198.51.100.1'))).status).toBe(200);
  const other = { username: 'bob', password: 'another password' };
  await service.register(other);
  expect((await service.post('/login', other, from('203.0.113.1'))).status).toBe(200);
});

test('admits a known device while an attacker guesses from the same address', async () => {
  const service = await openUserManagement({ LOGIN_FAILURES: '2' });
  await service.register();
  const device = { ...USER, deviceId: 'a-telephone-of-ada-01' };
  expect((await service.post('/login', device)).status).toBe(200);
  for (let index = 0; index < 4; index++) await service.post('/login', wrong);
  expect((await service.post('/login', USER)).status).toBe(429);
  expect((await service.post('/login', device)).status).toBe(200);
});

test('resets the count of one account at one address on success, and no other', async () => {
  const service = await openUserManagement({ LOGIN_FAILURES: '3' });
  await service.register();
  const mallory = { username: 'mallory', password: 'another password' };
  await service.register(mallory);
  for (let index = 0; index < 2; index++) await service.post('/login', wrong);
  expect((await service.post('/login', USER)).status).toBe(200);
  for (let index = 0; index < 2; index++) expect((await service.post('/login', wrong)).status).toBe(401);
  // A login of another account does not reset the count.
  expect((await service.post('/login', mallory)).status).toBe(200);
  expect((await service.post('/login', wrong)).status).toBe(401);
  expect((await service.post('/login', wrong)).status).toBe(429);
});

test('limits the guesses of a known address and of a stolen token too', async () => {
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

test('locks the owner out of no other session when a stolen token guesses', async () => {
  const service = await openUserManagement({ LOGIN_FAILURES: '2' });
  await service.register();
  const [stolen, own] = [await service.login(), await service.login()];
  const prove = (access: string, password: string) =>
    service.post('/reauthenticate', { password }, service.asBearer(access));
  for (let index = 0; index < 2; index++) await prove(stolen.access, wrong.password);
  expect((await prove(stolen.access, USER.password)).status).toBe(429);
  expect((await prove(own.access, USER.password)).status).toBe(200);
});

test('security 47: admits a known device from any address while an attacker guesses from many', async () => {
  const service = await openUserManagement({ LOGIN_FAILURES: '2', TRUSTED_PROXIES: 'loopback' });
  await service.register();
  const device = { ...USER, deviceId: 'a-telephone-of-ada-01' };
  expect((await service.post('/login', device, from('198.51.100.1'))).status).toBe(200);
  const guess = (index: number, body: object = wrong) => service.post('/login', body, from(`203.0.113.${index}`));
  const statuses = [];
  for (let index = 0; index < 45; index++) statuses.push((await guess(index)).status);
  expect([statuses.filter((status) => status === 401).length, statuses.at(-1)]).toEqual([41, 429]);

  // The owner at another address with the known device. From an unknown device the right password is refused.
  expect((await service.post('/login', device, from('192.0.2.7'))).status).toBe(200);
  expect((await guess(98, USER)).status).toBe(429);
  expect((await guess(99, { ...USER, deviceId: 'a-telephone-of-eve-01' })).status).toBe(429);
});
