import type { Tokens, User } from '@rescind/dev-fleet';
import { codeOf, request } from '@rescind/dev-fleet';
import { decodeJwt } from 'jose';
import { expect, it } from 'vitest';
import { basic, createAdministrator, OPERATORS, secretOf, writeOperators } from '../support/administration.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fleetOf, untilAll } from '../support/fleet.ts';

async function started() {
  const operators = Object.entries(OPERATORS).map(([name, scopes]) => [name, { secret: secretOf(name), scopes }]);
  const file = writeOperators(temporaryDirectory(), Object.fromEntries(operators));
  const fleet = await fleetOf({ prices: 1, orders: 1, issuerEnvironment: { ADMIN_OPERATORS_FILE: file } });
  const ada = createAdministrator(fleet.adminUrl, basic('ada'));
  const { client, issuer, instances } = fleet;

  const tell = (method: string, path: string, body: object, token?: string) =>
    request(`${issuer.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
      body: JSON.stringify(body),
    });
  const loginOf = async (user: User) => {
    const { status, body } = await tell('POST', '/login', user);
    return [status, ...(status === 200 ? [] : [codeOf({ body } as never), (body as { reason?: string }).reason])];
  };
  /** A user who is logged in, and whose token every service has accepted. */
  const person = async () => {
    const user = await client.register();
    const tokens = await client.login(user, 'laptop');
    await untilAll(instances, tokens.access_token, '200');
    const sub = String(decodeJwt(tokens.access_token).sub);
    const act = (path: string, body: object, method: 'post' | 'put' | 'patch' = 'post') =>
      ada[method](`/admin/users/${sub}${path}`, { why: 'a test', ...body });
    const refreshed = async (token = tokens.refresh_token) => {
      const { status, body } = await client.refresh(token);
      return [status, (body as { error?: string }).error, (body as { reason?: string }).reason];
    };
    return { user, tokens, sub, act, refreshed, wrong: { ...user, password: 'not the password' } };
  };
  return { ...fleet, tell, loginOf, person };
}

it('security 24: suspended, banned, reset and deleted users are refused everywhere, with the reason only after authentication', async () => {
  const { instances, loginOf, person, tell, client } = await started();

  const states: [string, object, string][] = [
    ['/suspend', {}, 'suspended'],
    ['/suspend', { reason: 'payment_overdue' }, 'payment_overdue'],
    ['/ban', {}, 'banned'],
  ];
  for (const [path, body, reason] of states) {
    const { user, tokens, act, refreshed, wrong } = await person();
    const done = await act(path, body);
    expect(done.status, path).toBe(200);
    await untilAll(instances, tokens.access_token, 'token_revoked');
    expect(await refreshed()).toEqual([400, 'invalid_grant', reason]);
    expect(await loginOf(user)).toEqual([403, 'subject_inactive', reason]);
    expect(await loginOf(wrong)).toEqual([401, 'credentials_wrong', undefined]);
    await act('/reinstate', {});
    expect((await refreshed())[0], 'what ended stays ended').toBe(400);
    const again = await client.login(user, 'laptop');
    await untilAll(instances, again.access_token, '200');
    await untilAll(instances, tokens.access_token, 'token_revoked');
  }

  const reset = await person();
  const { resetToken } = (await reset.act('/reset-password', {})).body;
  await untilAll(instances, reset.tokens.access_token, 'token_revoked');
  expect((await reset.refreshed())[0]).toBe(400);
  expect(await loginOf(reset.user)).toEqual([403, 'subject_inactive', 'password_reset']);
  expect(await loginOf(reset.wrong)).toEqual([401, 'credentials_wrong', undefined]);
  const newPassword = 'a password that is new';
  expect((await tell('POST', '/password/reset', { resetToken, newPassword })).status).toBe(204);
  expect(await loginOf(reset.user)).toEqual([401, 'credentials_wrong', undefined]);
  await untilAll(instances, (await client.login({ ...reset.user, password: newPassword }, 'new')).access_token, '200');

  const gone = await person();
  await gone.act('/delete', {});
  await untilAll(instances, gone.tokens.access_token, 'token_revoked');
  expect((await gone.refreshed())[0]).toBe(400);
  expect(await loginOf(gone.user)).toEqual([401, 'credentials_wrong', undefined]);
  expect((await tell('POST', '/register', gone.user)).status, 'the name is free').toBe(201);
  const successor = await client.login(gone.user, 'somebody else');
  expect(decodeJwt(successor.access_token).sub).not.toBe(gone.sub);
  await untilAll(instances, successor.access_token, '200');
});

it('a change of claims revokes every older token, sessions continue, and the next tokens have the new claims', async () => {
  const { instances, person, tell, client } = await started();
  const { user, tokens, act } = await person();
  const elsewhere = await client.login(user, 'phone');
  let { access_token: access, refresh_token: refresh } = tokens;

  const wide = 'prices:read orders:read prices:premium';
  const changes: [string, object, 'put' | 'patch', object][] = [
    ['/roles', { roles: ['editor'] }, 'put', { roles: ['editor'] }],
    ['/scopes', { scopes: wide.split(' ') }, 'put', { roles: ['editor'], scope: wide }],
    ['/claims', { claims: { tenant: 'acme' } }, 'patch', { roles: ['editor'], scope: wide, tenant: 'acme' }],
    ['/roles', { roles: [] }, 'put', { tenant: 'acme' }],
  ];
  for (const [path, body, method, expected] of changes) {
    expect((await act(path, body, method)).status).toBe(200);
    await untilAll(instances, access, 'token_revoked');
    ({ access_token: access, refresh_token: refresh } = await client.refreshed(refresh));
    expect(decodeJwt(access)).toMatchObject(expected);
    await untilAll(instances, access, '200');
  }
  expect(decodeJwt(access).roles).toBeUndefined();

  // The response to a user's own change has tokens with the change; the other device gets them by a refresh.
  const phone = '+4915112345678';
  const forAccount = await client.forAccount(refresh);
  const unproved = await tell('PATCH', '/account', { phone, password: 'not the password' }, forAccount.access_token);
  expect(codeOf(unproved)).toBe('credentials_wrong');
  const own = await tell('PATCH', '/account', { phone, password: user.password }, forAccount.access_token);
  const answered = { ...forAccount, ...(own.body as Partial<Tokens>) };
  expect(decodeJwt(answered.access_token)).toMatchObject({ phone_number: phone, tenant: 'acme' });
  await untilAll(instances, access, 'token_revoked');
  await untilAll(instances, (await client.refreshed(answered.refresh_token)).access_token, '200');
  const picked = await client.refreshed(elsewhere.refresh_token);
  expect(decodeJwt(picked.access_token)).toMatchObject({ phone_number: phone });
  await untilAll(instances, picked.access_token, '200');
});
