import type { Operation } from '@rescind/service/http';
import { pageOf, pageQuery } from '@rescind/service/http';
import type { UserParts } from './parts.ts';
import { params, READ, requireUser, TAG } from './parts.ts';
import { user, userFilter } from './schemas.ts';

/** Accounts as they are. */
export function userLooks({ users, desk }: UserParts): Operation[] {
  return [
    desk.looks({
      id: 'listUsers',
      method: 'get',
      path: '/admin/users',
      summary: 'Users by their pseudonym, or the one with this name; deleted ones only where asked for',
      tag: TAG,
      scopes: READ,
      query: pageQuery.extend(userFilter),
      responses: { 200: { description: 'A page of them', schema: pageOf(user) } },
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
      responses: { 200: { description: 'The user', schema: user } },
      errors: ['subject_unknown'],
      look: ({ params: { sub } }) => requireUser(users, sub),
    }),
  ];
}
