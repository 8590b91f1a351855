import type { IssuerEndpoints } from '@rescind/issuer/http';
import type { Operation } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import { z } from 'zod';
import { MINTS, TOKENS, WRITES } from '../http/declared.ts';
import { sendAnswer } from '../http/refresh-cookie.ts';
import { introspectionAnswer, revocationForm, shownTokenForm, tokenForm } from './forms.ts';

/** The OAuth endpoints of the issuer, described. */
export function oauthOperations(endpoints: IssuerEndpoints): Operation[] {
  return [
    operation({
      id: 'token',
      method: 'post',
      path: '/oauth2/token',
      summary: 'Exchange a refresh token (RFC 6749 section 6), or renew an access token',
      description:
        'By `refresh_token` the token is spent: the answer has the next. Without one the cookie is taken, which wants the header `X-Rescind-CSRF`. The renewal is for clients that may.',
      tag: 'OAuth',
      security: 'client',
      body: { type: 'form', schema: tokenForm },
      responses: { 200: TOKENS },
      errors: [
        'grant_invalid',
        'grant_reused',
        'grant_suspended',
        'grant_unsupported',
        'reauthentication_required',
        'csrf_header_missing',
        'scope_invalid',
        'target_invalid',
        ...MINTS,
      ],
      handle: async (request, response) => sendAnswer(response, await endpoints.token(request, request)),
    }),

    operation({
      id: 'revoke',
      method: 'post',
      path: '/oauth2/revoke',
      summary: 'Revoke a token (RFC 7009)',
      description:
        'An access token dies alone; a refresh token takes its session along. Without a `token` it is that of the cookie.',
      tag: 'OAuth',
      security: 'client',
      body: { type: 'form', schema: revocationForm },
      responses: { 200: { description: 'The token is good no more, if it ever was', schema: z.strictObject({}) } },
      errors: ['grant_invalid', 'csrf_header_missing', ...WRITES],
      handle: async (request, response) => sendAnswer(response, await endpoints.revoke(request, request)),
    }),

    operation({
      id: 'introspect',
      method: 'post',
      path: '/oauth2/introspect',
      summary: 'Whether a token is good now (RFC 7662)',
      description:
        'For clients that authenticate. One that is not registered to introspect learns of its own tokens only.',
      tag: 'OAuth',
      security: 'client',
      body: { type: 'form', schema: shownTokenForm },
      responses: { 200: { description: 'What is not good says no more than that', schema: introspectionAnswer } },
      errors: [],
      handle: async (request, response) => sendAnswer(response, await endpoints.introspect(request, request)),
    }),
  ];
}
