import type { Issuer } from '@rescind/issuer';
import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Operation } from '@rescind/service';
import { operation, RequestRefused } from '@rescind/service';
import { MINTS, NO_STORE, TOKENS, WRITES } from '../http/declared.ts';
import { requireClient } from './clients.ts';
import { revokeForm, tokenForm } from './forms.ts';

/** What a client application does by OAuth. */
export function oauthOperations(issuer: Issuer, telemetry: Telemetry): Operation[] {
  return [
    operation({
      id: 'token',
      method: 'post',
      path: '/oauth2/token',
      summary: 'Exchange a refresh token (RFC 6749 section 6)',
      tag: 'OAuth',
      security: 'client',
      body: { type: 'form', schema: tokenForm },
      answers: { 200: TOKENS },
      errors: ['grant_invalid', 'grant_reused', 'grant_unsupported', 'scope_invalid', ...MINTS],
      async handle(request, response, { body: { grant_type, refresh_token, client_id, scope } }) {
        if (grant_type !== 'refresh_token') throw new RescindError('grant_unsupported');
        if (refresh_token === undefined) {
          throw new RequestRefused([{ path: 'refresh_token', message: 'must be given' }]);
        }
        const { clientId } = requireClient(client_id, request.headers.authorization);
        const answer = await issuer.refresh({
          refreshToken: refresh_token,
          clientId,
          ...(scope === undefined ? {} : { scope }),
        });
        response.set(NO_STORE).json(answer);
      },
    }),

    operation({
      id: 'revoke',
      method: 'post',
      path: '/oauth2/revoke',
      summary: 'Revoke a token (RFC 7009)',
      tag: 'OAuth',
      security: 'client',
      body: { type: 'form', schema: revokeForm },
      answers: { 200: { description: 'The token is good no more, if it ever was' } },
      errors: ['grant_invalid', ...WRITES],
      async handle(request, response, { body: { token, client_id } }) {
        const { clientId } = requireClient(client_id, request.headers.authorization);
        const revoked = await issuer.revokeToken({ token, clientId });
        if (revoked !== undefined) telemetry.log('info', 'authn_token_revoked', { clientId });
        response.status(200).set('Cache-Control', 'no-store').end();
      },
    }),
  ];
}
