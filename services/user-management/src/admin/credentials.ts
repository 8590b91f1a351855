import { readBearerToken } from '@rescind/guard/express';
import type { Request } from 'express';

/** What a request shows of who sent it. */
export type Credentials =
  | { readonly kind: 'basic'; readonly name: string; readonly secret: string }
  | { readonly kind: 'bearer'; readonly token: string };

/**
 * What is in the `Authorization` header and nowhere else (RFC 6750 section 2, RFC 7617 section 2); undefined when there
 * is nothing of either scheme.
 * @throws RescindError `request_invalid`: two of them, or a token in the address
 */
export function readCredentials(request: Request): Credentials | undefined {
  const token = readBearerToken(request);
  if (token !== undefined) return { kind: 'bearer', token };
  const [, value] = /^basic +(.*)$/i.exec(request.headers.authorization ?? '') ?? [];
  return value === undefined ? undefined : readBasic(value);
}

/** What cannot be read is a wrong name and secret. */
function readBasic(value: string): Credentials {
  const text = /^[A-Za-z0-9+/]{1,2048}={0,2}$/.test(value) ? Buffer.from(value, 'base64').toString('utf8') : '';
  const colon = text.indexOf(':');
  return { kind: 'basic', name: text.slice(0, Math.max(0, colon)), secret: text.slice(colon + 1) };
}
