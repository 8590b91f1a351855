import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';
import type { Authenticator } from '../../support/authenticator.ts';
import { createAuthenticator } from '../../support/authenticator.ts';
import { USER } from '../../support/user-management.ts';
import { webhookReceiver } from '../../support/webhook-receiver.ts';

const OWN_PHONE = '+4915112345678';
const THIEFS_PHONE = '+4915199999999';
const LAPTOP = { deviceName: 'laptop', deviceId: 'a-laptop-of-ada-0001' };
const THIEF = { deviceName: 'laptop', deviceId: 'a-laptop-of-eve-0001' };
const NEW_PASSWORD = 'a password of mine';

type Service = Awaited<ReturnType<typeof openAdministered>>;

function acting(service: Service) {
  const ask = async (method: string, path: string, access: string, body: object) => {
    const answer = await service.send(path, {
      method,
      headers: { 'Content-Type': 'application/json', ...service.asBearer(access) },
      body: JSON.stringify(body),
    });
    expect([method, path, answer.status < 300, answer.text]).toEqual([method, path, true, expect.anything()]);
    return answer;
  };
  return {
    ask,
    async changePhone(access: string, phone: string | null, proof: object = {}): Promise<string> {
      const { body } = await ask('PATCH', '/account', access, { phone, password: USER.password, ...proof });
      return String(body.access_token);
    },
    async enrol(access: string) {
      const { body } = await ask('POST', '/totp', access, { password: USER.password });
      const authenticator = createAuthenticator(String(body.uri));
      const proof = { password: USER.password, totp: authenticator.code() };
      const confirmed = await ask('POST', '/totp/confirm', access, proof);
      const codes = confirmed.body.recoveryCodes as string[];
      return { access: String(confirmed.body.access_token), authenticator, codes };
    },
  };
}

/** The owner's actions with links and with the reset. */
function recovering(service: Service, receiver: Awaited<ReturnType<typeof webhookReceiver>>) {
  const notMe = (token: unknown) => service.post('/not-me', { token });
  /** The owner gets the notice at the former contact, sets a password and logs in. */
  const regained = async (count = 1, proof: object = {}) => {
    const { data } = await receiver.notice('account.password_reset', count);
    expect(data).toMatchObject({ username: USER.username, phone_number: OWN_PHONE });
    const set = await service.post('/password/reset', { resetToken: data.reset_token, newPassword: NEW_PASSWORD });
    expect(set.status).toBe(204);
    const login = await service.post('/login', { ...USER, ...LAPTOP, password: NEW_PASSWORD, ...proof });
    expect([login.status, login.text]).toEqual([200, expect.anything()]);
    expect((await service.post('/login', { ...USER, ...THIEF })).status).toBe(401);
  };
  return { notMe, regained };
}

/** An owner with a telephone, whose own changes can no longer be undone by a link, and a thief who has the password. */
async function stolen({ factor = false, environment = {} as Record<string, string> } = {}) {
  const before = await openAdministered(environment);
  const own = await before.login(LAPTOP);
  const owner = acting(before);
  let access = await owner.changePhone(own.access, OWN_PHONE);
  let authenticator: Authenticator | undefined;
  let codes: string[] = [];
  if (factor) ({ access, authenticator, codes } = await owner.enrol(access));
  await before.close();

  const receiver = await webhookReceiver(0);
  const place = { ISSUER: before.url, ...receiver.environment, ...environment };
  const service = await openAdministered(place, before.directory);
  const { access: thiefs } = await service.login({ ...THIEF, ...(factor ? { recoveryCode: codes[0] } : {}) });
  const first = await receiver.notice('login.new_device');
  const { notMe, regained } = recovering(service, receiver);
  const link = async (type: string, count = 1) => (await receiver.notice(type, count)).data.not_me;
  const views = async () => {
    const sub = String(first.data.sub);
    const { body } = await service.ada.get(`/admin/users/${sub}`);
    const { claims, secondFactor, state, username, resetReason } = body as Record<string, unknown>;
    return { claims, secondFactor, state, username, resetReason };
  };
  const thief = acting(service);
  return {
    service,
    receiver,
    thief,
    thiefs,
    first: first.data.not_me,
    notMe,
    link,
    views,
    regained,
    authenticator,
    codes,
  };
}

type Stolen = Awaited<ReturnType<typeof stolen>>;

describe('the oldest link undoes an attacker’s changes in any order', () => {
  const orders: Record<string, (of: Stolen) => Promise<unknown>> = {
    'the telephone': ({ thief, thiefs }) => thief.changePhone(thiefs, THIEFS_PHONE),
    'the telephone, twice': async ({ thief, thiefs }) =>
      thief.changePhone(await thief.changePhone(thiefs, THIEFS_PHONE), '+4915188888888'),
    'the telephone, taken away': ({ thief, thiefs }) => thief.changePhone(thiefs, null),
    'a second factor': ({ thief, thiefs }) => thief.enrol(thiefs),
    'the telephone, then a second factor': async ({ thief, thiefs }) =>
      thief.enrol(await thief.changePhone(thiefs, THIEFS_PHONE)),
    'a second factor, then the telephone': async ({ thief, thiefs }) => {
      const { access, codes } = await thief.enrol(thiefs);
      return thief.changePhone(access, THIEFS_PHONE, { recoveryCode: codes[0] });
    },
    'a second factor, disabled and enrolled anew': async ({ thief, thiefs }) => {
      const { access, codes } = await thief.enrol(thiefs);
      const proof = { password: USER.password, recoveryCode: codes[0] };
      const { body } = await thief.ask('DELETE', '/totp', access, proof);
      return thief.enrol(String(body.access_token));
    },
    'the telephone, then the whole account': async ({ thief, thiefs }) =>
      thief.ask('DELETE', '/account', await thief.changePhone(thiefs, THIEFS_PHONE), { password: USER.password }),
    'the whole account': ({ thief, thiefs }) => thief.ask('DELETE', '/account', thiefs, { password: USER.password }),
  };

  test.each(Object.keys(orders))('%s', async (order) => {
    const of = await stolen();
    await orders[order]?.(of);
    expect((await of.notMe(of.first)).status).toBe(204);
    expect(await of.views()).toEqual({
      claims: { phone_number: OWN_PHONE },
      secondFactor: false,
      state: 'active',
      username: USER.username,
      resetReason: 'password_reset',
    });
    await of.regained();
  });

  test.each(Object.keys(orders))(
    '%s: any later link too, and the oldest is valid until the password is set',
    async (order) => {
      const of = await stolen();
      await orders[order]?.(of);
      const { data } = await of.receiver.notice(order.endsWith('account') ? 'account.deleted' : 'account.changed');
      expect(data.not_me).not.toBe(of.first);
      expect((await of.notMe(data.not_me)).status).toBe(204);
      expect(await of.views()).toMatchObject({
        claims: { phone_number: OWN_PHONE },
        secondFactor: false,
        state: 'active',
      });
      expect((await of.notMe(data.not_me)).body.code).toBe('link_invalid');
      expect((await of.notMe(of.first)).status).toBe(204);
      await of.regained(2);
      expect((await of.notMe(of.first)).body.code).toBe('link_invalid');
    },
  );
});

describe('an attacker who uses links', () => {
  test('gains nothing by received links: the reset goes to the owner', async () => {
    const of = await stolen();
    const access = await of.thief.changePhone(of.thiefs, THIEFS_PHONE);
    await of.thief.changePhone(access, '+4915188888888');
    const second = await of.receiver.notice('account.changed', 2);
    expect(second.data.phone_number).toBe(THIEFS_PHONE);
    expect((await of.notMe(second.data.not_me)).status).toBe(204);
    expect(await of.service.accepts(of.thiefs)).toBe(401);
    expect(await of.link('account.changed')).not.toBe(second.data.not_me);
    // Later links are used up; the owner's first one is not.
    expect((await of.notMe(await of.link('account.changed'))).body.code).toBe('link_invalid');
    expect((await of.notMe(of.first)).status).toBe(204);
    await of.regained(2);
  });

  test('recovers once per link when links are used concurrently', async () => {
    const of = await stolen();
    await of.thief.changePhone(of.thiefs, THIEFS_PHONE);
    const later = await of.link('account.changed');
    const answers = await Promise.all([of.first, of.first, later, later, of.first].map((token) => of.notMe(token)));
    const good = answers.filter(({ status }) => status === 204).length;
    expect([1, 2]).toContain(good);
    expect(await of.views()).toMatchObject({ claims: { phone_number: OWN_PHONE } });
    await of.regained(good);
  });

  test('cannot displace the oldest link by other links', async () => {
    const of = await stolen();
    const access = await of.thief.changePhone(of.thiefs, THIEFS_PHONE);
    const database = new Database(`${of.service.directory}/user-management.sqlite`);
    // As many notices as logins from 110 new devices make.
    const insert = database.prepare(
      `INSERT INTO account_links (hash, sub, purpose, issued_at, expires_at, position)
       SELECT randomblob(32), sub, purpose, max(issued_at) + ?, max(expires_at), max(position) FROM account_links`,
    );
    for (let index = 0; index < 110; index++) insert.run(index);
    await of.thief.changePhone(access, '+4915188888888');
    expect(database.prepare("SELECT count(*) FROM account_links WHERE purpose = 'not_me'").pluck().get()).toBe(100);
    database.close();
    expect((await of.notMe(of.first)).status).toBe(204);
    await of.regained();
  });

  test('cannot displace the state of the oldest link by changes', async () => {
    const of = await stolen({ environment: { LOGINS_PER_MINUTE: '10000' } });
    let access = of.thiefs;
    for (let index = 0; index < 70; index++) access = await of.thief.changePhone(access, `+49151999${10_000 + index}`);
    const latest = await of.receiver.notice('account.changed', 70);
    const database = new Database(`${of.service.directory}/user-management.sqlite`, { readonly: true });
    expect(database.prepare('SELECT count(*) FROM account_history').pluck().get()).toBe(64);
    database.close();
    expect((await of.notMe(latest.data.not_me)).status).toBe(204);
    await of.regained();
    // The state of the thief cannot be restored.
    const after = new Database(`${of.service.directory}/user-management.sqlite`, { readonly: true });
    expect(after.prepare('SELECT count(*) FROM account_history').pluck().get()).toBe(0);
    expect(after.prepare('SELECT count(*) FROM account_history_codes').pluck().get()).toBe(0);
    after.close();
  });
});

describe('the second factor of the owner', () => {
  test('is restored with its unused recovery codes', async () => {
    const of = await stolen({ factor: true });
    const [, second, third, fourth] = of.codes;
    let access = await of.thief.changePhone(of.thiefs, THIEFS_PHONE, { recoveryCode: second });
    const proof = { password: USER.password, recoveryCode: third };
    ({ access_token: access } = (await of.thief.ask('DELETE', '/totp', access, proof)).body as never);
    await of.thief.enrol(access);
    expect((await of.notMe(of.first)).status).toBe(204);
    const { data } = await of.receiver.notice('account.password_reset');
    await of.service.post('/password/reset', { resetToken: data.reset_token, newPassword: NEW_PASSWORD });
    const login = (more: object) => of.service.post('/login', { ...USER, ...LAPTOP, password: NEW_PASSWORD, ...more });
    expect((await login({})).body.code).toBe('second_factor_required');
    for (const recoveryCode of [second, third]) expect((await login({ recoveryCode })).status).toBe(401);
    expect((await login({ recoveryCode: fourth })).status).toBe(200);
    expect((await login({ totp: of.authenticator?.code() })).status).toBe(200);
  });

  test('is restored with its former recovery codes when an attacker made others', async () => {
    const of = await stolen({ factor: true });
    const proof = { password: USER.password, recoveryCode: of.codes[1] };
    const renewed = await of.thief.ask('POST', '/totp/recovery-codes', of.thiefs, proof);
    const [thiefs] = renewed.body.recoveryCodes as string[];
    expect((await of.notMe(await of.link('account.changed'))).status).toBe(204);
    const { data } = await of.receiver.notice('account.password_reset');
    await of.service.post('/password/reset', { resetToken: data.reset_token, newPassword: NEW_PASSWORD });
    const login = (recoveryCode?: string) =>
      of.service.post('/login', { ...USER, ...LAPTOP, password: NEW_PASSWORD, recoveryCode });
    expect((await login(thiefs)).status).toBe(401);
    expect((await login(of.codes[2])).status).toBe(200);
  });

  test('is restored after an administrator was deceived into removing it and changing the telephone', async () => {
    const of = await stolen({ factor: true });
    const sub = await of.service.subOf();
    await of.service.ada.post(`/admin/users/${sub}/remove-second-factor`, { why: 'a call' });
    const change = { claims: { phone_number: THIEFS_PHONE, tenant: 'acme' }, why: 'a call' };
    expect((await of.service.ada.patch(`/admin/users/${sub}/claims`, change)).status).toBe(200);
    const told = await of.receiver.notice('account.changed', 2);
    expect(told.data).toMatchObject({ what: 'phone_number', phone_number: OWN_PHONE });
    expect((await of.notMe(told.data.not_me)).status).toBe(204);
    expect(await of.views()).toMatchObject({ claims: { phone_number: OWN_PHONE, tenant: 'acme' }, secondFactor: true });
  });
});

describe('an account without a contact when its first links were made', () => {
  /** Its owner logs in and gives the first telephone number; then a thief does something. */
  async function young() {
    const receiver = await webhookReceiver(0);
    const service = await openAdministered(receiver.environment);
    const { thief, notMe, regained } = { thief: acting(service), ...recovering(service, receiver) };
    const own = await service.login(LAPTOP);
    await thief.changePhone(own.access, OWN_PHONE);
    const unreached = await receiver.notice('account.changed');
    expect(unreached.data).toMatchObject({ phone_number: null, email: null });
    const { access: thiefs } = await service.login(THIEF);
    const first = await receiver.notice('login.new_device');
    return {
      service,
      receiver,
      thief,
      thiefs,
      notMe,
      regained,
      unreached: unreached.data.not_me,
      first: first.data.not_me,
    };
  }

  test('is restored to the contact that its owner gave, not to none', async () => {
    const { receiver, thief, thiefs, notMe, regained, first } = await young();
    const { access } = await thief.enrol(await thief.changePhone(thiefs, THIEFS_PHONE)).catch(() => ({ access: '' }));
    expect(access).not.toBe('');
    // The thief's number is changed back by whichever link the owner has, the newest included.
    const changed = await receiver.notice('account.changed', 3);
    expect((await notMe(changed.data.not_me)).status).toBe(204);
    await regained();
    expect((await notMe(first)).body.code).toBe('link_invalid');
  });

  test('is restored to no contact where such a link was delivered', async () => {
    const { service, receiver, thief, thiefs, notMe, unreached } = await young();
    await thief.changePhone(thiefs, THIEFS_PHONE);
    expect((await notMe(unreached)).status).toBe(204);
    const { data } = await receiver.notice('account.password_reset');
    expect(data).toMatchObject({ username: USER.username, phone_number: null });
    expect((await service.post('/login', { ...USER, ...THIEF })).body.code).toBe('subject_inactive');
  });

  test('keeps such a link when an attacker whose number was the first uses a later one', async () => {
    const receiver = await webhookReceiver(0);
    const service = await openAdministered(receiver.environment);
    const { thief, notMe } = { thief: acting(service), ...recovering(service, receiver) };
    await service.login(LAPTOP);
    const { access } = await service.login(THIEF);
    const unreached = await receiver.notice('login.new_device');
    await thief.changePhone(await thief.changePhone(access, THIEFS_PHONE), '+4915188888888');
    const later = await receiver.notice('account.changed', 2);
    expect((await notMe(later.data.not_me)).status).toBe(204);
    const { data } = await receiver.notice('account.password_reset');
    const set = { resetToken: data.reset_token, newPassword: 'a password of the thief' };
    expect((await service.post('/password/reset', set)).status).toBe(204);
    expect((await notMe(unreached.data.not_me)).status).toBe(204);
    expect((await receiver.notice('account.password_reset', 2)).data.phone_number).toBe(null);
  });
});

describe('a deleted account', () => {
  test('admits no login, keeps its name until it is erased, and can be erased at once by an administrator', async () => {
    const of = await stolen();
    const sub = await of.service.subOf();
    await of.thief.ask('DELETE', '/account', of.thiefs, { password: USER.password });
    expect(await of.service.accepts(of.thiefs)).toBe(401);
    expect((await of.service.post('/login', USER)).body.code).toBe('credentials_wrong');
    expect((await of.service.register()).body.code).toBe('username_taken');
    expect(await of.views()).toMatchObject({ state: 'deleted', username: '', claims: {} });
    const erased = await of.service.ada.post(`/admin/users/${sub}/delete`, { why: 'asked by letter' });
    expect(erased.status).toBe(200);
    expect((await of.service.ada.post(`/admin/users/${sub}/delete`, { why: 'again' })).status).toBe(404);
    expect((await of.notMe(of.first)).body.code).toBe('link_invalid');
    expect((await of.service.register()).status).toBe(201);
  });

  test('keeps undelivered notices', async () => {
    const of = await stolen();
    of.receiver.answer(503);
    const access = await of.thief.changePhone(of.thiefs, THIEFS_PHONE);
    await of.thief.ask('DELETE', '/account', access, { password: USER.password });
    of.receiver.answer(204);
    expect((await of.receiver.notice('account.changed')).data).toMatchObject({ phone_number: OWN_PHONE });
    expect((await of.receiver.notice('account.deleted')).data).toMatchObject({ username: USER.username });
    expect((await of.notMe(of.first)).status).toBe(204);
    await of.regained();
  });
});

test('consumes no link of the owner at a reset by a deceived administrator', async () => {
  const of = await stolen();
  const { body } = await of.service.ada.post(`/admin/users/${await of.service.subOf()}/reset-password`, {
    why: 'a call',
  });
  await of.service.post('/password/reset', { resetToken: body.resetToken, newPassword: 'a password of the thief' });
  expect((await of.notMe(of.first)).status).toBe(204);
  await of.regained();
});

test('stores no part of the history in plain text', async () => {
  const of = await stolen();
  await of.thief.changePhone(of.thiefs, THIEFS_PHONE);
  const database = new Database(`${of.service.directory}/user-management.sqlite`, { readonly: true });
  const rows = database.prepare<[], { sealed: Buffer }>('SELECT sealed FROM account_history').all();
  database.close();
  expect(rows).toHaveLength(1);
  expect(rows[0]?.sealed.includes(OWN_PHONE)).toBe(false);
});
