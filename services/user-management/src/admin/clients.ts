import type { Client, CutOffRequest, Issuer, IssuerTransaction, RegisteredClient } from '@rescind/issuer';
import { InvalidClientError } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import { RequestRefused } from '@rescind/revocation/errors';
import { clientIdPattern } from '@rescind/revocation/http';
import type { Operation } from '@rescind/service/http';
import { z } from 'zod';
import { isNarrowed, narrowing } from '../oauth/narrowed-clients.ts';
import type { Confirmed, PreviewCutOffs, RequireNoneGreater, RequireRecent } from './revocation-rights.ts';
import { requireConfirmed, revokeConfirmed } from './revocation-rights.ts';
import { dryRunQuery, preview } from './revocation-schemas.ts';
import type { AdminRouter } from './router.ts';
import { DryRun } from './router.ts';
import {
  bodyWithReason,
  clientBody,
  clientView,
  confirmCount,
  reason,
  reasonlessBody,
  revoked,
  why,
} from './schemas.ts';

/** RFC 6749 appendix A.1; in HTTP Basic a colon would end the client id. */
const clientId = z.string().regex(clientIdPattern(128), 'must be 1 to 128 visible ASCII characters');
const params = z.strictObject({ clientId });
const disableBody = z.strictObject({
  reason: reason.default('client_disabled'),
  why,
  endSessions: z.boolean().default(true).describe('Whether its sessions end and its tokens are denied, too'),
  confirm: confirmCount.optional(),
});
const revocationAnswer = z.strictObject({ client: clientView, revocation: revoked });

interface ClientRules {
  readonly recent: RequireRecent;
  readonly requireNoneGreater: RequireNoneGreater;
  readonly previewCutOffs: PreviewCutOffs;
}

/** Registers clients, makes their secrets, and disables them. */
export function clientOperations(
  issuer: Issuer,
  router: AdminRouter,
  { recent, requireNoneGreater, previewCutOffs }: ClientRules,
  audiences: () => readonly string[],
): Operation[] {
  /** Requires the rights for a cut-off of every token of a client. */
  const requireMayCutOff = async (by: Confirmed, cutoff: CutOffRequest): Promise<void> => {
    await requireNoneGreater(by.administrator, [cutoff]);
    requireConfirmed(by, recent);
  };
  const found = async (
    name: string,
    { clients }: { readonly clients: Pick<Issuer['clients'], 'find' | 'list'> } = issuer,
  ): Promise<RegisteredClient> => {
    const client = await clients.find(name);
    if (client === undefined) throw new RescindError('client_unknown');
    return client;
  };
  const clients = router.area({ tag: 'Clients', scopes: 'admin:clients', path: '/admin/clients' });
  const one = clients.item({ path: '/{clientId}', params, targets: (of) => [`client:${of.params.clientId}`] });

  return [
    clients.query({
      id: 'listClients',
      summary: 'Every client, by id',
      responses: { 200: { description: 'All of them', schema: z.strictObject({ items: z.array(clientView) }) } },
      read: async () => ({ items: (await issuer.clients.list()).map(toJson) }),
    }),

    one.query({
      id: 'getClient',
      summary: 'One client',
      responses: { 200: { description: 'The client', schema: clientView } },
      errors: ['client_unknown'],
      read: async (input) => toJson(await found(input.params.clientId)),
    }),

    one.command({
      id: 'putClient',
      method: 'put',
      summary: 'Register a client, or replace its registration; its secrets and `disabled` stay as they are',
      query: dryRunQuery,
      body: clientBody,
      responses: {
        200: {
          description: 'The client as it is now; a dry run: the preview of narrowing it',
          schema: z.union([clientView, preview]),
        },
      },
      errors: ['request_invalid', 'confirmation_missing', 'authentication_insufficient'],
      async execute({
        params: { clientId: name },
        body: { why: _why, confirm: confirmation, ...members },
        query: { dryRun = 'false' },
        administrator,
        writeAudit,
      }) {
        requireKnown(members.audience ?? [], audiences());
        if (dryRun !== 'false') return new DryRun(await previewCutOffs(narrowing(name)));
        return issuer.transaction(async (tx) => {
          // An audience may have been removed while this waited for its turn.
          requireKnown(members.audience ?? [], audiences());
          const before = await tx.clients.find(name);
          const { secretHashes: held = [], disabled = false } = before ?? {};
          const isNarrower = before !== undefined && isNarrowed(before, members);
          // A client whose authentication method changes neither logs in nor refreshes until it is changed, too.
          const isLockedOut = before !== undefined && before.authMethod !== members.authMethod;
          if (isNarrower || isLockedOut)
            await requireMayCutOff({ administrator, confirm: confirmation }, narrowing(name));
          const secretHashes = members.authMethod.startsWith('client_secret') ? held : [];
          await asRequestError(() =>
            tx.clients.put({ ...withoutUndefined(members), clientId: name, secretHashes, disabled }),
          );
          // Its earlier tokens have rights that the client lost; its sessions continue with the others.
          const revocation = isNarrower ? await tx.revoke(narrowing(name)) : undefined;
          await writeAudit({ authMethod: members.authMethod, txn: revocation?.txn ?? null });
          return toJson(await found(name, tx));
        });
      },
    }),

    one.command({
      id: 'addClientSecret',
      path: '/secrets',
      summary: 'Make another secret, shown once. It and the one before are valid, older ones are not',
      body: reasonlessBody,
      responses: { 201: { description: 'The secret', schema: z.strictObject({ secret: z.string() }) } },
      errors: ['client_unknown', 'client_state'],
      execute: ({ params: { clientId: name }, writeAudit }) =>
        issuer.transaction(async (tx) => {
          if (!(await found(name, tx)).authMethod.startsWith('client_secret')) throw new RescindError('client_state');
          const secret = await tx.clients.addSecret(name);
          await writeAudit();
          return { secret };
        }),
    }),

    one.command({
      id: 'dropOlderSecrets',
      path: '/secrets/drop-older',
      summary: 'Make every secret but the newest one invalid',
      body: reasonlessBody,
      responses: { 200: { description: 'The client as it is now', schema: clientView } },
      errors: ['client_unknown'],
      execute: ({ params: { clientId: name }, writeAudit }) =>
        issuer.transaction(async (tx) => {
          const client = await found(name, tx);
          await tx.clients.put({ ...client, secretHashes: client.secretHashes.slice(-1) });
          await writeAudit();
          return toJson(await found(name, tx));
        }),
    }),

    one.command({
      id: 'disableClient',
      path: '/disable',
      summary: 'Refuse logins and refreshes of a client. With `endSessions` its sessions end and its tokens are denied',
      query: dryRunQuery,
      body: disableBody,
      responses: {
        200: {
          description: 'The client as it is now; a dry run: the preview of the end of its sessions',
          schema: z.union([revocationAnswer, preview]),
        },
      },
      errors: ['client_unknown', 'confirmation_missing', 'confirmation_outgrown', 'authentication_insufficient'],
      async execute({ params: { clientId: name }, body, query: { dryRun = 'false' }, administrator, writeAudit }) {
        const cutoff = cutOffOfClient(name, body.reason);
        const { confirm } = body;
        if (dryRun !== 'false') {
          await found(name);
          return new DryRun(await previewCutOffs(cutoff));
        }
        const disable = async (tx: IssuerTransaction) => tx.clients.put({ ...(await found(name, tx)), disabled: true });
        if (!body.endSessions) {
          return issuer.transaction(async (tx) => {
            await requireNoneGreater(administrator, [cutoff]);
            recent(administrator);
            await disable(tx);
            await writeAudit({ txn: null, endedSessions: 0 });
            return { client: toJson(await found(name, tx)), revocation: null };
          });
        }
        const revocation = await revokeConfirmed(issuer, { cutoffs: cutoff, confirm }, async (tx) => {
          await requireMayCutOff({ administrator, confirm }, cutoff);
          await disable(tx);
          const done = await tx.revoke(cutoff);
          await writeAudit({ txn: done.txn, endedSessions: done.endedSessions });
          return done;
        });
        return { client: toJson(await found(name)), revocation };
      },
    }),

    one.command({
      id: 'enableClient',
      path: '/enable',
      summary: 'Let a disabled client log in again; earlier tokens stay denied',
      body: reasonlessBody,
      responses: { 200: { description: 'The client as it is now', schema: clientView } },
      errors: ['client_unknown'],
      execute: ({ params: { clientId: name }, writeAudit }) =>
        issuer.transaction(async (tx) => {
          await tx.clients.put({ ...(await found(name, tx)), disabled: false });
          await writeAudit();
          return toJson(await found(name, tx));
        }),
    }),

    one.command({
      id: 'removeClient',
      path: '/remove',
      summary: 'Remove a client: its sessions end and its tokens are denied. A built-in one can be disabled instead',
      query: dryRunQuery,
      body: bodyWithReason('client_removed').extend({ confirm: confirmCount.optional() }),
      responses: {
        200: {
          description: 'Removed; a dry run: the preview',
          schema: z.union([z.strictObject({ revocation: revoked }), preview]),
        },
      },
      errors: [
        'client_unknown',
        'client_state',
        'confirmation_missing',
        'confirmation_outgrown',
        'authentication_insufficient',
      ],
      async execute({
        params: { clientId: name },
        body: { reason, confirm },
        query: { dryRun = 'false' },
        administrator,
        writeAudit,
      }) {
        const cutoff = cutOffOfClient(name, reason);
        if (dryRun !== 'false') {
          await found(name);
          return new DryRun(await previewCutOffs(cutoff));
        }
        const revocation = await revokeConfirmed(issuer, { cutoffs: cutoff, confirm }, async (tx) => {
          await requireMayCutOff({ administrator, confirm }, cutoff);
          await found(name, tx);
          if (!(await tx.clients.remove(name))) throw new RescindError('client_state');
          const done = await tx.revoke(cutoff);
          await writeAudit({ txn: done.txn, endedSessions: done.endedSessions });
          return done;
        });
        return { revocation };
      },
    }),
  ];
}

/** @throws RequestRefused naming the undeclared audience */
function requireKnown(audiences: readonly string[], known: readonly string[]): void {
  const unknown = audiences.findIndex((audience) => !known.includes(audience));
  if (unknown === -1) return;
  throw new RequestRefused([{ path: `audience.${unknown}`, message: `must be one of ${known.join(', ')}` }]);
}

/** Denies every token of the client, and ends every session. */
const cutOffOfClient = (value: string, reason: string): CutOffRequest => ({ claim: 'client_id', value, reason });

/** Turns the error of an invalid client into one of the request. */
async function asRequestError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof InvalidClientError)) throw error;
    throw new RequestRefused([{ path: '', message: error.message }]);
  }
}

/** Members that were not given are absent, not undefined. */
function withoutUndefined(members: Omit<z.output<typeof clientBody>, 'why'>): Omit<Client, 'clientId'> {
  return JSON.parse(JSON.stringify(members));
}

/** Shows the number of secrets, not their hashes. */
function toJson({ secretHashes, ...client }: RegisteredClient) {
  return { ...client, secrets: secretHashes.length };
}
