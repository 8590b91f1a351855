import type { AccessAnswer, Issuer, TokenAnswer } from '@rescind/issuer';
import { RequestRefused, RescindError } from '@rescind/revocation';
import type { Request, Response } from 'express';
import { clearRefreshCookie, readRefreshCookie } from '../http/refresh-cookie.ts';
import type { TokenForm } from './forms.ts';
import { RENEWAL_GRANT } from './forms.ts';

interface GrantRequest {
  readonly request: Request;
  readonly response: Response;
  readonly form: TokenForm;
  readonly clientId: string;
}

type Grant = (asked: GrantRequest) => Promise<TokenAnswer | AccessAnswer>;

/** What may be exchanged at the token endpoint, by `grant_type`. */
export function createGrants(issuer: Issuer): ReadonlyMap<string, Grant> {
  const goesOn = async (refreshToken: string) => {
    const session = await issuer.sessions.findByRefreshToken(refreshToken);
    return session !== undefined && (await issuer.sessions.isOpen(session.sid));
  };

  /** RFC 6749 section 6. The refresh token is in the form, or else in the cookie. */
  const refresh: Grant = async ({ request, response, form, clientId }) => {
    const inForm = form.refresh_token;
    const refreshToken = inForm ?? readRefreshCookie(request, clientId);
    if (refreshToken === undefined) throw missing('refresh_token');
    const via = inForm === undefined ? 'cookie' : 'body';
    try {
      return await issuer.refresh({ refreshToken, clientId, via, ...narrowingOf(form) });
    } catch (error) {
      if (via === 'cookie' && isGrantInvalid(error) && !(await goesOn(refreshToken)))
        clearRefreshCookie(response, clientId);
      throw error;
    }
  };

  /** What is wrong with the token is wrong with the grant: a 401 would be about the client (RFC 6749 section 5.2). */
  const renew: Grant = async ({ form, clientId }) => {
    if (form.subject_token === undefined) throw missing('subject_token');
    try {
      return await issuer.renew({ accessToken: form.subject_token, clientId, ...narrowingOf(form) });
    } catch (error) {
      if (!codeOf(error)?.startsWith('token_')) throw error;
      throw new RescindError('grant_invalid', { cause: error });
    }
  };

  return new Map([
    ['refresh_token', refresh],
    [RENEWAL_GRANT, renew],
  ]);
}

const missing = (path: string) => new RequestRefused([{ path, message: 'must be given' }]);
const narrowingOf = ({ scope, resource }: TokenForm) => ({
  ...(scope === undefined ? {} : { scope }),
  ...(resource === undefined ? {} : { resource }),
});
const isGrantInvalid = (error: unknown) => error instanceof RescindError && error.oauth === 'invalid_grant';
const codeOf = (error: unknown) => (error instanceof RescindError ? error.code : undefined);
