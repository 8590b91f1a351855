import type { Fields, Telemetry } from '@rescind/revocation';
import { ERRORS, RescindError, storageFailureOf, storageUnavailable } from '@rescind/revocation';
import type { ErrorRequestHandler, Request, Response } from 'express';
import { isOauthPath, refusalOf } from './problem.ts';
import { requestRefused } from './validated.ts';

/** The last handler: a RescindError becomes its status and body (`refusalOf`); anything else a 500 that tells nothing. */
export function answerErrors(telemetry: Telemetry): ErrorRequestHandler {
  return (thrown, request, response, next) => {
    if (response.headersSent) {
      next(thrown);
      return;
    }
    const error = asRescindError(thrown);
    sayRefusal(error, thrown, telemetry);
    send(response, error, request.path, headersOf(error, thrown, request));
  };
}

const REFUSED_RIGHTS: ReadonlySet<string> = new Set(['scope_insufficient', 'claim_insufficient']);
const DEAD_TOKENS: ReadonlySet<string> = new Set(['token_revoked', 'token_expired', 'token_inactive']);

/** By the names of OWASP's logging vocabulary, where it has one. */
function sayRefusal(error: RescindError, thrown: unknown, telemetry: Telemetry): void {
  const { code } = error;
  const isOurs = code === 'internal' || (code === 'storage_unavailable' && thrown !== error);
  if (isOurs) telemetry.log('error', 'request_failed', describeError(thrown));
  // The detail of a right is the name of a claim.
  if (REFUSED_RIGHTS.has(code)) telemetry.log('warn', 'authz_fail', { code, detail: error.detail });
  if (DEAD_TOKENS.has(code)) telemetry.log('info', 'session_use_after_expire', { code, ...revocationOf(error) });
}

/** Which revocation it was, as a guard says to whoever runs it (`RevocationSummary`): its scope, never whom it was about. */
function revocationOf({ cause }: RescindError): Fields {
  if (typeof cause !== 'object' || cause === null || !('txn' in cause)) return {};
  const { scope, txn, reason, since, endsSession } = cause as Fields;
  return { scope, txn, reason, since, endsSession };
}

/** Name, message and stack for the log: what a stranger never sees. */
export function describeError(thrown: unknown): ErrorFields {
  if (!(thrown instanceof Error)) return { name: typeof thrown, message: 'was thrown', stack: undefined };
  const { name, cause } = thrown;
  const [message, stack] = [redacted(thrown.message), thrown.stack && redacted(thrown.stack)];
  return { name, message, stack, ...(cause instanceof Error ? causeFields(cause) : {}) };
}

type ErrorFields = {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Of the error that caused it: its code (errno, SQLite's, ours) and message. */
  readonly cause?: string;
  readonly causeCode?: string;
};

/** The innermost cause with a code, else the first: "fetch failed" and the like say nothing by themselves. */
function causeFields(first: Error): Pick<ErrorFields, 'cause' | 'causeCode'> {
  let found = first;
  for (let one: unknown = first, depth = 0; one instanceof Error && depth < MOST_CAUSES; one = one.cause, depth += 1) {
    if ('code' in one && typeof one.code === 'string') found = one;
  }
  const code = 'code' in found && typeof found.code === 'string' ? { causeCode: found.code } : {};
  return { cause: redacted(found.message), ...code };
}

/** Messages of libraries repeat what they were given: without user and password of a URL, tokens, and credentials of headers. */
function redacted(text: string): string {
  return text
    .replaceAll(/:\/\/[^\s/@]*@/g, '://[redacted]@')
    .replaceAll(/\beyJ[\w-]+\.[\w-]*(\.[\w-]*)?/g, '[redacted]')
    .replaceAll(/\b(Basic|Bearer|DPoP) +[\w.~+/=-]{8,}/gi, '$1 [redacted]');
}

/** A chain that leads back to itself ends, too. */
const MOST_CAUSES = 8;

export function sendError(request: Request, response: Response, error: RescindError): void {
  send(response, error, request.path, headersOf(error, error, request));
}

function send(response: Response, error: RescindError, path: string, headers: Record<string, string>): void {
  const { type, body } = refusalOf(error, path);
  // Node's own way: Express would add a charset, which JSON has not.
  response.status(error.status).set(headers).setHeader('Content-Type', type).end(JSON.stringify(body));
}

function asRescindError(thrown: unknown): RescindError {
  if (thrown instanceof RescindError) return thrown;
  // What Express itself refuses, such as an address that is not well encoded.
  const status = thrown instanceof Error && 'status' in thrown ? thrown.status : undefined;
  if (typeof status === 'number' && status >= 400 && status < 500) return requestRefused('is malformed');
  // Such as a page of the database that cannot be read.
  if (storageFailureOf(thrown) !== undefined) return storageUnavailable(thrown);
  return new RescindError('internal', { cause: thrown });
}

function headersOf(error: RescindError, thrown: unknown, request: Request): Record<string, string> {
  const challenge = challengeOf(error, request);
  const retryAfter = error.retryAfter ?? (error.status === 503 ? 1 : undefined);
  return {
    'Cache-Control': 'no-store',
    ...(challenge === undefined ? {} : { 'WWW-Authenticate': challenge }),
    ...(retryAfter === undefined ? {} : { 'Retry-After': String(Math.max(1, Math.ceil(retryAfter))) }),
    // The rest of the body is not read, so the connection cannot be used again.
    ...(error.code === 'body_too_large' ? { Connection: 'close' } : {}),
    ...ownHeaders(thrown),
  };
}

/** RFC 6750 section 3: no error code when no token was sent. */
function challengeOf(error: RescindError, request: Request): string | undefined {
  if (error.code === 'token_missing') return 'Bearer';
  if (error.code === 'client_invalid') return clientChallenge(request);
  if (error.oauth !== 'invalid_token' && error.oauth !== 'insufficient_scope') return undefined;
  return `Bearer error="${error.oauth}", error_description="${ERRORS[error.code].message}"`;
}

/** RFC 6749 section 5.2. Elsewhere a browser would ask the person of a page for a name and password. */
function clientChallenge(request: Request): string | undefined {
  const wanted = isOauthPath(request.path) || request.get('authorization') !== undefined;
  return wanted ? 'Basic realm="rescind", charset="UTF-8"' : undefined;
}

/** A guard says its own, such as the scopes that are needed. */
function ownHeaders(thrown: unknown): Record<string, string> {
  if (!(thrown instanceof Error) || !('headers' in thrown)) return {};
  const { headers } = thrown;
  if (typeof headers !== 'object' || headers === null) return {};
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  );
}
