import type { ErrorCode } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { ERRORS } from '@rescind/revocation/errors';
import type { ErrorRequestHandler } from 'express';
import { challengeOf } from '../challenge.ts';
import type { RoutePolicy } from '../route.ts';

/** An error for `next(error)`: Express's default handler sends its `status` and `headers` too. */
export type RequestError = RescindError & { readonly headers: Readonly<Record<string, string>> };

/** @param route the requirements, which the challenge contains */
export function toRequestError(error: RescindError, route?: RoutePolicy): RequestError {
  const headers: Record<string, string> = { 'Cache-Control': 'no-store' };
  const challenge = challengeOf(error, route);
  if (challenge !== undefined) headers['WWW-Authenticate'] = challenge;
  if (error.retryAfter !== undefined) headers['Retry-After'] = String(error.retryAfter);
  return Object.assign(error, { headers });
}

/** The body of the response to a refused request. */
export interface ErrorBody {
  /** The error code of OAuth (RFC 6750 section 3.1), if there is one. */
  readonly error?: string;
  readonly code: ErrorCode;
  readonly message: string;
}

/**
 * Creates an error handler, for use after the routes, that writes the errors of the guard as JSON `{ error?, code, message }`, with their
 * status and headers and `Cache-Control: no-store`. It passes every other error to the next error handler.
 */
export function errorHandler(): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (!(error instanceof RescindError) || response.headersSent) {
      next(error);
      return;
    }
    const { code, oauth } = error;
    const { headers } = 'headers' in error ? (error as RequestError) : toRequestError(error);
    // Without the detail, which is for operators.
    const body: ErrorBody = { ...(oauth !== undefined && { error: oauth }), code, message: ERRORS[code].message };
    response.status(error.status).set(headers).json(body);
  };
}
