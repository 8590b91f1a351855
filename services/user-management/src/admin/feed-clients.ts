import type { Issuer } from '@rescind/issuer';
import type { Clock } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Operation } from '@rescind/service/http';
import { z } from 'zod';
import type { FeedClient, FeedClientTable } from '../feed-clients.ts';
import { feedClientId, makeSecret } from '../feed-clients.ts';
import type { RequireRecent } from './revocation-rights.ts';
import type { AdminRouter } from './router.ts';
import { reasonlessBody, why } from './schemas.ts';

const params = z.strictObject({ clientId: feedClientId });
const view = z
  .strictObject({
    clientId: z.string(),
    configured: z.boolean().describe('Whether FEED_CLIENTS_FILE has it; a registered one replaces it'),
    registered: z.boolean().describe('Whether an administrator has registered it'),
    secrets: z.int().describe('The number of valid secrets: two during a rotation'),
  })
  .meta({ id: 'FeedClient' });
const withSecret = z.strictObject({ client: view, secret: z.string() });

export interface FeedClientParts {
  readonly table: FeedClientTable;
  /** Ids of FEED_CLIENTS_FILE. */
  configured(): readonly string[];
  /**
   * Called after each change.
   * @param endsStreams whether a secret that was valid is no longer valid
   */
  changed(clientId: string, endsStreams: boolean): void;
}

interface FeedClientOperationsOptions extends FeedClientParts {
  readonly issuer: Pick<Issuer, 'transaction'>;
  readonly router: AdminRouter;
  readonly recent: RequireRecent;
  readonly clock: Clock;
}

/** Services that may read the log of revocations over HTTP, each by a secret, which is stored as a hash. */
export function feedClientOperations(options: FeedClientOperationsOptions): Operation[] {
  const { issuer, router, recent, clock, table, configured, changed } = options;
  const toView = (clientId: string) => {
    const registered = table.find(clientId);
    const isConfigured = configured().includes(clientId);
    if (registered === undefined && !isConfigured) throw new RescindError('client_unknown');
    const secrets = registered?.secretHashes.length ?? 1;
    return { clientId, configured: isConfigured, registered: registered !== undefined, secrets };
  };
  const ids = () => [...new Set([...configured(), ...table.list().map(({ clientId }) => clientId)])].sort();
  const found = (clientId: string): FeedClient => {
    const client = table.find(clientId);
    if (client !== undefined) return client;
    toView(clientId);
    throw new RescindError('client_state', {
      publicDetail: 'FEED_CLIENTS_FILE has it: change the file, or register it',
    });
  };
  const readers = router.area({ tag: 'Feed clients', scopes: 'admin:clients', path: '/admin/feed-clients' });
  const one = readers.item({ path: '/{clientId}', params, targets: (of) => [`feed_client:${of.params.clientId}`] });

  return [
    readers.query({
      id: 'listFeedClients',
      summary: 'Every reader of the log, by id',
      responses: { 200: { description: 'All of them', schema: z.strictObject({ items: z.array(view) }) } },
      read: () => ({ items: ids().map(toView) }),
    }),

    one.query({
      id: 'getFeedClient',
      summary: 'One reader of the log',
      responses: { 200: { description: 'The reader', schema: view } },
      errors: ['client_unknown'],
      read: (input) => toView(input.params.clientId),
    }),

    readers.command({
      id: 'createFeedClient',
      summary: 'Register a reader of the log with a secret that is shown once. It replaces one of the file',
      body: z.strictObject({ clientId: feedClientId, why }),
      responses: { 201: { description: 'The reader and its secret', schema: withSecret } },
      errors: ['client_state', 'authentication_insufficient'],
      targets: ({ body }) => [`feed_client:${body.clientId}`],
      async execute({ body: { clientId }, administrator, writeAudit }) {
        recent(administrator);
        const secret = await issuer.transaction(async () => {
          if (table.find(clientId) !== undefined) {
            throw new RescindError('client_state', { publicDetail: 'It is registered already' });
          }
          const generated = makeSecret([]);
          table.put({ clientId, secretHashes: generated.secretHashes }, clock.now());
          await writeAudit();
          return generated.secret;
        });
        changed(clientId, true);
        return { client: toView(clientId), secret };
      },
    }),

    one.command({
      id: 'addFeedClientSecret',
      path: '/secrets',
      summary:
        'Make another secret, shown once. It and the one before are valid; if an older one was, open streams end',
      body: reasonlessBody,
      responses: { 201: { description: 'The reader and its secret', schema: withSecret } },
      errors: ['client_unknown', 'client_state', 'authentication_insufficient'],
      async execute({ params: { clientId }, administrator, writeAudit }) {
        recent(administrator);
        const { secret, isOneDropped } = await issuer.transaction(async () => {
          const { secretHashes: before } = found(clientId);
          const generated = makeSecret(before);
          table.put({ clientId, secretHashes: generated.secretHashes }, clock.now());
          await writeAudit();
          return {
            secret: generated.secret,
            isOneDropped: before.some((hash) => !generated.secretHashes.includes(hash)),
          };
        });
        changed(clientId, isOneDropped);
        return { client: toView(clientId), secret };
      },
    }),

    one.command({
      id: 'dropOlderFeedClientSecrets',
      path: '/secrets/drop-older',
      summary: 'Make every secret but the newest one invalid; the open streams of the reader end',
      body: reasonlessBody,
      responses: { 200: { description: 'The reader as it is now', schema: view } },
      errors: ['client_unknown', 'client_state', 'authentication_insufficient'],
      async execute({ params: { clientId }, administrator, writeAudit }) {
        recent(administrator);
        await issuer.transaction(async () => {
          table.put({ clientId, secretHashes: found(clientId).secretHashes.slice(-1) }, clock.now());
          await writeAudit();
        });
        changed(clientId, true);
        return toView(clientId);
      },
    }),

    one.command({
      id: 'removeFeedClient',
      method: 'delete',
      summary: 'Remove a registered reader: its open streams end at once. One of the file is valid again',
      body: reasonlessBody,
      responses: { 204: { description: 'Removed' } },
      errors: ['client_unknown', 'client_state', 'authentication_insufficient'],
      async execute({ params: { clientId }, administrator, writeAudit }) {
        recent(administrator);
        await issuer.transaction(async () => {
          found(clientId);
          table.remove(clientId);
          await writeAudit();
        });
        changed(clientId, true);
        return undefined;
      },
    }),
  ];
}
