import { readBearerToken } from '@rescind/guard/express';
import { oneHeader, readBasic } from '@rescind/revocation/http';
import type { Request } from 'express';

/** The credentials of a request. */
export type Credentials =
  | { readonly kind: 'basic'; readonly name: string; readonly secret: string }
  | { readonly kind: 'bearer'; readonly token: string };

/**
 * Reads the `Authorization` header and nothing else (RFC 6750 section 2, RFC 7617 section 2).
 * @returns undefined when it has neither scheme
 * @throws RescindError `request_invalid`: two of them, or a token in the URL
 */
export function readCredentials(request: Request): Credentials | undefined {
  const token = readBearerToken(request);
  if (token !== undefined) return { kind: 'bearer', token };
  const basic = readBasic(oneHeader(request.rawHeaders, 'authorization'));
  return basic === undefined ? undefined : { kind: 'basic', name: basic.id, secret: basic.secret };
}
