import type { CutOffRequest, Issuer } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import { NEVER, NO_SESSION } from '@rescind/revocation/cut-off';
import type { Operation } from '@rescind/service/http';
import { pageOf, pageQuery } from '@rescind/service/http';
import { z } from 'zod';
import type { Confirmed, PreviewCutOffs, RequireNoneGreater, RequireRecent } from './revocation-rights.ts';
import { cutoffRequests, holdersOf, requireMeant, revokeConfirmed, targetsOf } from './revocation-rights.ts';
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
  revocationWithReceipt,
} from './revocation-schemas.ts';
import type { AdminRouter } from './router.ts';
import { DryRun } from './router.ts';
import { id } from './schemas.ts';

const AREA = { tag: 'Revocations', scopes: 'admin:revocations', path: '/admin' } as const;

export interface RevocationOperationsOptions {
  readonly issuer: Issuer;
  /** The `iss` of our own tokens. */
  readonly name: string;
  readonly router: AdminRouter;
  readonly recent: RequireRecent;
  readonly requireNoneGreater: RequireNoneGreater;
  readonly previewCutOffs: PreviewCutOffs;
}

/** Revokes by any claim, previews and lists revocations, and revokes everything in an emergency. */
export function revocationOperations(options: RevocationOperationsOptions): Operation[] {
  const { issuer, name, router, recent, requireNoneGreater, previewCutOffs } = options;
  const revocations = router.area(AREA);
  const subOf = async (sid: string) => (await issuer.sessions.find(sid))?.sub;
  const requests = (bodies: readonly CutoffBody[], reason = DEFAULT_REASON) =>
    cutoffRequests(bodies, reason, { issuer: name, explain: issuer.explain, keys: issuer.keys });

  /** @param requireAllowed is called in the transaction, because the affected users may change before it begins */
  const revoke = (
    confirmed: { readonly cutoffs: readonly CutOffRequest[] } & Pick<Confirmed, 'confirm'>,
    requireAllowed: () => Promise<void>,
    written: (details: { txn: string; endedSessions: number }) => Promise<void>,
  ) =>
    revokeConfirmed(issuer, confirmed, async (tx) => {
      await requireAllowed();
      const done = await tx.revoke(confirmed.cutoffs);
      // Its position in the log is known after the commit: readers of the audit find it by its txn.
      await written({ txn: done.txn, endedSessions: done.endedSessions });
      return done;
    });

  return [
    revocations.command({
      id: 'createRevocation',
      path: '/revocations',
      summary: 'Revoke: cut off tokens by any claim, in one event',
      description:
        'Denies every token that has such a claim and was issued until now. With `?dryRun` nothing changes: the response is the preview. With `Prefer: wait=2` (RFC 7240) the response waits up to so many seconds, 10 at most, until every instance enforces the revocation, and has the receipt in either case.',
      query: dryRunQuery,
      body: revocationBody,
      responses: {
        200: { description: 'A dry run: the preview', schema: preview },
        201: { description: 'Durable, and being published', schema: revocationAnswer },
      },
      errors: ['confirmation_missing', 'confirmation_outgrown', 'authentication_insufficient'],
      targets: ({ body }) => targetsOf(body.cutoffs),
      async execute({ body: { cutoffs, reason, confirm }, query: { dryRun = 'false' }, administrator, writeAudit }) {
        const requested = await requests(cutoffs, reason);
        if (dryRun !== 'false') return new DryRun(await previewCutOffs(requested));
        const holders = await holdersOf(cutoffs, issuer);
        const others = requested.filter((_, index) => !Object.hasOwn(cutoffs[index] ?? {}, 'token'));
        const source = { subOf, holders, others, requireNoneGreater, recent };
        const requireAllowed = () => requireMeant(requested, { administrator, confirm }, source);
        return revoke({ cutoffs: requested, confirm }, requireAllowed, writeAudit);
      },
    }),

    revocations.query({
      id: 'previewRevocation',
      method: 'post',
      path: '/revocations/preview',
      summary: 'The sessions that a revocation would end',
      body: previewBody,
      responses: { 200: { description: 'The preview', schema: preview } },
      read: async ({ body: { cutoffs } }) => previewCutOffs(await requests(cutoffs)),
    }),

    revocations.query({
      id: 'listRevocations',
      path: '/revocations',
      summary: 'Revocations that still deny something, the newest first',
      query: pageQuery,
      responses: { 200: { description: 'A page of them', schema: pageOf(revocationState) } },
      async read({ query: { limit, after } }) {
        const { items, next } = await issuer.revocations.list({ limit, ...(after === undefined ? {} : { after }) });
        return { items: items.map(toState), ...(next === undefined ? {} : { next }) };
      },
    }),

    revocations.item({ path: '/revocations/{txn}', params: z.strictObject({ txn: id }) }).query({
      id: 'getRevocation',
      summary: 'The position of a revocation in the log, what it denies, and which instances enforce it',
      description:
        'With `Prefer: wait=2` (RFC 7240) the response waits for the receipt, up to so many seconds, 10 at most.',
      responses: { 200: { description: 'The revocation', schema: revocationWithReceipt } },
      errors: ['not_found'],
      waits: true,
      async read({ params: { txn } }, wait) {
        const state = await issuer.revocations.find(txn);
        if (state === undefined) throw new RescindError('not_found');
        const { instances } = issuer;
        const receipt = await (wait === undefined
          ? instances.receipt(state)
          : instances.wait(state, wait.ms, wait.signal));
        return { ...toState(state), receipt };
      },
    }),

    revocations.command({
      id: 'emergency',
      path: '/emergency',
      summary: 'Emergency: ends every session and denies every token of the issuer; new logins work at once',
      body: emergencyBody,
      responses: { 201: { description: 'Durable, and being published', schema: revocationAnswer } },
      errors: ['authentication_insufficient', 'confirmation_outgrown'],
      targets: () => ['everybody'],
      execute({ body: { reason, confirm }, administrator, writeAudit }) {
        const cutoffs = [{ claim: 'iss', value: name, reason }];
        const requireAllowed = async () => {
          await requireNoneGreater(administrator, cutoffs);
          recent(administrator);
        };
        return revoke({ cutoffs, confirm }, requireAllowed, writeAudit);
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
  return router.area(AREA).query({
    id: 'explain',
    method: 'post',
    path: '/explain',
    summary: 'Which revocation denies this token, or one with these claims',
    body: explainBody,
    responses: { 200: { description: 'The explanation', schema: explanation } },
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
