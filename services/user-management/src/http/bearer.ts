import { readBearerToken } from '@rescind/guard/express';
import type { EpochSeconds } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { RequestHandler } from 'express';
import type { TokenCheck, VerifiedClaims } from './token-check.ts';

/** Whose access token a request carries. */
interface Caller {
  readonly sub: string;
  readonly sid: string;
  readonly clientId: string;
  /** What is answered to it has no more scope, and is for nothing else. */
  readonly scope: string | undefined;
  readonly audience: readonly string[];
  /** When the person last proved who they are; 0: unknown. */
  readonly authTime: EpochSeconds;
}

/** Where `identify` leaves the caller. */
export interface CallerLocals {
  caller: Caller;
}

/**
 * Lets a request pass only with an access token that `check` accepts and that has all of these scopes, and leaves whose it
 * is in `response.locals.caller`.
 */
export function identify(check: TokenCheck, scopes: readonly string[] = []): RequestHandler {
  return (request, response, next) => {
    const token = readBearerToken(request);
    if (token === undefined) throw new RescindError('token_missing');
    response.locals.caller = callerOf(check.verify(token, { scopes }));
    next();
  };
}

function callerOf({ sub, sid, client_id, scope, aud, auth_time }: VerifiedClaims): Caller {
  return {
    sub: text(sub),
    sid: text(sid),
    clientId: text(client_id),
    scope: typeof scope === 'string' ? scope : undefined,
    audience: [aud].flat().map(text),
    authTime: typeof auth_time === 'number' ? auth_time : 0,
  };
}

function text(claim: unknown): string {
  if (typeof claim !== 'string') throw new RescindError('token_claim_wrong');
  return claim;
}
