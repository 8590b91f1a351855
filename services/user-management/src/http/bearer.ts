import type { Issuer } from '@rescind/issuer';
import type { EpochSeconds } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Request, RequestHandler } from 'express';

/** Whose access token a request carries. */
interface Caller {
  readonly sub: string;
  readonly sid: string;
  readonly clientId: string;
  readonly scope: string | undefined;
  /** When the person last proved who they are; 0: unknown. */
  readonly authTime: EpochSeconds;
}

/** Where `identify` leaves the caller. */
export interface CallerLocals {
  caller: Caller;
}

/**
 * Lets a request pass only with an access token that is good and has all of these scopes, and leaves whose it is in
 * `response.locals.caller`.
 */
export function identify(issuer: Issuer, scopes: readonly string[] = []): RequestHandler {
  return (request, response, next) => {
    const caller = requireCaller(issuer, request);
    const has = caller.scope?.split(' ') ?? [];
    if (!scopes.every((scope) => has.includes(scope))) throw insufficientScope(scopes);
    response.locals.caller = caller;
    next();
  };
}

/** Names the scopes that are needed (RFC 6750 section 3.1). */
function insufficientScope(scopes: readonly string[]): RescindError {
  const challenge = `Bearer error="insufficient_scope", scope="${scopes.join(' ')}"`;
  return Object.assign(new RescindError('scope_insufficient'), { headers: { 'WWW-Authenticate': challenge } });
}

/**
 * The caller, by the access token in the `Authorization` header and nowhere else (RFC 6750 section 2).
 * @throws RescindError `token_missing`, `request_invalid`, `token_malformed`, `token_expired`, `token_revoked`, …
 */
function requireCaller(issuer: Issuer, request: Request): Caller {
  const token = bearerToken(request);
  if (token === undefined) throw new RescindError('token_missing');
  const { payload } = issuer.verify(token);
  return {
    sub: text(payload.sub),
    sid: text(payload.sid),
    clientId: text(payload.client_id),
    scope: typeof payload.scope === 'string' ? payload.scope : undefined,
    authTime: typeof payload.auth_time === 'number' ? payload.auth_time : 0,
  };
}

/**
 * The access token in the `Authorization` header and nowhere else (RFC 6750 section 2); undefined without one.
 * @throws RescindError `request_invalid`: two of them, or a token in the address
 */
export function bearerToken(request: Request): string | undefined {
  if ('access_token' in request.query) throw new RescindError('request_invalid', { detail: 'a token in the address' });
  const [header = '', ...more] = request.headersDistinct.authorization ?? [];
  if (more.length > 0) throw new RescindError('request_invalid', { detail: 'more than one Authorization header' });
  return /^Bearer +(.*)$/i.exec(header)?.[1];
}

function text(claim: unknown): string {
  if (typeof claim !== 'string') throw new RescindError('token_claim_wrong');
  return claim;
}
