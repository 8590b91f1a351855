import type { CutOffRequest, Issuer } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import { NEVER, NO_SESSION } from '@rescind/revocation/cut-off';
import type { Operation } from '@rescind/service/http';
import { pageOf, pageQuery } from '@rescind/service/http';
import { z } from 'zod';
import { requires, scopesOfArea } from '../scopes.ts';
import type { RequireNoneGreater, RequireRecent } from './revocation-rights.ts';
import { cutoffRequests, holdersOf, requireMeant, targetsOf } from './revocation-rights.ts';
import type { CutoffBody } from './revocation-schemas.ts';
import {
  DEFAULT_REASON,
  dryRunQuery,
  emergencyBody,
  explainBody,
  explanation,
  preview,
  previewBody,
  revocationAnswer,
  revocationBody,
  revocationState,
} from './revocation-schemas.ts';
import type { AdminRouter } from './router.ts';
import { DryRun } from './router.ts';
import { id } from './schemas.ts';

const TAG = 'Revocations';
const { READ, WRITE } = scopesOfArea('admin:revocations');

export interface RevocationOperationsOptions {
  readonly issuer: Issuer;
  /** The `iss` of our own tokens. */
  readonly name: string;
  readonly router: AdminRouter;
  readonly recent: RequireRecent;
  readonly requireNoneGreater: RequireNoneGreater;
}

/** Revokes by any claim, previews and lists revocations, and revokes everything in an emergency. */
export function revocationOperations(options: RevocationOperationsOptions): Operation[] {
  const { issuer, name, router, recent, requireNoneGreater } = options;
  const subOf = async (sid: string) => (await issuer.sessions.find(sid))?.sub;
  const requests = (bodies: readonly CutoffBody[], reason = DEFAULT_REASON) =>
    cutoffRequests(bodies, reason, { issuer: name, explain: issuer.explain, keys: issuer.keys });

  /** @param requireAllowed is called in the transaction, because the affected users may change before it begins */
  const revoke = (
    cutoffs: readonly CutOffRequest[],
    requireAllowed: () => Promise<void>,
    written: (details: { txn: string; endedSessions: number }) => Promise<void>,
  ) =>
    issuer.transaction(async (tx) => {
      await requireAllowed();
      const done = await tx.revoke(cutoffs);
      // Its position in the log is known after the commit: readers of the audit find it by its txn.
      await written({ txn: done.txn, endedSessions: done.endedSessions });
      return done;
    });

  return [
    router.command({
      id: 'createRevocation',
      method: 'post',
      path: '/admin/revocations',
      summary: 'Revoke: cut off tokens by any claim, in one event',
      description:
        'Denies every token that has such a claim and was issued until now. With `?dryRun` nothing changes: the response is the preview.',
      tag: TAG,
      scopes: WRITE,
      query: dryRunQuery,
      body: { type: 'json', schema: revocationBody },
      responses: {
        200: { description: 'A dry run: the preview', schema: preview },
        201: { description: 'Durable, and being published', schema: revocationAnswer },
      },
      errors: ['confirmation_missing', 'authentication_insufficient'],
      targets: ({ body }) => targetsOf(body.cutoffs),
      async execute({ body: { cutoffs, reason, confirm }, query: { dryRun = 'false' }, administrator, writeAudit }) {
        const requested = await requests(cutoffs, reason);
        if (dryRun !== 'false') return new DryRun(await issuer.preview(requested));
        const holders = await holdersOf(cutoffs, issuer);
        const others = requested.filter((_, index) => !Object.hasOwn(cutoffs[index] ?? {}, 'token'));
        const source = { subOf, holders, others, requireNoneGreater, recent };
        return revoke(requested, () => requireMeant(requested, { administrator, confirm }, source), writeAudit);
      },
    }),

    router.query({
      id: 'previewRevocation',
      method: 'post',
      path: '/admin/revocations/preview',
      summary: 'The sessions that a revocation would end',
      tag: TAG,
      scopes: READ,
      body: { type: 'json', schema: previewBody },
      responses: { 200: { description: 'The preview', schema: preview } },
      errors: [],
      read: async ({ body: { cutoffs } }) => issuer.preview(await requests(cutoffs)),
    }),

    router.query({
      id: 'listRevocations',
      method: 'get',
      path: '/admin/revocations',
      summary: 'Revocations that still deny something, the newest first',
      tag: TAG,
      scopes: READ,
      query: pageQuery,
      responses: { 200: { description: 'A page of them', schema: pageOf(revocationState) } },
      errors: [],
      async read({ query: { limit, after } }) {
        const { items, next } = await issuer.revocations.list({ limit, ...(after === undefined ? {} : { after }) });
        return { items: items.map(toState), ...(next === undefined ? {} : { next }) };
      },
    }),

    router.query({
      id: 'getRevocation',
      method: 'get',
      path: '/admin/revocations/{txn}',
      summary: 'The position of a revocation in the log, and what it denies',
      tag: TAG,
      scopes: READ,
      params: z.strictObject({ txn: id }),
      responses: { 200: { description: 'The revocation', schema: revocationState } },
      errors: ['not_found'],
      async read({ params: { txn } }) {
        const state = await issuer.revocations.find(txn);
        if (state === undefined) throw new RescindError('not_found');
        return toState(state);
      },
    }),

    router.command({
      id: 'emergency',
      method: 'post',
      path: '/admin/emergency',
      summary: 'Emergency: ends every session and denies every token of the issuer; new logins work at once',
      tag: TAG,
      scopes: WRITE,
      body: { type: 'json', schema: emergencyBody },
      responses: { 201: { description: 'Durable, and being published', schema: revocationAnswer } },
      errors: ['authentication_insufficient'],
      targets: () => ['everybody'],
      execute({ body: { reason }, administrator, writeAudit }) {
        const cutoffs = [{ claim: 'iss', value: name, reason }];
        const requireAllowed = async () => {
          await requireNoneGreater(administrator, cutoffs);
          recent(administrator);
        };
        return revoke(cutoffs, requireAllowed, writeAudit);
      },
    }),
  ];
}

/** The greatest number means no bound, which is null in the response. */
const bounded = (at: number) => (at >= NEVER ? null : at);

function toState({ cutOffs, ...state }: NonNullable<Awaited<ReturnType<Issuer['revocations']['find']>>>) {
  const deny = cutOffs.map(({ iss, claim, value, issuedUntil, expiresAt, sessionUntil }) => ({
    ...{ iss, claim, value },
    issuedUntil: bounded(issuedUntil),
    expiresAt: bounded(expiresAt),
    endsSession: sessionUntil !== NO_SESSION,
  }));
  return { ...state, deny };
}

/** Explains why a token is refused, by the issuer's rows, which include every acknowledged revocation. */
export function explainOperation(issuer: Pick<Issuer, 'explain' | 'revocations'>, router: AdminRouter): Operation {
  return router.query({
    id: 'explain',
    method: 'post',
    path: '/admin/explain',
    summary: 'Which revocation denies this token, or one with these claims',
    tag: 'Revocations',
    scopes: requires('admin:revocations:read'),
    body: { type: 'json', schema: explainBody },
    responses: { 200: { description: 'The explanation', schema: explanation } },
    errors: [],
    async read({ body }) {
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
