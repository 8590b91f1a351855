import { RescindError } from '@rescind/revocation';
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
  if (isInAddress(request)) throw new RescindError('request_invalid', { detail: 'a token in the address' });
  if (isInBody(request)) throw new RescindError('request_invalid', { detail: 'a token in the body' });
  const [, scheme, token] = /^(\S+) *(.*)$/s.exec(oneAuthorization(request)) ?? [];
  if (scheme?.toLowerCase() === 'dpop') {
    throw new RescindError('token_sender_constrained', { detail: 'sent with the scheme DPoP' });
  }
  if (scheme?.toLowerCase() !== 'bearer') return undefined;
  if (token === undefined || !/^\S+$/.test(token)) {
    throw new RescindError('request_invalid', { detail: 'Bearer with no token, or with more than one' });
  }
  return token;
}

const NAME = 'authorization';

/** `headers.authorization` is the first of several only, and `headersDistinct` creates a list for every header. */
function oneAuthorization({ rawHeaders }: Request): string {
  let found: string | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (name.length !== NAME.length || name.toLowerCase() !== NAME) continue;
    if (found !== undefined) throw new RescindError('request_invalid', { detail: 'two Authorization headers' });
    found = rawHeaders[at + 1];
  }
  return found ?? '';
}

function isInAddress(request: Request): boolean {
  const { originalUrl } = request;
  const query = originalUrl.indexOf('?');
  return query !== -1 && new URLSearchParams(originalUrl.slice(query)).has('access_token');
}

/** Detects it only if the form was parsed before. Otherwise the handler does not see it either. */
function isInBody(request: Request): boolean {
  const body: unknown = request.body;
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'access_token')) return false;
  return typeof request.is('application/x-www-form-urlencoded') === 'string';
}
