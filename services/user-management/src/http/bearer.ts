import { readBearerToken } from '@rescind/guard/express';
import { RescindError } from '@rescind/revocation';
import type { RequestHandler } from 'express';
import type { TokenCheck, TokenRequirements, VerifiedClaims } from './token-check.ts';

/** Whose access token a request carries. */
interface Caller {
  readonly sub: string;
  readonly sid: string;
  readonly clientId: string;
  /** What is answered to it has no more scope, and is for nothing else. */
  readonly scope: string | undefined;
  readonly audience: readonly string[];
  /** Requires more of the token. @throws RescindError with its challenge, as `TokenCheck.require` */
  require(requirements: TokenRequirements): void;
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
  return async (request, response, next) => {
    const token = readBearerToken(request);
    if (token === undefined) throw new RescindError('token_missing');
    const claims = await check.verify(token, { scopes });
    const caller = { ...callerOf(claims), require: (more: TokenRequirements) => check.require(claims, more) };
    response.locals.caller = caller satisfies Caller;
    next();
  };
}

function callerOf({ sub, sid, client_id, scope, aud }: VerifiedClaims): Omit<Caller, 'require'> {
  return {
    sub: text(sub),
    sid: text(sid),
    clientId: text(client_id),
    scope: typeof scope === 'string' ? scope : undefined,
    audience: [aud].flat().map(text),
  };
}

function text(claim: unknown): string {
  if (typeof claim !== 'string') throw new RescindError('token_claim_wrong');
  return claim;
}
