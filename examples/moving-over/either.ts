import type { RequestHandler } from 'express';
import jwt from 'jsonwebtoken';

/**
 * Sends requests with a token of the issuer to the guard, and all others to the former middleware. The claim `iss` is read before any signature is
 * verified, and only chooses the verifier: each verifies the token and accepts no token of the other.
 */
export function either(issuer: string, guarded: RequestHandler, former: RequestHandler): RequestHandler {
  return (request, response, next) => {
    const claims = jwt.decode(request.headers.authorization?.replace(/^Bearer /i, '') ?? '');
    const isOfIssuer = typeof claims === 'object' && claims?.iss === issuer;
    return (isOfIssuer ? guarded : former)(request, response, next);
  };
}
