import type { IncomingMessage } from 'node:http';
import { oneHeader, readBearer } from '@rescind/revocation/http';

/** A request of Node.js, as frameworks extend it. */
export interface NodeRequest extends Pick<IncomingMessage, 'rawHeaders' | 'url'> {
  /** The request target before a router changed `url`. */
  readonly originalUrl?: string | undefined;
  /** The parsed body, if there is one. */
  readonly body?: unknown;
}

const FORM = /^application\/x-www-form-urlencoded\s*(;|$)/i;

/**
 * Reads the access token of a request from its `Authorization` header only (RFC 6750 section 2.1), because logs and histories contain
 * addresses.
 *
 * @returns undefined if the request has none
 * @throws RescindError `request_invalid` for two tokens, or one in the address or the body; `token_sender_constrained` for one with
 * the scheme `DPoP` (RFC 9449 section 7.1), also where a token is optional
 */
export function readBearerToken(request: NodeRequest): string | undefined {
  const { rawHeaders, url = '', originalUrl = url, body } = request;
  const authorization = oneHeader(rawHeaders, 'authorization');
  // A form that is not parsed yet has no effect on the handler either.
  const hasBody = typeof body === 'object' && body !== null && Object.hasOwn(body, 'access_token');
  const isForm = hasBody && FORM.test(oneHeader(rawHeaders, 'content-type') ?? '');
  return readBearer({ authorization, target: originalUrl, form: isForm ? body : undefined });
}

/** As `readBearerToken`, of a request of the Fetch standard: `Headers` joins several headers by a comma and a space, which no token contains. */
export function readFetchToken({ headers, url }: Request): string | undefined {
  return readBearer({ authorization: headers.get('authorization') ?? undefined, target: url });
}
