import type { AccountChange } from '@rescind/accounts';
import type { Operation } from '@rescind/service/http';
import type { z } from 'zod';
import type { ActInput, Stated } from '../desk.ts';
import { reasonedBody, statedBody } from '../schemas.ts';
import { requireWithin } from '../standing.ts';
import type { Params, UserCommand, UserParts } from './parts.ts';
import { commandOf, params, reasonOf, TAG, targets, toChange, WRITE } from './parts.ts';
import { changed, claimsBody, rolesBody, scopesBody } from './schemas.ts';

/** What changes an account, and cuts off what was issued before. */
export function userChanges({ users, desk, scopesOf }: UserParts): Operation[] {
  /** A change of one account, by an administrator who has no fewer admin scopes, that is answered with how it is then. */
  const change = <B extends Stated>(of: {
    readonly id: string;
    readonly method?: 'post' | 'put' | 'patch';
    readonly path: string;
    readonly summary: string;
    readonly body: z.ZodType<B>;
    readonly does: (
      command: UserCommand & { readonly body: B },
      input: ActInput<Params, undefined, B>,
    ) => Promise<AccountChange>;
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
      responses: { 200: { description: 'The user as it is now', schema: changed } },
      errors: ['subject_unknown'],
      targets,
      async act(input) {
        return toChange(await of.does({ ...commandOf(input, scopesOf), body: input.body }, input));
      },
    });

  return [
    change({
      id: 'suspendUser',
      path: '/suspend',
      summary: 'Suspend: every session ends; login and refresh refuse, saying why to who proves the password',
      body: reasonedBody,
      does: ({ body, ...command }) => users.suspend({ ...command, ...reasonOf(body) }),
    }),
    change({
      id: 'banUser',
      path: '/ban',
      summary: 'Ban: as suspended, and not meant to pass',
      body: reasonedBody,
      does: ({ body, ...command }) => users.ban({ ...command, ...reasonOf(body) }),
    }),
    change({
      id: 'reinstateUser',
      path: '/reinstate',
      summary: 'Let a suspended or banned user log in again; old tokens stay dead',
      body: statedBody,
      does: ({ body: _body, ...command }) => users.reinstate(command),
    }),
    change({
      id: 'deleteUser',
      path: '/delete',
      summary: 'Delete: every session ends, everything personal is erased, the name is free again',
      body: statedBody,
      does: ({ body: _body, ...command }) => users.remove(command),
    }),
    change({
      id: 'removeSecondFactor',
      path: '/remove-second-factor',
      summary: 'For who lost it: every session ends, the password alone is enough again',
      body: statedBody,
      does: ({ body: _body, ...command }) => users.removeSecondFactor(command),
    }),
    change({
      id: 'setRoles',
      method: 'put',
      path: '/roles',
      summary: 'Set the claim `roles`: older tokens die, sessions go on',
      body: rolesBody,
      does: ({ body: { roles }, ...command }) => users.setRoles({ ...command, roles }),
    }),
    change({
      id: 'setScopes',
      method: 'put',
      path: '/scopes',
      summary: 'Set all the scopes a user may have: older tokens die, sessions go on. Nobody gives what they have not',
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
      summary: 'Set or remove claims of the access tokens: older tokens die, sessions go on',
      body: claimsBody,
      does: ({ body: { claims }, ...command }) => users.setClaims({ ...command, claims }),
    }),
  ];
}
