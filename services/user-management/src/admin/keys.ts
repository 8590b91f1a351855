import type { Issuer } from '@rescind/issuer';
import type { Operation } from '@rescind/service/http';
import { z } from 'zod';
import type { RequireRecent } from './revocation-rights.ts';
import { requireConfirmed, requirePreviewed } from './revocation-rights.ts';
import type { AdminRouter } from './router.ts';
import { bodyWithReason, confirmCount, id, logPosition, millis, why } from './schemas.ts';

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
const revokeBody = bodyWithReason('key_compromised').extend({ confirm: confirmCount.optional() });
const revokedAnswer = z.strictObject({
  ...logPosition,
  endedSessions: z.int().describe('0: sessions continue, and get tokens of another key'),
  revokedKids: z.array(z.string()),
  signingKid: z.string(),
});

/** Rotates signing keys, and revokes them with every token that they signed. */
export function keyOperations(
  issuer: Pick<Issuer, 'keys' | 'preview' | 'transaction'>,
  router: AdminRouter,
  recent: RequireRecent,
): Operation[] {
  const keys = router.area({ tag: 'Keys', scopes: 'admin:keys', path: '/admin/keys' });
  const params = z.strictObject({ kid: id });
  const one = keys.item({ path: '/{kid}', params, targets: (of) => [`kid:${of.params.kid}`] });
  return [
    keys.query({
      id: 'listKeys',
      summary: 'Every key that is not deleted yet',
      responses: { 200: { description: 'All of them', schema: z.strictObject({ items: z.array(key) }) } },
      read: async () => ({ items: await issuer.keys.list() }),
    }),

    keys.command({
      id: 'rotateKey',
      path: '/rotate',
      summary: 'Publish the next key, which signs once every reader may know it; no session ends',
      body: rotateBody,
      responses: { 200: { description: 'The next key', schema: key } },
      targets: ({ body }) => [`keys:${body.purpose}`],
      execute: ({ body, writeAudit }) =>
        issuer.transaction(async (tx) => {
          const alg = 'alg' in body && body.alg !== undefined ? { alg: body.alg } : {};
          const next = await tx.keys.rotate({ purpose: body.purpose, ...alg });
          await writeAudit({ kid: next.kid });
          return next;
        }),
    }),

    one.command({
      id: 'revokeKey',
      path: '/revoke',
      summary: 'Revoke a compromised key: every service refuses what it signed',
      body: revokeBody,
      responses: {
        201: { description: 'Revoked; a key that signed is replaced', schema: revokedAnswer },
      },
      errors: ['key_unknown', 'confirmation_missing', 'confirmation_outgrown', 'authentication_insufficient'],
      async execute({ params: { kid }, body: { reason, confirm }, administrator, writeAudit }) {
        requireConfirmed({ administrator, confirm }, recent);
        await requirePreviewed(issuer, { cutoffs: { claim: 'kid', value: kid, reason }, confirm });
        return issuer.transaction(async (tx) => {
          const revocation = await tx.keys.revoke({ kid, reason });
          await writeAudit({ txn: revocation.txn, signingKid: revocation.signingKid });
          return revocation;
        });
      },
    }),
  ];
}
