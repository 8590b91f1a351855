import { expect, test } from 'vitest';
import { basic, createAdministrator, openAdministered } from '../../support/administration.ts';
import { FEED_SECRET } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

type Administered = Awaited<ReturnType<typeof openAdministered>>;

/** An instance that sends the reports of the test. */
function reporterOf(service: Administered, name: string, clientId = 'prices') {
  const key = name.padEnd(24, '-');
  return async (more: object = {}) => {
    const position = { epoch: '0', seq: 0, heldMs: 0 };
    const answer = await fetch(`${service.url}/revocations/reports`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Basic ${btoa(`${clientId}:${FEED_SECRET}`)}` },
      body: JSON.stringify({ key, instance: name, version: '1', transport: 'http', ageMs: 3, ...position, ...more }),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
}

const revocation = (sid: string) => ({
  cutoffs: [{ claim: 'sid', value: sid }],
  reason: 'device_lost',
  why: 'a drill',
});

test('Prefer: wait answers with the receipt, complete or not, and states what was applied', async () => {
  const service = await openAdministered();
  const waiting = (prefer: string) => createAdministrator(service.adminUrl, { ...basic('ada'), Prefer: prefer });
  const [a, b] = [reporterOf(service, 'a'), reporterOf(service, 'b', 'orders')];
  expect((await a()).body).toEqual({ nextMs: 250 });
  await b();
  const pending = waiting('respond-async, wait=10').post('/admin/revocations', revocation('s-1'));
  const { epoch, seq, txn } = await waitFor('the revocation is listed', async () => {
    const { items } = (await service.ada.get('/admin/revocations?limit=1')).body as { items: { seq: number }[] };
    return items[0] as { epoch: string; seq: number; txn: string } | undefined;
  });
  await waitFor('the report is accepted', async () => (await a({ epoch, seq })).status === 200);
  await waitFor('the other report is accepted', async () => (await b({ epoch, seq })).status === 200);
  const done = await pending;
  expect([done.status, done.headers.get('preference-applied')]).toEqual([201, 'wait=10']);
  expect(done.body).toMatchObject({ txn, receipt: { of: 2, reached: 2, left: 0, complete: true, missing: [] } });

  const late = await waiting('wait=1').post('/admin/revocations', revocation('s-2'));
  expect([late.status, late.headers.get('preference-applied')]).toEqual([201, 'wait=1']);
  expect(late.body.receipt).toMatchObject({ of: 2, reached: 0, complete: false });
  // The command has been executed, whatever the result of the wait.
  expect((await service.ada.get(`/admin/revocations/${late.body.txn}`)).body.receipt).toMatchObject({
    of: 2,
    reached: 0,
  });
  const again = await waiting('wait=0').get(`/admin/revocations/${txn}`);
  expect([again.headers.get('preference-applied'), again.body.receipt]).toMatchObject([
    'wait=0',
    { of: 2, reached: 2 },
  ]);
  // A number too great for a clock is more than the limit (RFC 9111 section 1.2.2), and no malformed one.
  const longest = await waiting('wait=99999999999999999999').get(`/admin/revocations/${txn}`);
  expect(longest.headers.get('preference-applied')).toBe('wait=10');
});

test('without the preference, or with one that is malformed, nothing waits', async () => {
  const service = await openAdministered();
  await reporterOf(service, 'a')();
  for (const prefer of ['wait', 'wait=-1', 'wait=soon', 'respond-async', '']) {
    const admin = createAdministrator(service.adminUrl, { ...basic('ada'), Prefer: prefer });
    const done = await admin.post('/admin/revocations', revocation('s-1'));
    expect([done.status, done.headers.get('preference-applied'), done.body.receipt]).toEqual([201, null, undefined]);
  }
});

test('every command with a revocation has its receipt in it', async () => {
  const service = await openAdministered();
  const admin = createAdministrator(service.adminUrl, { ...basic('ada'), Prefer: 'wait=0' });
  await reporterOf(service, 'a')();
  await service.login();
  const sub = await service.subOf();
  const { items } = (await service.ada.get(`/admin/sessions?sub=${sub}`)).body as { items: { sid: string }[] };
  const calls: readonly (readonly [string, object])[] = [
    [`/admin/sessions/${items[0]?.sid}/end`, { why: 'a drill' }],
    [`/admin/users/${sub}/log-out`, { why: 'a drill' }],
    [`/admin/users/${sub}/suspend`, { why: 'a drill' }],
  ];
  for (const [path, body] of calls) {
    const done = await admin.post(path, body);
    expect([path, done.status, done.body.revocation]).toMatchObject([path, 200, { receipt: { of: 1, reached: 0 } }]);
  }
  const emergency = await admin.post('/admin/emergency', { confirm: 'everybody', why: 'a drill' });
  expect(emergency.body).toMatchObject({ receipt: { of: 1, reached: 0 } });
});

test('lists instances by service and state, for those who may read the fleet', async () => {
  const service = await openAdministered();
  await reporterOf(service, 'a')();
  await reporterOf(service, 'b')();
  const other = reporterOf(service, 'c', 'orders');
  await other();
  expect((await other({ leaving: true })).status).toBe(200);
  const list = async (query = '') => {
    const { body } = await service.ada.get(`/admin/instances${query}`);
    return (body.items as { instance: string; state: string }[]).map((one) => one.instance);
  };
  expect(await list()).toEqual(['c', 'a', 'b']);
  expect(await list('?service=prices')).toEqual(['a', 'b']);
  expect(await list('?state=left')).toEqual(['c']);
  const { body } = await service.ada.get('/admin/instances');
  expect(body.services).toEqual([
    { service: 'orders', live: 0, behind: 0, lost: 0, left: 1, unknown: 0, versions: {} },
    {
      service: 'prices',
      live: expect.any(Number),
      behind: expect.any(Number),
      lost: 0,
      left: 0,
      unknown: 0,
      versions: { 1: 2 },
    },
  ]);
  expect(JSON.stringify(body)).not.toContain('a-----');
  expect((await service.ada.get('/admin/instances?state=asleep')).status).toBe(400);
  expect((await service.as('reader').get('/admin/instances')).status).toBe(403);
});

test('counts versions by whatever text an instance reports', async () => {
  const service = await openAdministered();
  const versions = ['constructor', '__proto__', '__proto__', 'toString'];
  for (const [at, version] of versions.entries()) {
    expect((await reporterOf(service, `i${at}`)({ version })).status).toBe(200);
  }
  const answer = await service.ada.get('/admin/instances');
  const { services } = answer.body as { services: { versions: object }[] };
  expect(Object.entries(services[0]?.versions ?? {})).toEqual([
    ['constructor', 1],
    ['__proto__', 2],
    ['toString', 1],
  ]);
});

test('forgetting an instance is audited, and refused for one that reports or is not there', async () => {
  const service = await openAdministered();
  const [a, b] = [reporterOf(service, 'a'), reporterOf(service, 'b')];
  await a();
  await b();
  await b({ leaving: true });
  const { items } = (await service.ada.get('/admin/instances')).body as unknown as {
    items: { id: string; instance: string }[];
  };
  const idOf = (name: string) => items.find((one) => one.instance === name)?.id;
  const forget = (id: string | undefined, as = service.ada) =>
    as.post(`/admin/instances/${id}/forget`, { why: 'gone' });
  expect((await forget(idOf('b'), service.as('reader'))).status).toBe(403);
  expect((await forget(idOf('a'))).body.code).toBe('instance_running');
  expect((await forget('nobody')).body.code).toBe('not_found');
  expect((await forget(idOf('b'))).status).toBe(204);
  expect((await forget(idOf('b'))).body.code).toBe('not_found');
  const audit = (await service.ada.get('/admin/audit?limit=10')).body as {
    items: { operation: string; result: string; targets: string[] }[];
  };
  const found = audit.items.filter(({ operation, result }) => operation === 'forgetInstance' && result === 'done');
  expect(found.map(({ targets }) => targets)).toEqual([[`instance:${idOf('b')}`]]);
});

test('a report of a stranger, or in a wrong form, is refused', async () => {
  const service = await openAdministered();
  const send = async (headers: Record<string, string>, body: string) =>
    (await fetch(`${service.url}/revocations/reports`, { method: 'POST', headers, body })).status;
  const json = { 'content-type': 'application/json' };
  expect(await send(json, '{}')).toBe(401);
  expect(await send({ ...json, ...basic('ada') }, '{}')).toBe(401);
  expect(await send({ ...json, authorization: `Basic ${btoa(`prices:${FEED_SECRET}`)}` }, '{}')).toBe(400);
  const { body } = await service.ada.get('/admin/instances');
  expect(body.items).toEqual([]);
});
