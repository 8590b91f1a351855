import type { ErrorCode } from '@rescind/revocation';
import { ERRORS, RescindError } from '@rescind/revocation';
import type { ErrorRequestHandler } from 'express';
import { challengeOf } from '../challenge.ts';
import type { RoutePolicy } from '../route.ts';

/** An error for `next(error)`: Express's own last handler sends its `status` and `headers` too. */
export type RequestError = RescindError & { readonly headers: Readonly<Record<string, string>> };

/** @param route what it wanted: the challenge says that */
export function toRequestError(error: RescindError, route?: RoutePolicy): RequestError {
  const headers: Record<string, string> = { 'Cache-Control': 'no-store' };
  const challenge = challengeOf(error, route);
  if (challenge !== undefined) headers['WWW-Authenticate'] = challenge;
  if (error.retryAfter !== undefined) headers['Retry-After'] = String(error.retryAfter);
  return Object.assign(error, { headers });
}

/** What a refused request is answered. */
export interface ErrorBody {
  /** OAuth's word (RFC 6750 section 3.1), where it has one. */
  readonly error?: string;
  readonly code: ErrorCode;
  readonly message: string;
}

/**
 * Middleware, after the routes, that answers the errors of the guard as JSON `{ error?, code, message }`, with their
 * status and headers and `Cache-Control: no-store`. Every other error goes on to the next error handler.
 */
export function errorHandler(): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (!(error instanceof RescindError) || response.headersSent) {
      next(error);
      return;
    }
    const { code, oauth } = error;
    const { headers } = 'headers' in error ? (error as RequestError) : toRequestError(error);
    // Without the detail: that is for whoever runs this.
    const body: ErrorBody = { ...(oauth !== undefined && { error: oauth }), code, message: ERRORS[code].message };
    response.status(error.status).set(headers).json(body);
  };
}
