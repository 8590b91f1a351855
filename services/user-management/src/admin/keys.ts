import type { Issuer } from '@rescind/issuer';
import type { Operation } from '@rescind/service/http';
import { z } from 'zod';
import { scopesOfArea } from '../scopes.ts';
import type { RequireRecent } from './revocation-rights.ts';
import { requireConfirmed } from './revocation-rights.ts';
import type { AdminRouter } from './router.ts';
import { bodyWithReason, confirm, id, logPosition, millis, why } from './schemas.ts';

const TAG = 'Keys';
const { READ, WRITE } = scopesOfArea('admin:keys');

const purpose = z.enum(['token', 'event']).describe('`token`: access tokens; `event`: the events of the log');
const alg = z.enum(['RS256', 'ES256']);

const key = z
  .strictObject({
    kid: z.string(),
    purpose,
    alg,
    state: z.enum(['next', 'active', 'former', 'revoked']),
    createdAt: millis,
    activatedAt: millis.nullable(),
    retiresAt: millis.nullable(),
  })
  .meta({ id: 'Key' });

/** Events are always RS256: every reader takes that. */
const rotateBody = z.union([
  z.strictObject({ purpose: z.literal('token'), alg: alg.optional(), why }),
  z.strictObject({ purpose: z.literal('event'), why }),
]);
const revokeBody = bodyWithReason('key_compromised').extend({ confirm });
const revokedAnswer = z.strictObject({
  ...logPosition,
  endedSessions: z.int().describe('0: sessions continue, and get tokens of another key'),
  revokedKids: z.array(z.string()),
  signingKid: z.string(),
});

/** Rotates signing keys, and revokes them with every token that they signed. */
export function keyOperations(
  issuer: Pick<Issuer, 'keys' | 'transaction'>,
  router: AdminRouter,
  recent: RequireRecent,
): Operation[] {
  return [
    router.query({
      id: 'listKeys',
      method: 'get',
      path: '/admin/keys',
      summary: 'Every key that is not deleted yet',
      tag: TAG,
      scopes: READ,
      responses: { 200: { description: 'All of them', schema: z.strictObject({ items: z.array(key) }) } },
      errors: [],
      read: async () => ({ items: await issuer.keys.list() }),
    }),

    router.command({
      id: 'rotateKey',
      method: 'post',
      path: '/admin/keys/rotate',
      summary: 'Publish the next key, which signs once every reader may know it; no session ends',
      tag: TAG,
      scopes: WRITE,
      body: { type: 'json', schema: rotateBody },
      responses: { 200: { description: 'The next key', schema: key } },
      errors: [],
      targets: ({ body }) => [`keys:${body.purpose}`],
      execute: ({ body, writeAudit }) =>
        issuer.transaction(async (tx) => {
          const alg = 'alg' in body && body.alg !== undefined ? { alg: body.alg } : {};
          const next = await tx.keys.rotate({ purpose: body.purpose, ...alg });
          await writeAudit({ kid: next.kid });
          return next;
        }),
    }),

    router.command({
      id: 'revokeKey',
      method: 'post',
      path: '/admin/keys/{kid}/revoke',
      summary: 'Revoke a compromised key: every service refuses what it signed',
      tag: TAG,
      scopes: WRITE,
      params: z.strictObject({ kid: id }),
      body: { type: 'json', schema: revokeBody },
      responses: {
        201: { description: 'Revoked; a key that signed is replaced', schema: revokedAnswer },
      },
      errors: ['key_unknown', 'confirmation_missing', 'authentication_insufficient'],
      targets: ({ params }) => [`kid:${params.kid}`],
      execute({ params: { kid }, body: { reason: word, confirm: given }, administrator, writeAudit }) {
        requireConfirmed({ administrator, confirm: given }, recent);
        return issuer.transaction(async (tx) => {
          const revocation = await tx.keys.revoke({ kid, reason: word });
          await writeAudit({ txn: revocation.txn, signingKid: revocation.signingKid });
          return revocation;
        });
      },
    }),
  ];
}
