import type { Client, CutOffRequest, Issuer, RegisteredClient } from '@rescind/issuer';
import type { Clock } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { RequestRefused } from '@rescind/revocation/errors';
import type { Operation } from '@rescind/service/http';
import { z } from 'zod';
import type { ServiceAudiences } from '../audiences.ts';
import { AUDIENCE } from '../audiences.ts';
import type { PreviewCutOffs, RequireNoneGreater, RequireRecent } from './revocation-rights.ts';
import { requireConfirmed } from './revocation-rights.ts';
import { dryRunQuery, preview } from './revocation-schemas.ts';
import type { AdminRouter } from './router.ts';
import { DryRun } from './router.ts';
import { confirm, reasonlessBody, revoked, why } from './schemas.ts';

const params = z.strictObject({ audience: z.string().regex(AUDIENCE, 'must be 1 to 256 visible ASCII characters') });
const view = z
  .strictObject({
    audience: z.string(),
    configured: z.boolean().describe('Whether the variable AUDIENCE has it'),
    registered: z.boolean().describe('Whether an administrator has added it'),
    clients: z.array(z.string()).describe('The clients whose registration names it'),
  })
  .meta({ id: 'ServiceAudience' });

interface AudienceOperationsOptions {
  readonly issuer: Issuer;
  readonly router: AdminRouter;
  readonly services: ServiceAudiences;
  /** The clients of the configuration's files. */
  configuredClients(): readonly Client[];
  readonly recent: RequireRecent;
  readonly requireNoneGreater: RequireNoneGreater;
  readonly previewCutOffs: PreviewCutOffs;
  readonly clock: Clock;
}

/** Audiences of services: the values of `resource` (RFC 8707) and `aud`. */
export function audienceOperations(options: AudienceOperationsOptions): Operation[] {
  const { issuer, router, services, configuredClients, recent, requireNoneGreater, previewCutOffs, clock } = options;
  const naming = async (
    audience: string,
    { clients }: { readonly clients: Pick<Issuer['clients'], 'find' | 'list'> } = issuer,
  ) => (await clients.list()).filter((client) => client.audience?.includes(audience));
  const toView = async (audience: string) => {
    const found = services.find(audience);
    if (found === undefined) throw new RescindError('not_found');
    return { ...found, clients: (await naming(audience)).map(({ clientId }) => clientId) };
  };
  const audiences = router.area({ tag: 'Audiences', scopes: 'admin:clients', path: '/admin/audiences' });
  const one = audiences.item({ path: '/{audience}', params, targets: (of) => [`audience:${of.params.audience}`] });
  /** Reloads the declared audiences if the transaction was rolled back. */
  const changing = async <T>(work: Parameters<typeof issuer.transaction<T>>[0]): Promise<T> => {
    try {
      return await issuer.transaction(work);
    } catch (error) {
      services.reload();
      throw error;
    }
  };

  return [
    audiences.query({
      id: 'listAudiences',
      summary: 'Every audience of services, by name',
      responses: { 200: { description: 'All of them', schema: z.strictObject({ items: z.array(view) }) } },
      read: async () => ({ items: await Promise.all(services.list().map(({ audience }) => toView(audience))) }),
    }),

    one.query({
      id: 'getAudience',
      summary: 'One audience of services',
      responses: { 200: { description: 'The audience', schema: view } },
      errors: ['not_found'],
      read: (input) => toView(input.params.audience),
    }),

    one.command({
      id: 'putAudience',
      method: 'put',
      summary: 'Add an audience of services: clients may be registered for it and request it at once',
      body: reasonlessBody,
      responses: { 200: { description: 'The audience', schema: view } },
      errors: ['request_invalid', 'authentication_insufficient'],
      execute({ params: { audience }, administrator, writeAudit }) {
        if (services.isOwn(audience)) {
          throw new RequestRefused([{ path: 'audience', message: 'must not be one of user-management itself' }]);
        }
        recent(administrator);
        return changing(async () => {
          services.add(audience, clock.now());
          await writeAudit();
          return toView(audience);
        });
      },
    }),

    one.command({
      id: 'removeAudience',
      method: 'delete',
      summary:
        'Remove an audience that was added: its tokens are denied, sessions continue, clients that name it are narrowed',
      query: dryRunQuery,
      body: z.strictObject({ why, confirm }),
      responses: {
        200: {
          description: 'Removed; a dry run: the preview',
          schema: z.union([z.strictObject({ revocation: revoked, narrowed: z.array(z.string()) }), preview]),
        },
      },
      errors: ['not_found', 'client_state', 'confirmation_missing', 'authentication_insufficient'],
      async execute({ params: { audience }, body, query: { dryRun = 'false' }, administrator, writeAudit }) {
        const { configured, registered, clients: names } = await toView(audience);
        if (!registered) throw refused('client_state', 'AUDIENCE names it: change the configuration');
        const cutoff: CutOffRequest = { claim: 'aud', value: audience, reason: 'audience_removed' };
        if (dryRun !== 'false') return new DryRun(await previewCutOffs(cutoff));
        if (configured) {
          recent(administrator);
          return changing(async () => {
            services.remove(audience);
            await writeAudit();
            return { revocation: null, narrowed: [] };
          });
        }
        if (body.confirm === undefined && names.length > 0) throw refused('confirmation_missing', named(names));
        return changing(async (tx) => {
          await requireNoneGreater(administrator, [cutoff]);
          requireConfirmed({ administrator, confirm: body.confirm }, recent);
          const narrowed = await naming(audience, tx);
          requireNarrowable(audience, narrowed);
          for (const client of narrowed) {
            await tx.clients.put({ ...client, audience: (client.audience ?? []).filter((one) => one !== audience) });
          }
          services.remove(audience);
          const revocation = await tx.revoke(cutoff);
          await writeAudit({ txn: revocation.txn, narrowed: narrowed.length });
          return { revocation, narrowed: narrowed.map(({ clientId }) => clientId) };
        });
      },
    }),
  ];

  /** @throws RescindError `client_state` naming the clients that would be left without an audience, or are of a file */
  function requireNarrowable(audience: string, clients: readonly RegisteredClient[]): void {
    const ofFiles = configuredClients().filter((client) => client.audience?.includes(audience));
    if (ofFiles.length > 0) {
      throw refused('client_state', `CLIENTS_FILE names it: ${ofFiles.map(({ clientId }) => clientId).join(', ')}`);
    }
    const empty = clients.filter((client) => client.audience?.every((one) => one === audience));
    if (empty.length === 0) return;
    throw refused('client_state', `The only audience of ${empty.map(({ clientId }) => clientId).join(', ')}`);
  }
}

const named = (clients: readonly string[]) => `Clients that name it: ${clients.join(', ')}`;

function refused(code: 'client_state' | 'confirmation_missing', publicDetail: string): RescindError {
  return new RescindError(code, { publicDetail });
}
