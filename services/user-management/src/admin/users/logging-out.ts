import type { Operation } from '@rescind/service/http';
import { z } from 'zod';
import type { Administrator } from '../authentication.ts';
import { reasonedBody, revoked } from '../schemas.ts';
import { requireWithin } from '../standing.ts';
import type { UserParts } from './parts.ts';
import { commandOf, params, reasonOf, requireUser, TAG, targets, toChange, WRITE } from './parts.ts';
import { demandBody, logOutBody, resetAnswer } from './schemas.ts';

/** What makes somebody log in again. */
export function userLogouts({ issuer, users, desk, scopesOf }: UserParts): Operation[] {
  const requireActable = (administrator: Administrator, sub: string) => {
    requireUser(users, sub);
    requireWithin(administrator, scopesOf(sub));
  };

  return [
    desk.acts({
      id: 'resetPassword',
      method: 'post',
      path: '/admin/users/{sub}/reset-password',
      summary: 'Reset: every session ends; another password is set with the token that this answers',
      tag: TAG,
      scopes: WRITE,
      params,
      body: { type: 'json', schema: reasonedBody },
      responses: { 200: { description: 'The token, shown once', schema: resetAnswer } },
      errors: ['subject_unknown'],
      targets,
      async act(input) {
        const done = await users.resetPassword({ ...commandOf(input, scopesOf), ...reasonOf(input.body) });
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
      responses: { 200: { description: 'Logged out', schema: z.strictObject({ revocation: revoked }) } },
      errors: ['subject_unknown'],
      targets,
      act({ params: { sub }, body: { reason }, administrator, written }) {
        return issuer.transaction(async (tx) => {
          requireActable(administrator, sub);
          const revocation = await tx.endAllSessions({ sub, reason });
          await written({ txn: revocation?.txn ?? null, endedSessions: revocation?.endedSessions ?? 0 });
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
      responses: { 200: { description: 'How many sessions', schema: z.strictObject({ sessions: z.int() }) } },
      errors: ['subject_unknown'],
      targets,
      act({ params: { sub }, body: { reason }, administrator, written }) {
        return issuer.transaction(async (tx) => {
          requireActable(administrator, sub);
          const sessions = await tx.requireReauthentication({ sub, reason });
          await written({ sessions });
          return { sessions };
        });
      },
    }),
  ];
}
