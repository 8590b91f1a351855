import { RescindError } from '@rescind/revocation';
import type { Request } from 'express';

/**
 * The access token of a request, from its `Authorization` header and nowhere else (RFC 6750 section 2.1): addresses end
 * up in logs and histories.
 *
 * @returns undefined when none was sent
 * @throws RescindError `request_invalid` for two of them, or one in the address or the body; `token_sender_constrained` for one
 * that is sent with the scheme `DPoP` (RFC 9449 section 7.1): it counts as sent where a token is optional, too
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

/** `headers.authorization` is only the first of several, and `headersDistinct` makes a list of each of the others too. */
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

/** Seen only if the form was parsed before: then the handler behind would see it too. */
function isInBody(request: Request): boolean {
  const body: unknown = request.body;
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'access_token')) return false;
  return typeof request.is('application/x-www-form-urlencoded') === 'string';
}
