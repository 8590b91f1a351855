import type { Fleet, ServiceProcess } from '@rescind/dev-fleet';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAdministrator } from '../support/administration.ts';
import { fleetOf, untilAll, untilComplete, verdictOf } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

interface Receipt {
  readonly of: number;
  readonly reached: number;
  readonly left: number;
  readonly complete: boolean;
  readonly missing: readonly { readonly instance: string; readonly state: string }[];
  readonly members: readonly { readonly instance: string; readonly ms: number | null }[];
}

interface Listed {
  readonly id: string;
  readonly service: string;
  readonly instance: string;
  readonly state: string;
  readonly transport: string;
}

function administrationOf(fleet: Fleet) {
  const { name, secret } = fleet.operator;
  const headers = { Authorization: `Basic ${btoa(`${name}:${secret}`)}` };
  const admin = createAdministrator(fleet.adminUrl, headers);
  return {
    admin,
    instances: async () => (await admin.get('/admin/instances')).body.items as Listed[],
    /** Waits for a complete receipt, at most so long. */
    async revoke(sid: string, seconds: number) {
      const waiting = createAdministrator(fleet.adminUrl, { ...headers, Prefer: `wait=${seconds}` });
      const cutoffs = [{ claim: 'sid', value: sid }];
      const answer = await waiting.post('/admin/revocations', { cutoffs, reason: 'device_lost', why: 'a drill' });
      expect(answer.status).toBe(201);
      expect(answer.headers.get('preference-applied')).toBe(`wait=${seconds}`);
      return answer.body as unknown as { txn: string; receipt: Receipt };
    },
    async receiptOf(txn: string) {
      return (await admin.get(`/admin/revocations/${txn}`)).body.receipt as Receipt;
    },
  };
}

const sidOf = (token: string) =>
  String(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')).sid);

const named = (instances: readonly ServiceProcess[]) => {
  for (const instance of instances) instance.environment.INSTANCE_NAME = instance.name;
};

describe.each(['kafka', 'http'] as const)('by %s', (transport) => {
  const brokers = () => (transport === 'kafka' ? { brokers: broker.brokers } : {});

  it('a receipt has the ms after which a revocation reached each instance, and lists a frozen one as missing', async () => {
    const fleet = await fleetOf({ ...brokers(), prices: 2, orders: 1, started: false });
    named(fleet.instances);
    await fleet.issuer.start();
    await fleet.issuer.ready();
    await Promise.all(fleet.instances.map((one) => one.start()));
    await Promise.all(fleet.instances.map((one) => one.ready()));
    await untilComplete(fleet.instances, transport);
    const { instances, revoke, receiptOf, admin } = administrationOf(fleet);
    await waitFor('every instance reports', async () => (await instances()).length === 3);
    expect((await instances()).map((one) => [one.service, one.instance, one.transport])).toEqual([
      ['orders', 'orders-1', transport],
      ['prices', 'prices-1', transport],
      ['prices', 'prices-2', transport],
    ]);

    const user = await fleet.client.register();
    const { access_token: token } = await fleet.client.login(user, 'laptop');
    await untilAll(fleet.instances, token, '200');
    const { txn, receipt } = await revoke(sidOf(token), 10);
    expect(receipt).toMatchObject({ of: 3, reached: 3, left: 0, complete: true, missing: [] });
    // The instances refuse the token, as the receipt states.
    for (const instance of fleet.instances) expect(await verdictOf(instance, token)).toBe('token_revoked');
    expect(receipt.members.every(({ ms }) => ms !== null && ms >= 0)).toBe(true);
    expect(await receiptOf(txn)).toEqual(receipt);

    const frozen = fleet.instances[0] as ServiceProcess;
    frozen.pause();
    const second = await fleet.client.login(user, 'phone');
    const { txn: incomplete, receipt: early } = await revoke(sidOf(second.access_token), 2);
    expect(early).toMatchObject({ of: 3, complete: false });
    const missing = await waitFor('the others have reached it', async () => {
      const { missing, reached } = await receiptOf(incomplete);
      return reached === 2 && missing;
    });
    expect(missing.map((one) => one.instance)).toEqual(['prices-1']);

    frozen.resume();
    await waitFor('the instance that thawed has reached it', async () => (await receiptOf(incomplete)).complete);
    await untilAll(fleet.instances, second.access_token, 'token_revoked');

    // An instance that stops sends a last report, and no receipt waits for it.
    await frozen.stop('SIGTERM');
    await waitFor('an instance has left', async () => (await instances()).some(({ state }) => state === 'left'));
    const third = await fleet.client.login(user, 'tablet');
    expect((await revoke(sidOf(third.access_token), 10)).receipt).toMatchObject({ of: 2, reached: 2, complete: true });

    // After a restart of the issuer the same receipt is still there.
    await fleet.issuer.stop('SIGTERM');
    await fleet.issuer.start();
    await fleet.issuer.ready();
    await waitFor(
      'the instances are heard again',
      async () => (await instances()).filter(({ state }) => state === 'live').length === 2,
    );
    const kept = await receiptOf(txn);
    expect([kept.of, kept.reached, kept.complete]).toEqual([3, 3, true]);

    const left = (await instances()).find(({ state }) => state === 'left');
    expect((await admin.post(`/admin/instances/${left?.id}/forget`, { why: 'it is gone' })).status).toBe(204);
    const live = (await instances()).find(({ state }) => state === 'live');
    const refused = await admin.post(`/admin/instances/${live?.id}/forget`, { why: 'a mistake' });
    expect([refused.status, refused.body.code]).toEqual([409, 'instance_running']);
    expect((await instances()).map((one) => one.instance)).not.toContain('prices-1');
  });
});
