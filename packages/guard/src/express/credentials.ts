import { oneHeader, readBearer } from '@rescind/revocation/http';
import type { Request } from 'express';

/**
 * Reads the access token of a request from its `Authorization` header only (RFC 6750 section 2.1), because logs and histories contain
 * addresses.
 *
 * @returns undefined if the request has none
 * @throws RescindError `request_invalid` for two tokens, or one in the address or the body; `token_sender_constrained` for one with
 * the scheme `DPoP` (RFC 9449 section 7.1), also where a token is optional
 */
export function readBearerToken(request: Request): string | undefined {
  const authorization = oneHeader(request.rawHeaders, 'authorization');
  return readBearer({ authorization, target: request.originalUrl, form: parsedForm(request) });
}

/** The form, if it was parsed before: then the handler behind would see it too. */
function parsedForm(request: Request): object | undefined {
  const body: unknown = request.body;
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'access_token')) return undefined;
  return typeof request.is('application/x-www-form-urlencoded') === 'string' ? body : undefined;
}
