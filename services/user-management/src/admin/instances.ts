import type { Issuer } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import type { Operation } from '@rescind/service/http';
import { z } from 'zod';
import type { AdminRouter } from './router.ts';
import { id, instanceName, instanceState, millis, reasonlessBody } from './schemas.ts';

const instance = z
  .strictObject({
    ...instanceName,
    version: z.string().nullable(),
    transport: z.string().nullable().describe('The transport that it reads'),
    state: instanceState,
    epoch: z.string(),
    seq: z.int(),
    lag: z.int().nullable().describe('Events of the log that it has not applied; null: it is in another epoch'),
    ageMs: z.int().nullable().describe('The age of its view; null: unknown'),
    suspect: z.string().nullable().describe('Why its view may be incomplete'),
    since: millis,
    reportedAt: millis,
    endedAt: millis.nullable(),
  })
  .meta({ id: 'Instance' });

const service = z.strictObject({
  service: z.string(),
  ...{ live: z.int(), behind: z.int(), lost: z.int(), left: z.int(), unknown: z.int() },
  versions: z.record(z.string(), z.int()).describe('How many report each version'),
});

const fleet = z
  .strictObject({
    now: millis.describe('The time of the issuer, by which every other time here goes'),
    services: z.array(service),
    items: z.array(instance),
  })
  .meta({ id: 'Fleet' });

const listQuery = z.strictObject({ service: id.optional(), state: instanceState.optional() });

interface FleetOperationsOptions {
  readonly issuer: Pick<Issuer, 'instances' | 'transaction'>;
  readonly router: AdminRouter;
  readonly now: () => number;
}

/** The instances that report how far they have applied the log. */
export function fleetOperations({ issuer, router, now }: FleetOperationsOptions): Operation[] {
  const instances = router.area({ tag: 'Fleet', scopes: 'admin:fleet', path: '/admin/instances' });
  const one = instances.item({
    path: '/{id}',
    params: z.strictObject({ id }),
    targets: ({ params: { id: of } }) => [`instance:${of}`],
  });
  return [
    instances.query({
      id: 'listInstances',
      summary: 'The instances that apply the log, by their reports',
      description: 'Every instance that reports, and those that were lost or left in the last hour.',
      query: listQuery,
      responses: { 200: { description: 'All of them', schema: fleet } },
      read({ query: { service: ofService, state: inState } }) {
        const items = issuer.instances
          .list()
          .filter((one) => ofService === undefined || one.service === ofService)
          .filter((one) => inState === undefined || one.state === inState);
        return { now: now(), services: servicesOf(items), items };
      },
    }),

    one.command({
      id: 'forgetInstance',
      path: '/forget',
      summary: 'Remove an instance that is lost or left: no receipt waits for it any more',
      body: reasonlessBody,
      responses: { 204: { description: 'Removed' } },
      errors: ['not_found', 'instance_running'],
      async execute({ params: { id: of }, writeAudit }) {
        const found = issuer.instances.list().find((listed) => listed.id === of);
        if (found === undefined) throw new RescindError('not_found');
        if (found.endedAt === null) throw new RescindError('instance_running');
        await issuer.transaction(() => writeAudit());
        // It may have returned while the transaction waited.
        if (!issuer.instances.forget(of)) throw new RescindError('instance_running');
        return undefined;
      },
    }),
  ];
}

type InstanceViews = ReturnType<Issuer['instances']['list']>;

function servicesOf(items: InstanceViews) {
  const byService = Map.groupBy(items, (one) => one.service);
  return [...byService].map(([of, instances]) => {
    const count = (inState: string) => instances.filter((one) => one.state === inState).length;
    const running = instances.filter(({ endedAt }) => endedAt === null);
    // An instance chooses the text of its version: `constructor` is one, too.
    const byVersion = Map.groupBy(running, ({ version }) => version ?? 'unknown');
    const versions = Object.fromEntries([...byVersion].map(([version, { length }]) => [version, length]));
    const counts = { live: count('live'), behind: count('behind'), lost: count('lost'), left: count('left') };
    return { service: of, ...counts, unknown: count('unknown'), versions };
  });
}
