import type { Issuer } from '@rescind/issuer';
import type { Telemetry } from '@rescind/revocation';
import { RequestRefused, RescindError } from '@rescind/revocation';
import type { Operation } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import { z } from 'zod';
import { MINTS, TOKENS, WRITES } from '../http/declared.ts';
import { clearEndedCookies, clearRefreshCookie, readRefreshCookie, sendTokens } from '../http/refresh-cookie.ts';
import type { AuthenticateClient } from './authenticate.ts';
import { introspectionAnswer, revocationForm, shownTokenForm, tokenForm } from './forms.ts';
import { createGrants } from './grants.ts';

interface OauthOperationsOptions {
  readonly issuer: Issuer;
  readonly authenticate: AuthenticateClient;
  readonly telemetry: Telemetry;
}

/** What a client application does by OAuth. */
export function oauthOperations({ issuer, authenticate, telemetry }: OauthOperationsOptions): Operation[] {
  const grants = createGrants(issuer);
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
      async handle(request, response, { body: form }) {
        const { clientId } = await authenticate(request, form);
        const grant = grants.get(form.grant_type);
        if (grant === undefined) throw new RescindError('grant_unsupported');
        const tokens = await grant({ request, response, form, clientId });
        telemetry.log('info', 'authn_token_created', { sid: tokens.sid, clientId });
        await sendTokens(response, issuer, tokens);
      },
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
      async handle(request, response, { body: form }) {
        const { clientId } = await authenticate(request, form);
        const token = form.token ?? readRefreshCookie(request, clientId);
        if (token === undefined) throw new RequestRefused([{ path: 'token', message: 'must be given' }]);
        const revoked = await issuer.transaction((tx) => tx.revokeToken({ token, clientId }));
        if (revoked !== undefined) telemetry.log('info', 'authn_token_revoked', { clientId });
        const session = await issuer.sessions.findByRefreshToken(token);
        if (form.token === undefined && session === undefined) clearRefreshCookie(response, clientId);
        await clearEndedCookies(request, response, issuer.sessions, session);
        // RFC 7009 section 2.2 gives the body no meaning, and clients read JSON.
        response.status(200).set('Cache-Control', 'no-store').json({});
      },
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
      async handle(request, response, { body: form }) {
        const { clientId, authMethod } = await authenticate(request, form);
        // RFC 7662 section 2.1: who may ask must have proved who it is, or anybody could try out tokens.
        if (authMethod === 'none') throw new RescindError('client_invalid');
        response.set('Cache-Control', 'no-store').json(await issuer.introspect(form.token, { clientId }));
      },
    }),
  ];
}
