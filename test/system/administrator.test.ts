import { decodeJwt, decodeProtectedHeader } from 'jose';
import { expect, it } from 'vitest';
import { basic, createAdministrator, OPERATORS, secretOf, writeOperators } from '../support/administration.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { brokerOfOwn, fleetOf, untilAll, verdictsOf } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

const operators = () =>
  Object.fromEntries(Object.entries(OPERATORS).map(([name, scopes]) => [name, { secret: secretOf(name), scopes }]));

async function administeredFleet(brokers?: readonly string[]) {
  const file = writeOperators(temporaryDirectory(), operators());
  const fleet = await fleetOf({ brokers, prices: 2, orders: 1, issuerEnvironment: { ADMIN_OPERATORS_FILE: file } });
  const as = (name: string) => createAdministrator(fleet.adminUrl, basic(name));
  return { ...fleet, as, ada: as('ada') };
}

it('every instance refuses what an administrator revokes, as the dry run predicted', async () => {
  const { ada, client, instances } = await administeredFleet();
  const user = await client.register();
  const { items } = (await ada.get(`/admin/users?username=${user.username}`)).body as { items: { sub: string }[] };
  const sub = items[0]?.sub;
  await ada.patch(`/admin/users/${sub}/claims`, { claims: { tenant: 'acme' }, why: 'where they work' });

  type Claims = ReturnType<typeof decodeJwt>;
  const scopes: [string, (token: string, claims: Claims) => object][] = [
    ['token', (token) => ({ token })],
    ['session', (_token, { sid }) => ({ claim: 'sid', value: sid })],
    ['user', () => ({ claim: 'sub', value: sub })],
    ['user, softly', () => ({ claim: 'sub', value: sub, endsSession: false })],
    ['client', () => ({ claim: 'client_id', value: 'web' })],
    ['tenant', () => ({ claim: 'tenant', value: 'acme' })],
    ['everybody', () => ({ claim: 'iss' })],
    ['key', (token) => ({ claim: 'kid', value: decodeProtectedHeader(token).kid })],
  ];
  for (const [what, cutoffOf] of scopes) {
    const { access_token: token } = await client.login(user, what);
    await untilAll(instances, token, '200');
    const cutoffs = [cutoffOf(token, decodeJwt(token))];
    const foreseen = await ada.post('/admin/revocations?dryRun', { cutoffs, why: 'a look' });
    expect(await verdictsOf(instances, token), `${what}: a dry run does nothing`).toEqual(['200', '200', '200']);
    const done = await ada.post('/admin/revocations', { cutoffs, confirm: 'everybody', reason: 'drill', why: what });
    expect([done.status, done.body.endedSessions], what).toEqual([201, foreseen.body.sessions]);
    await waitFor(`every instance refuses what was revoked by ${what}`, async () =>
      (await verdictsOf(instances, token)).every((verdict) => /^token_(revoked|key_unknown)$/.test(verdict)),
    );
    const explained = await ada.post('/admin/explain', {
      claims: decodeJwt(token),
      kid: decodeProtectedHeader(token).kid,
    });
    expect(explained.body, what).toMatchObject({ revoked: true });
    expect(JSON.stringify(explained.body.entries)).toContain(done.body.txn);
  }
  const { access_token: fresh } = await client.login(user, 'after all of it');
  await untilAll(instances, fresh, '200');

  await ada.post(`/admin/users/${sub}/suspend`, { reason: 'payment_overdue', why: 'invoice 4711' });
  await untilAll(instances, fresh, 'token_revoked');
  await expect(client.login(user, 'suspended')).rejects.toThrow('403');
  await ada.post(`/admin/users/${sub}/reinstate`, { why: 'paid' });
  expect((await verdictsOf(instances, fresh)).every((verdict) => verdict === 'token_revoked')).toBe(true);
  await untilAll(instances, (await client.login(user, 'reinstated')).access_token, '200');
});

it('the emergency requires no Kafka and sufficient scopes, and the audit records it', async () => {
  const broker = await brokerOfOwn();
  const { ada, as, client, instances } = await administeredFleet(broker.brokers);
  const users = [await client.register(), await client.register()];
  const tokens = await Promise.all(users.map((user) => client.login(user, 'laptop')));
  for (const { access_token: token } of tokens) await untilAll(instances, token, '200');
  await broker.stop();

  const everybody = { confirm: 'everybody', why: 'the proxy leaked its cookies' };
  expect((await as('reader').post('/admin/emergency', everybody)).status).toBe(403);
  expect((await as('helpdesk').post('/admin/emergency', everybody)).status).toBe(403);
  const { status, body } = await ada.post('/admin/emergency', everybody);
  expect([status, body.endedSessions]).toEqual([201, 2]);
  for (const { access_token: token, refresh_token: refresh } of tokens) {
    await untilAll(instances, token, 'token_revoked', 30_000);
    expect((await client.refresh(refresh)).status).toBe(400);
  }
  const [user] = users;
  if (user !== undefined) await untilAll(instances, (await client.login(user, 'new')).access_token, '200');

  const stateOf = async () => (await as('reader').get(`/admin/revocations/${String(body.txn)}`)).body;
  expect(await stateOf()).toMatchObject({ reason: 'emergency', published: false, deny: [{ claim: 'iss' }] });
  await broker.start();
  await waitFor('Kafka has it', async () => (await stateOf()).published, 60_000);

  const audit = (await ada.get('/admin/audit?operation=emergency')).body.items as Record<string, unknown>[];
  expect(audit.map(({ who, result, why }) => [who, result, why])).toEqual([
    ['operator:ada', 'done', everybody.why],
    ['operator:helpdesk', 'scope_insufficient', null],
    ['operator:reader', 'scope_insufficient', null],
  ]);
  expect((await ada.get('/admin/audit/verification')).body).toMatchObject({ intact: true });
});
