import type { AccountChange } from '@rescind/accounts';
import type { Operation } from '@rescind/service/http';
import { pageOf, pageQuery } from '@rescind/service/http';
import { z } from 'zod';
import type { Administrator } from './administrators.ts';
import { requireWithin } from './administrators.ts';
import type { CommandInput, CommandReason } from './router.ts';
import { reasonedBody, reasonlessBody, revoked } from './schemas.ts';
import type { Params, UserCommand, UserContext } from './user-context.ts';
import {
  changed,
  claimsBody,
  commandOf,
  createAnswer,
  createBody,
  demandBody,
  logOutBody,
  reasonOf,
  requireUser,
  resetAnswer,
  rolesBody,
  scopesBody,
  toChange,
  user,
  userAreas,
  userFilter,
} from './user-context.ts';

/** Queries of accounts. */
export function userQueries({ users, router }: UserContext): Operation[] {
  const { all, one } = userAreas(router);
  return [
    all.query({
      id: 'listUsers',
      summary:
        'Users by their pseudonym, the one with this name, or those whose names begin so; deleted ones with `state=deleted` only',
      query: pageQuery.extend(userFilter),
      responses: { 200: { description: 'A page of them', schema: pageOf(user) } },
      read({ query: { limit, after, state, username, prefix } }) {
        if (username !== undefined) {
          const account = users.findByName(username);
          const isFound = account !== undefined && (state === undefined || account.state === state);
          return { items: isFound ? [account] : [] };
        }
        const items = users.list({
          limit,
          ...(after === undefined ? {} : { after }),
          ...(state === undefined ? {} : { state }),
          ...(prefix === undefined ? {} : { prefix }),
        });
        const next = items.length === limit ? items.at(-1)?.sub : undefined;
        return { items, ...(next === undefined ? {} : { next }) };
      },
    }),

    one.query({
      id: 'getUser',
      summary: 'One user',
      responses: { 200: { description: 'The user', schema: user } },
      errors: ['subject_unknown'],
      read: ({ params: { sub } }) => requireUser(users, sub),
    }),
  ];
}

interface ChangeDefinition<B> {
  readonly id: string;
  readonly method?: 'put' | 'patch';
  readonly path: string;
  readonly summary: string;
  readonly body: z.ZodType<B>;
  does(command: UserCommand & { readonly body: B }, input: CommandInput<Params, undefined, B>): Promise<AccountChange>;
}

/** Commands that change an account, and cut off its earlier tokens. */
export function userCommands({ users, router, scopesOf }: UserContext): Operation[] {
  const { one } = userAreas(router);
  /** A change of one account whose user has no admin scope that the administrator lacks. The response is the changed account. */
  const change = <B extends CommandReason>({ does, ...definition }: ChangeDefinition<B>) =>
    one.command<undefined, B>({
      ...definition,
      responses: { 200: { description: 'The user as it is now', schema: changed } },
      errors: ['subject_unknown'],
      async execute(input) {
        return toChange(await does({ ...commandOf(input, scopesOf), body: input.body }, input));
      },
    });

  return [
    change({
      id: 'suspendUser',
      path: '/suspend',
      summary: 'Suspend: every session ends; login and refresh refuse, with the reason after the right password',
      body: reasonedBody,
      does: ({ body, ...command }) => users.suspend({ ...command, ...reasonOf(body) }),
    }),
    change({
      id: 'banUser',
      path: '/ban',
      summary: 'Ban: as suspend, and meant to be permanent',
      body: reasonedBody,
      does: ({ body, ...command }) => users.ban({ ...command, ...reasonOf(body) }),
    }),
    change({
      id: 'reinstateUser',
      path: '/reinstate',
      summary: 'Let a suspended or banned user log in again; earlier tokens stay denied',
      body: reasonlessBody,
      does: ({ body: _body, ...command }) => users.reinstate(command),
    }),
    change({
      id: 'deleteUser',
      path: '/delete',
      summary: 'Delete: every session ends, everything personal is erased, the name is free again',
      body: reasonlessBody,
      does: ({ body: _body, ...command }) => users.remove(command),
    }),
    change({
      id: 'removeSecondFactor',
      path: '/remove-second-factor',
      summary: 'For a user who lost it: every session ends, and the password alone is enough again',
      body: reasonlessBody,
      does: ({ body: _body, ...command }) => users.removeSecondFactor(command),
    }),
    change({
      id: 'setRoles',
      method: 'put',
      path: '/roles',
      summary: 'Set the claim `roles`: earlier tokens are denied, sessions continue',
      body: rolesBody,
      does: ({ body: { roles }, ...command }) => users.setRoles({ ...command, roles }),
    }),
    change({
      id: 'setScopes',
      method: 'put',
      path: '/scopes',
      summary:
        'Set all scopes of a user: earlier tokens are denied, sessions continue. Administrators give only what they have',
      body: scopesBody,
      does({ body: { scopes }, ...command }, { administrator }) {
        requireWithin(administrator, scopes ?? []);
        return users.setScopes({ ...command, scopes });
      },
    }),
    change({
      id: 'setClaims',
      method: 'patch',
      path: '/claims',
      summary: 'Set or remove claims of the access tokens: earlier tokens are denied, sessions continue',
      body: claimsBody,
      does: ({ body: { claims }, ...command }) => users.setClaims({ ...command, claims }),
    }),
  ];
}

/** Creates accounts. */
export function userCreation({ users, router, scopesOf }: UserContext, defaultScopes: readonly string[]): Operation[] {
  const { all } = userAreas(router);
  return [
    all.command({
      id: 'createUser',
      summary:
        'Create a user, who sets the password with the returned token. Administrators give only scopes that they have',
      body: createBody,
      targets: () => [],
      responses: { 201: { description: 'The token, shown once', schema: createAnswer } },
      errors: ['username_taken'],
      async execute({ body: { why: _why, ...account }, administrator, writeAudit }) {
        requireWithin(administrator, account.scopes ?? defaultScopes);
        const withinTransaction = ({ account: { sub } }: AccountChange) => {
          requireWithin(administrator, scopesOf(sub));
          return writeAudit({}, [`sub:${sub}`]);
        };
        const { account: user, resetToken, expiresAt } = await users.create({ ...account, withinTransaction });
        return { user, resetToken, expiresAt };
      },
    }),
  ];
}

/** Commands after which a user must log in again. */
export function userLogoutCommands({ issuer, users, router, scopesOf }: UserContext): Operation[] {
  const { one } = userAreas(router);
  const requireActable = (administrator: Administrator, sub: string) => {
    requireUser(users, sub);
    requireWithin(administrator, scopesOf(sub));
  };

  return [
    one.command({
      id: 'resetPassword',
      path: '/reset-password',
      summary: 'Reset: every session ends; the user sets another password with the returned token',
      body: reasonedBody,
      responses: { 200: { description: 'The token, shown once', schema: resetAnswer } },
      errors: ['subject_unknown'],
      async execute(input) {
        const done = await users.resetPassword({ ...commandOf(input, scopesOf), ...reasonOf(input.body) });
        return { ...toChange(done), resetToken: done.resetToken, expiresAt: done.expiresAt };
      },
    }),

    one.command({
      id: 'logOutUser',
      path: '/log-out',
      summary: 'End every session of a user; logging in again works at once',
      body: logOutBody,
      responses: { 200: { description: 'Logged out', schema: z.strictObject({ revocation: revoked }) } },
      errors: ['subject_unknown'],
      execute({ params: { sub }, body: { reason }, administrator, writeAudit }) {
        return issuer.transaction(async (tx) => {
          requireActable(administrator, sub);
          const revocation = await tx.endAllSessions({ sub, reason });
          await writeAudit({ txn: revocation?.txn ?? null, endedSessions: revocation?.endedSessions ?? 0 });
          return { revocation: revocation ?? null };
        });
      },
    }),

    one.command({
      id: 'requireUserLogin',
      path: '/require-login',
      summary:
        'Let the sessions of a user continue only after a new login; access tokens remain valid until they expire',
      body: demandBody,
      responses: { 200: { description: 'The number of sessions', schema: z.strictObject({ sessions: z.int() }) } },
      errors: ['subject_unknown'],
      execute({ params: { sub }, body: { reason }, administrator, writeAudit }) {
        return issuer.transaction(async (tx) => {
          requireActable(administrator, sub);
          const sessions = await tx.requireReauthentication({ sub, reason });
          await writeAudit({ sessions });
          return { sessions };
        });
      },
    }),
  ];
}
