import type { Issuer } from '@rescind/issuer';
import type { Operation } from '@rescind/service/http';
import { requires } from '../../scopes.ts';
import type { Desk } from '../desk.ts';
import { explainBody, explanation } from './bodies.ts';

/** Why a token is refused: by the issuer's own rows, which are never older than the last answer to a logout. */
export function explainOperation(issuer: Pick<Issuer, 'explain' | 'revocations'>, desk: Desk): Operation {
  return desk.looks({
    id: 'explain',
    method: 'post',
    path: '/admin/explain',
    summary: 'Which revocation refuses this token, or one with these claims',
    tag: 'Revocations',
    scopes: requires('admin:revocations:read'),
    body: { type: 'json', schema: explainBody },
    responses: { 200: { description: 'What refuses it, if anything does', schema: explanation } },
    errors: [],
    async look({ body }) {
      const { entries, ...explained } = await issuer.explain(
        'token' in body ? body : { claims: body.claims, ...(body.kid === undefined ? {} : { kid: body.kid }) },
      );
      const known = await Promise.all(
        entries.map(async (entry) => ({
          ...entry,
          since: (await issuer.revocations.find(entry.txn))?.appendedAt ?? null,
        })),
      );
      return { ...explained, entries: known };
    },
  });
}
