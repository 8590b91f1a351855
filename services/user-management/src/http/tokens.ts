import type { Issuer } from '@rescind/issuer';
import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { RequestRefused } from '@rescind/service';
import type { Request, Response } from 'express';
import { requireClient } from '../oauth/clients.ts';
import type { RevokeForm, TokenForm } from './bodies.ts';
import { NO_STORE } from './sessions.ts';

export interface TokenEndpoints {
  /** RFC 6749 section 6. */
  token(request: Request, response: Response): void;
  /** RFC 7009. */
  revoke(request: Request, response: Response): Promise<void>;
}

/** What a client application does by OAuth. */
export function createTokenEndpoints(issuer: Issuer, telemetry: Telemetry): TokenEndpoints {
  return {
    token(request, response) {
      const { grant_type, refresh_token, client_id, scope }: TokenForm = request.body;
      if (grant_type !== 'refresh_token') throw new RescindError('grant_unsupported');
      if (refresh_token === undefined) {
        throw new RequestRefused([{ path: 'refresh_token', message: 'must be given' }]);
      }
      const { clientId } = requireClient(client_id, request.headers.authorization);
      const answer = issuer.refresh({
        refreshToken: refresh_token,
        clientId,
        ...(scope === undefined ? {} : { scope }),
      });
      response.set(NO_STORE).json(answer);
    },

    async revoke(request, response) {
      const { token, client_id }: RevokeForm = request.body;
      const { clientId } = requireClient(client_id, request.headers.authorization);
      const revoked = await issuer.revokeToken({ token, clientId });
      if (revoked !== undefined) telemetry.log('info', 'authn_token_revoked', { clientId });
      response.status(200).set('Cache-Control', 'no-store').end();
    },
  };
}
