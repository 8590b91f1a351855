import type { Fields, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { basicChallenge, bearerChallenge, errorResponse } from '@rescind/revocation/http';
import { storageFailureOf, storageUnavailable } from '@rescind/revocation/storage';
import type { ErrorRequestHandler, Request, Response } from 'express';
import { requestRefused } from './input.ts';

/** The last handler. A RescindError is sent with its status and body (`errorResponse`), anything else as a 500 without details. */
export function errorHandler(telemetry: Telemetry): ErrorRequestHandler {
  return (thrown, request, response, next) => {
    if (response.headersSent) {
      next(thrown);
      return;
    }
    const error = asRescindError(thrown);
    logRefusal(error, thrown, telemetry);
    send(request, response, error, headersOfError(thrown));
  };
}

const INSUFFICIENT_RIGHTS: ReadonlySet<string> = new Set(['scope_insufficient', 'claim_insufficient']);
const ENDED_TOKENS: ReadonlySet<string> = new Set(['token_revoked', 'token_expired', 'token_inactive']);

/** Logs by the names of OWASP's logging vocabulary, where it has one. */
function logRefusal(error: RescindError, thrown: unknown, telemetry: Telemetry): void {
  const { code } = error;
  const isOurs = code === 'internal' || (code === 'storage_unavailable' && thrown !== error);
  if (isOurs) telemetry.log('error', 'request_failed', describeError(thrown));
  // The detail of an insufficient right is the name of a claim.
  if (INSUFFICIENT_RIGHTS.has(code)) telemetry.log('warn', 'authz_fail', { code, detail: error.detail });
  if (ENDED_TOKENS.has(code)) telemetry.log('info', 'session_use_after_expire', { code, ...revocationOf(error) });
}

/** The revocation of a token, as a guard logs it (`RevocationSummary`): its scope, never its subject. */
function revocationOf({ cause }: RescindError): Fields {
  if (typeof cause !== 'object' || cause === null || !('txn' in cause)) return {};
  const { scope, txn, reason, since, endsSession } = cause as Fields;
  return { scope, txn, reason, since, endsSession };
}

/** Name, message and stack of an error for the log. Clients never receive these. */
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
  /** Message and code (errno, that of SQLite, or a `RescindError`'s) of its cause. */
  readonly cause?: string;
  readonly causeCode?: string;
};

/** The innermost cause with a code, else the first cause. */
function causeFields(first: Error): Pick<ErrorFields, 'cause' | 'causeCode'> {
  let found = first;
  for (let one: unknown = first, depth = 0; one instanceof Error && depth < MAX_CAUSES; one = one.cause, depth += 1) {
    if ('code' in one && typeof one.code === 'string') found = one;
  }
  const code = 'code' in found && typeof found.code === 'string' ? { causeCode: found.code } : {};
  return { cause: redacted(found.message), ...code };
}

/** Removes user and password of URLs, tokens, and credentials of headers: messages of libraries may quote them. */
function redacted(text: string): string {
  return text
    .replaceAll(/:\/\/[^\s/@]*@/g, '://[redacted]@')
    .replaceAll(/\beyJ[\w-]+\.[\w-]*(\.[\w-]*)?/g, '[redacted]')
    .replaceAll(/\b(Basic|Bearer|DPoP) +[\w.~+/=-]{8,}/gi, '$1 [redacted]');
}

/** Longest chain of causes that is followed: it may be circular. */
const MAX_CAUSES = 8;

export function sendError(request: Request, response: Response, error: RescindError): void {
  send(request, response, error, {});
}

/** @param more headers that replace those of the error */
function send(request: Request, response: Response, error: RescindError, more: Record<string, string>): void {
  const format = isOauthPath(request.path) ? 'oauth' : 'problem';
  const { status, headers, body } = errorResponse(error, { format, challenge: challengeOf(error, request) });
  const { 'Content-Type': type = '', ...others } = headers;
  // By Node's method: Express would add a charset, which JSON does not have.
  response.status(status).set(others).set(more).setHeader('Content-Type', type).end(body);
}

function asRescindError(thrown: unknown): RescindError {
  if (thrown instanceof RescindError) return thrown;
  // Express refuses some requests itself, such as a malformed URL encoding.
  const status = thrown instanceof Error && 'status' in thrown ? thrown.status : undefined;
  if (typeof status === 'number' && status >= 400 && status < 500) return requestRefused('is malformed');
  // Such as an unreadable page of the database.
  if (storageFailureOf(thrown) !== undefined) return storageUnavailable(thrown);
  return new RescindError('internal', { cause: thrown });
}

function challengeOf(error: RescindError, request: Request): string | undefined {
  if (error.code === 'client_invalid') return clientChallenge(request);
  const isOfToken = error.oauth === 'invalid_token' || error.oauth === 'insufficient_scope';
  return isOfToken || error.code === 'token_missing' ? bearerChallenge(error) : undefined;
}

/** RFC 6749 section 5.2. At other paths a browser would show its dialog for name and password. */
function clientChallenge(request: Request): string | undefined {
  const isExpected = isOauthPath(request.path) || request.get('authorization') !== undefined;
  return isExpected ? basicChallenge('rescind') : undefined;
}

/** Headers of the thrown error: a guard adds the required scopes. */
function headersOfError(thrown: unknown): Record<string, string> {
  if (!(thrown instanceof Error) || !('headers' in thrown)) return {};
  const { headers } = thrown;
  if (typeof headers !== 'object' || headers === null) return {};
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  );
}

/** Whether errors at this path have OAuth's format (RFC 6749 section 5.2, RFC 7009 section 2.2.1, RFC 7662 section 2.3). */
export function isOauthPath(path: string): boolean {
  return path.toLowerCase().startsWith('/oauth2/');
}
