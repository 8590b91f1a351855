import type { ErrorCode, RescindError } from '@rescind/revocation';
import { ERRORS } from '@rescind/revocation/errors';
import { bearerChallenge } from '@rescind/revocation/http';
import type { RoutePolicy } from '../route.ts';

/** An error with the headers of its response. The default handlers of Express and Fastify send its `status` and `headers` too. */
export type RequestError = RescindError & { readonly headers: Readonly<Record<string, string>> };

/** The error of a refused request, as a framework reports it. @param route the requirements, which the challenge contains */
export function toRequestError(error: RescindError, route?: RoutePolicy): RequestError {
  const headers: Record<string, string> = { 'Cache-Control': 'no-store' };
  const challenge = bearerChallenge(error, route);
  if (challenge !== undefined) headers['WWW-Authenticate'] = challenge;
  if (error.retryAfter !== undefined) headers['Retry-After'] = String(error.retryAfter);
  return Object.assign(error, { headers });
}

/** The body of the response to a refused request. */
export interface ErrorBody {
  /** The error code of OAuth (RFC 6750 section 3.1), if there is one. */
  readonly error?: string;
  /** The error code of this library, for programs. */
  readonly code: ErrorCode;
  /** One sentence for people. The same for every request with this code. */
  readonly message: string;
}

/** The response to a refused request, for every framework. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody;
}

/** Without the detail, which is for operators. */
export function refusalOf(error: RescindError): Refusal {
  const { code, oauth, status } = error;
  const { headers } = 'headers' in error ? (error as RequestError) : toRequestError(error);
  return {
    status,
    headers,
    body: { ...(oauth !== undefined && { error: oauth }), code, message: ERRORS[code].message },
  };
}
