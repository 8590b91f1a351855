import type { Issuer } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import type { Operation } from '@rescind/service';
import { pageOf, pageQuery } from '@rescind/service';
import { z } from 'zod';
import type { AccountView } from '../accounts/account.ts';
import type { AccountAdministration, AccountChange } from '../accounts/administration.ts';
import type { ActInput, Desk, Stated } from './desk.ts';
import { id, reasonedBody, revoked, statedBody } from './schemas.ts';
import { requireWithin } from './standing.ts';
import {
  changed,
  claimsBody,
  demandBody,
  logOutBody,
  resetAnswer,
  rolesBody,
  scopesBody,
  user,
  userFilter,
} from './user-schemas.ts';

const TAG = 'Users';
const READ = ['admin:users:read'];
const WRITE = ['admin:users:write'];
const params = z.strictObject({ sub: id });
type Params = z.output<typeof params>;

export interface UserOperationsOptions {
  readonly issuer: Issuer;
  readonly users: AccountAdministration;
  readonly desk: Desk;
}

/** Accounts, as an administrator finds and changes them. */
export function userOperations({ issuer, users, desk }: UserOperationsOptions): Operation[] {
  const found = (sub: string): AccountView => {
    const account = users.find(sub);
    if (account === undefined) throw new RescindError('subject_unknown');
    return account;
  };
  const targets = ({ params: { sub } }: { readonly params: Params }) => [`sub:${sub}`];

  /** A change of one account that is answered with how it is then. */
  const change = <B extends Stated>(of: {
    readonly id: string;
    readonly method?: 'post' | 'put' | 'patch';
    readonly path: string;
    readonly summary: string;
    readonly body: z.ZodType<B>;
    readonly does: (act: Along & { readonly body: B }, input: ActInput<Params, undefined, B>) => Promise<AccountChange>;
  }) =>
    desk.acts<Params, undefined, B>({
      id: of.id,
      method: of.method ?? 'post',
      path: `/admin/users/{sub}${of.path}`,
      summary: of.summary,
      tag: TAG,
      scopes: WRITE,
      params,
      body: { type: 'json', schema: of.body },
      answers: { 200: { description: 'The user as it is now', schema: changed } },
      errors: ['subject_unknown'],
      targets,
      act: async (input) => toChange(await of.does({ ...along(input), body: input.body }, input)),
    });

  return [
    desk.looks({
      id: 'listUsers',
      method: 'get',
      path: '/admin/users',
      summary: 'Users by their pseudonym, or the one with this name; deleted ones only where asked for',
      tag: TAG,
      scopes: READ,
      query: pageQuery.extend(userFilter),
      answers: { 200: { description: 'A page of them', schema: pageOf(user) } },
      errors: [],
      look({ query: { limit, after, state, username } }) {
        if (username !== undefined) {
          const account = users.findByName(username);
          const wanted = account !== undefined && (state === undefined || account.state === state);
          return { items: wanted ? [account] : [] };
        }
        const items = users.list({
          limit,
          ...(after === undefined ? {} : { after }),
          ...(state === undefined ? {} : { state }),
        });
        const next = items.length === limit ? items.at(-1)?.sub : undefined;
        return { items, ...(next === undefined ? {} : { next }) };
      },
    }),

    desk.looks({
      id: 'getUser',
      method: 'get',
      path: '/admin/users/{sub}',
      summary: 'One user',
      tag: TAG,
      scopes: READ,
      params,
      answers: { 200: { description: 'The user', schema: user } },
      errors: ['subject_unknown'],
      look: ({ params: { sub } }) => found(sub),
    }),

    change({
      id: 'suspendUser',
      path: '/suspend',
      summary: 'Suspend: every session ends; login and refresh refuse, saying why to who proves the password',
      body: reasonedBody,
      does: ({ body, ...act }) => users.suspend({ ...act, ...reasonOf(body) }),
    }),
    change({
      id: 'banUser',
      path: '/ban',
      summary: 'Ban: as suspended, and not meant to pass',
      body: reasonedBody,
      does: ({ body, ...act }) => users.ban({ ...act, ...reasonOf(body) }),
    }),
    change({
      id: 'reinstateUser',
      path: '/reinstate',
      summary: 'Let a suspended or banned user log in again; old tokens stay dead',
      body: statedBody,
      does: ({ body: _body, ...act }) => users.reinstate(act),
    }),
    change({
      id: 'deleteUser',
      path: '/delete',
      summary: 'Delete: every session ends, everything personal is erased, the name is free again',
      body: statedBody,
      does: ({ body: _body, ...act }) => users.remove(act),
    }),
    change({
      id: 'removeSecondFactor',
      path: '/remove-second-factor',
      summary: 'For who lost it: every session ends, the password alone is enough again',
      body: statedBody,
      does({ body: _body, ...act }, { administrator }) {
        requireWithin(administrator, found(act.sub).scopes ?? []);
        return users.removeSecondFactor(act);
      },
    }),
    change({
      id: 'setRoles',
      method: 'put',
      path: '/roles',
      summary: 'Set the claim `roles`: older tokens die, sessions go on',
      body: rolesBody,
      does: ({ body: { roles }, ...act }) => users.setRoles({ ...act, roles }),
    }),
    change({
      id: 'setScopes',
      method: 'put',
      path: '/scopes',
      summary: 'Set all the scopes a user may have: older tokens die, sessions go on. Nobody gives what they have not',
      body: scopesBody,
      does({ body: { scopes }, ...act }, { administrator }) {
        requireWithin(administrator, [...(scopes ?? []), ...(found(act.sub).scopes ?? [])]);
        return users.setScopes({ ...act, scopes });
      },
    }),
    change({
      id: 'setClaims',
      method: 'patch',
      path: '/claims',
      summary: 'Set or remove claims of the access tokens: older tokens die, sessions go on',
      body: claimsBody,
      does: ({ body: { claims }, ...act }) => users.setClaims({ ...act, claims }),
    }),

    desk.acts({
      id: 'resetPassword',
      method: 'post',
      path: '/admin/users/{sub}/reset-password',
      summary: 'Reset: every session ends; another password is set with the token that this answers',
      tag: TAG,
      scopes: WRITE,
      params,
      body: { type: 'json', schema: reasonedBody },
      answers: { 200: { description: 'The token, shown once', schema: resetAnswer } },
      errors: ['subject_unknown'],
      targets,
      async act(input) {
        requireWithin(input.administrator, found(input.params.sub).scopes ?? []);
        const done = await users.resetPassword({ ...along(input), ...reasonOf(input.body) });
        return { ...toChange(done), resetToken: done.resetToken, expiresAt: done.expiresAt };
      },
    }),

    desk.acts({
      id: 'logOutUser',
      method: 'post',
      path: '/admin/users/{sub}/log-out',
      summary: 'End every session of a user; logging in again works at once',
      tag: TAG,
      scopes: WRITE,
      params,
      body: { type: 'json', schema: logOutBody },
      answers: { 200: { description: 'Logged out', schema: z.strictObject({ revocation: revoked }) } },
      errors: ['subject_unknown'],
      targets,
      act({ params: { sub }, body: { reason }, written }) {
        found(sub);
        return issuer.transaction((tx) => {
          const revocation = tx.endAllSessions({ sub, reason });
          written({ txn: revocation?.txn ?? null, endedSessions: revocation?.endedSessions ?? 0 });
          return { revocation: revocation ?? null };
        });
      },
    }),

    desk.acts({
      id: 'requireUserLogin',
      method: 'post',
      path: '/admin/users/{sub}/require-login',
      summary: 'Let the sessions of a user go on only after a new login; access tokens live to their end',
      tag: TAG,
      scopes: WRITE,
      params,
      body: { type: 'json', schema: demandBody },
      answers: { 200: { description: 'How many sessions', schema: z.strictObject({ sessions: z.int() }) } },
      errors: ['subject_unknown'],
      targets,
      act({ params: { sub }, body: { reason }, written }) {
        found(sub);
        return issuer.transaction((tx) => {
          const sessions = tx.requireReauthentication({ sub, reason });
          written({ sessions });
          return { sessions };
        });
      },
    }),
  ];
}

interface Along {
  readonly sub: string;
  along(done: AccountChange): void;
}

/** The audit is written in the transaction of the change. */
function along({ params: { sub }, written }: Pick<ActInput<Params, unknown, unknown>, 'params' | 'written'>): Along {
  return { sub, along: ({ revocation }) => written({ txn: revocation?.txn ?? null }) };
}

const reasonOf = ({ reason }: { readonly reason?: string | undefined }) => (reason === undefined ? {} : { reason });

function toChange({ account, revocation }: AccountChange) {
  return { user: account, revocation: revocation ?? null };
}
