import type { Issuer, SessionView } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import type { Operation } from '@rescind/service/http';
import { pageOf, pageQuery } from '@rescind/service/http';
import { z } from 'zod';
import { deviceName } from '../http/schemas.ts';
import type { Administrator } from './administrators.ts';
import { requireWithin } from './administrators.ts';
import type { AdminRouter } from './router.ts';
import { bodyWithReason, id, millis, reason, revoked, why } from './schemas.ts';

const session = z
  .strictObject({
    sid: z.string(),
    sub: z.string(),
    username: z.string().nullable().describe('The name of the user; null: the account is deleted'),
    clientId: z.string(),
    scope: z.string().nullable().describe('The scope requested at the login; null: all that the user has'),
    audience: z
      .union([z.string(), z.array(z.string())])
      .nullable()
      .describe('The `aud` of its access tokens; null: the services of the client'),
    deviceName: z.string().nullable(),
    createdAt: millis,
    lastUsedAt: millis,
    origin: z.strictObject({ address: z.string().optional(), userAgent: z.string().optional() }),
    authTime: millis,
    amr: z.array(z.string()),
    acr: z.string().nullable(),
    storage: z.enum(['body', 'cookie']),
    idleExpiresAt: millis.nullable(),
    absoluteExpiresAt: millis.nullable(),
    endedAt: millis.nullable(),
    endReason: z.string().nullable(),
    reauthenticationReason: z
      .string()
      .nullable()
      .describe('The reason for which it continues only after a new login; null: it continues without'),
  })
  .meta({ id: 'AdminSession' });

const listQuery = pageQuery.extend({
  sub: id.optional(),
  client_id: id.optional(),
  ended: z.enum(['true', 'false']).default('false').describe('Whether to include sessions that have ended or expired'),
});
const renameBody = z.strictObject({ deviceName, why });
const demandBody = z.strictObject({ reason, why });

/** What is known of the users of sessions. */
interface SubjectLookup {
  /** All scopes of a user. */
  scopesOf(sub: string): readonly string[];
  /** The name of a user; null: the account is deleted. */
  nameOf(sub: string): string | null;
}

/** Lists, renames and ends sessions. */
export function sessionOperations(
  issuer: Issuer,
  router: AdminRouter,
  { scopesOf, nameOf }: SubjectLookup,
): Operation[] {
  // Names are joined when a session is read: no row of a session has one.
  const toJson = (view: SessionView) => withName(view, nameOf(view.sub));
  const found = async (sid: string): Promise<SessionView> => {
    const view = await issuer.sessions.find(sid);
    if (view === undefined) throw new RescindError('not_found');
    return view;
  };
  /** Requires that the user of the session has no admin scope that the administrator lacks. Call it in the transaction of the command. */
  const requireActable = async (administrator: Administrator, sid: string): Promise<SessionView> => {
    const view = await found(sid);
    requireWithin(administrator, scopesOf(view.sub));
    return view;
  };
  const targets = async ({ params: { sid } }: { readonly params: { readonly sid: string } }) => {
    const view = await issuer.sessions.find(sid);
    return view === undefined ? [`sid:${sid}`] : [`sid:${sid}`, `sub:${view.sub}`];
  };
  const sessions = router.area({ tag: 'Sessions', scopes: 'admin:sessions', path: '/admin/sessions' });
  const one = sessions.item({ path: '/{sid}', params: z.strictObject({ sid: id }), targets });

  return [
    sessions.query({
      id: 'listSessions',
      summary: 'Sessions, the newest first',
      query: listQuery,
      responses: { 200: { description: 'A page of them', schema: pageOf(session) } },
      async read({ query: { limit, after, sub, client_id: clientId, ended } }) {
        const { items, next } = await issuer.sessions.list({
          limit,
          ended: ended === 'true',
          ...(after === undefined ? {} : { after }),
          ...(sub === undefined ? {} : { sub }),
          ...(clientId === undefined ? {} : { clientId }),
        });
        return { items: items.map(toJson), ...(next === undefined ? {} : { next }) };
      },
    }),

    one.query({
      id: 'getSession',
      summary: 'One session',
      responses: { 200: { description: 'The session', schema: session } },
      errors: ['not_found'],
      read: async ({ params: { sid } }) => toJson(await found(sid)),
    }),

    one.command({
      id: 'endSession',
      path: '/end',
      summary: 'End a session: its tokens are refused by every service',
      body: bodyWithReason('ended_by_administrator'),
      responses: {
        200: {
          description: 'The revocation; null: it had ended before',
          schema: z.strictObject({ revocation: revoked }),
        },
      },
      errors: ['not_found'],
      async execute({ params: { sid }, body: { reason }, administrator, writeAudit }) {
        const revocation = await issuer.transaction(async (tx) => {
          await requireActable(administrator, sid);
          const done = await tx.endSession({ sid, reason });
          await writeAudit({ txn: done?.txn ?? null });
          return done;
        });
        return { revocation: revocation ?? null };
      },
    }),

    one.command({
      id: 'renameSession',
      method: 'patch',
      summary: 'Give the device of a session another name',
      body: renameBody,
      responses: { 200: { description: 'The session as it is now', schema: session } },
      errors: ['not_found'],
      execute({ params: { sid }, body: { deviceName }, administrator, writeAudit }) {
        return issuer.transaction(async (tx) => {
          const { sub } = await requireActable(administrator, sid);
          const view = await tx.renameSession({ sid, sub, deviceName });
          if (view === undefined) throw new RescindError('not_found');
          await writeAudit();
          return toJson(view);
        });
      },
    }),

    one.command({
      id: 'requireSessionLogin',
      path: '/require-login',
      summary: 'Let a session continue only after a new login; its access tokens remain valid until they expire',
      body: demandBody,
      responses: { 200: { description: 'The number of sessions', schema: z.strictObject({ sessions: z.int() }) } },
      errors: ['not_found'],
      execute({ params: { sid }, body: { reason }, administrator, writeAudit }) {
        return issuer.transaction(async (tx) => {
          await requireActable(administrator, sid);
          const sessions = await tx.requireReauthentication({ sid, reason });
          await writeAudit({ sessions });
          return { sessions };
        });
      },
    }),
  ];
}

/** Without the device id, which belongs to the client. */
function withName({ deviceId: _deviceId, current: _current, sid, sub, ...view }: SessionView, username: string | null) {
  return { sid, sub, username, ...view };
}
