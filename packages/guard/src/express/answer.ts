import type { ErrorCode } from '@rescind/revocation';
import { ERRORS, RescindError } from '@rescind/revocation';
import type { ErrorRequestHandler } from 'express';

/** An error for `next(error)`: Express's own last handler sends its `status` and `headers` too. */
export type RequestError = RescindError & { readonly headers: Readonly<Record<string, string>> };

/** @param scopes those that are needed, for `scope_insufficient` */
export function toRequestError(error: RescindError, scopes: readonly string[] = []): RequestError {
  const headers: Record<string, string> = { 'Cache-Control': 'no-store' };
  const challenge = challengeOf(error, scopes);
  if (challenge !== undefined) headers['WWW-Authenticate'] = challenge;
  if (error.retryAfter !== undefined) headers['Retry-After'] = String(error.retryAfter);
  return Object.assign(error, { headers });
}

/** RFC 6750 section 3: no error code where no token was sent. */
function challengeOf({ code, oauth }: RescindError, scopes: readonly string[]): string | undefined {
  if (code === 'token_missing') return 'Bearer';
  if (oauth === undefined) return undefined;
  const needed = oauth === 'insufficient_scope' && scopes.length > 0 ? `, scope="${scopes.join(' ')}"` : '';
  return `Bearer error="${oauth}", error_description="${ERRORS[code].message}"${needed}`;
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
export function answerErrors(): ErrorRequestHandler {
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
