import { fileURLToPath } from 'node:url';
import type { FleetResponse, Tokens } from '@rescind/dev-fleet';
import { bearer, codeOf, request } from '@rescind/dev-fleet';
import { expect, it } from 'vitest';
import { fleetOf } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

// The requirements of a route for a valid token, through running services and by the claims alone.

const MAIN = fileURLToPath(new URL('../support/policies/main.ts', import.meta.url));

async function openFleet() {
  const fleet = await fleetOf({ prices: 0, orders: 0, others: [{ name: 'routes', main: MAIN }], started: false });
  const [service] = fleet.instances;
  if (service === undefined) throw new Error('one instance was asked for');
  service.environment.LOG_URL = fleet.issuer.url;
  await fleet.issuer.start();
  await fleet.issuer.ready();
  await service.start();
  await service.ready();
  const user = await fleet.client.register();
  const ask = (route: string, { access_token: token }: Tokens) => request(`${service.url}/${route}`, bearer(token));
  const challengeOf = (answer: FleetResponse) => answer.headers.get('www-authenticate');
  const refreshed = async ({ refresh_token: token }: Tokens) => (await fleet.client.refresh(token)).body as Tokens;
  return { ...fleet, user, ask, challengeOf, refreshed };
}

it('step-up: a route requires a new login if the last is too old, and then the session continues', async () => {
  const { client, issuer, user, ask, challengeOf, refreshed } = await openFleet();
  const tokens = await client.login(user, 'laptop');
  await waitFor('the login is too old', async () => (await ask('recent', tokens)).status === 401, 30_000);
  const answer = await ask('recent', tokens);
  expect(codeOf(answer)).toBe('authentication_insufficient');
  expect(challengeOf(answer)).toMatch(/^Bearer error="insufficient_user_authentication".* max_age="5"$/);
  expect((await ask('deny', tokens)).status).toBe(200);

  // A refresh does not count as a login.
  const later = await refreshed(tokens);
  expect(codeOf(await ask('recent', later))).toBe('authentication_insufficient');

  const forAccount = await client.forAccount(later.refresh_token);
  const again = await request(`${issuer.url}/reauthenticate`, {
    method: 'POST',
    headers: { authorization: `Bearer ${forAccount.access_token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ password: user.password }),
  });
  expect(again.status).toBe(200);
  const proved = await refreshed({ ...forAccount, ...(again.body as Partial<Tokens>) });
  expect((await ask('recent', proved)).status).toBe(200);
});

it('soft expiry: the client renews after maxUses uses, and the session continues', async () => {
  const { client, user, ask, refreshed } = await openFleet();
  const tokens = await client.login(user, 'laptop');
  for (let use = 0; use < 3; use += 1) expect((await ask('soft', tokens)).status).toBe(200);
  const answer = await ask('soft', tokens);
  expect([answer.status, codeOf(answer)]).toEqual([401, 'token_soft_expired']);
  // The token is not invalid: other routes accept it.
  expect((await ask('deny', tokens)).status).toBe(200);
  expect((await ask('soft', await refreshed(tokens))).status).toBe(200);
});

it('scopes: a 403 names all required scopes', async () => {
  const { client, user, ask, challengeOf } = await openFleet();
  const answer = await ask('scoped', await client.login(user, 'laptop'));
  expect([answer.status, codeOf(answer)]).toEqual([403, 'scope_insufficient']);
  expect(challengeOf(answer)).toMatch(/error="insufficient_scope".* scope="prices:read prices:premium"$/);
});
