import type { RescindError } from '../errors.ts';
import { ERRORS, RequestRefused } from '../errors.ts';

/** What a resource requires of an access token: a challenge states it to the client. */
interface BearerRequirements {
  readonly scopes?: readonly string[] | undefined;
  readonly acrValues?: readonly string[] | undefined;
  readonly maxAuthAgeSeconds?: number | undefined;
}

/**
 * The value of `WWW-Authenticate` for a refused access token (RFC 6750 section 3, RFC 9470 section 3); undefined where a better token
 * would change nothing.
 */
export function bearerChallenge(error: RescindError, required: BearerRequirements = {}): string | undefined {
  const { code, oauth, publicDetail } = error;
  // RFC 6750 section 3.1: no error code where no token was sent.
  if (code === 'token_missing') return 'Bearer';
  if (oauth === undefined) return undefined;
  const parts = [`error="${oauth}"`, `error_description="${describe(ERRORS[code].message, publicDetail)}"`];
  const { scopes = [], acrValues, maxAuthAgeSeconds } = required;
  if (code === 'scope_insufficient' && scopes.length > 0) parts.push(`scope="${scopes.join(' ')}"`);
  if (code === 'authentication_insufficient') {
    if (acrValues !== undefined) parts.push(`acr_values="${acrValues.join(' ')}"`);
    if (maxAuthAgeSeconds !== undefined) parts.push(`max_age="${maxAuthAgeSeconds}"`);
  }
  return `Bearer ${parts.join(', ')}`;
}

/** RFC 6750 section 3: the quoted text contains neither `"` nor `\`. */
function describe(message: string, publicDetail: string | undefined): string {
  return publicDetail === undefined
    ? message
    : `${message}. ${publicDetail.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '')}`;
}

/** The value of `WWW-Authenticate` for wrong or missing credentials of HTTP Basic (RFC 7617 section 2). */
export function basicChallenge(realm: string): string {
  return `Basic realm="${realm}", charset="UTF-8"`;
}

/** The `type` of a problem without its code. It is an identifier, which clients do not fetch (RFC 9457 section 3.1.1). */
const PROBLEM_TYPES = 'https://rescind.dev/errors#';

/** An error response. */
export interface ErrorResponse {
  /** The HTTP status. */
  readonly status: number;
  /** The values by the names of the headers. */
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
}

interface ErrorResponseOptions {
  /** `problem`: problem details (RFC 9457). `oauth`: RFC 6749 section 5.2. `code` is in both. Default `problem`. */
  readonly format?: 'problem' | 'oauth' | undefined;
  /** The value of `WWW-Authenticate`. Default: none. */
  readonly challenge?: string | undefined;
  /** Default: the status of the error's code. */
  readonly status?: number | undefined;
}

/**
 * The response to a request that was refused. It contains what the code says in general, `publicDetail` and the issues of the request;
 * never `detail`, which is for operators.
 */
export function errorResponse(error: RescindError, options: ErrorResponseOptions = {}): ErrorResponse {
  const { format = 'problem', challenge, status = error.status } = options;
  const retryAfter = error.retryAfter ?? (status === 503 ? 1 : undefined);
  return {
    status,
    headers: {
      'Content-Type': format === 'oauth' ? 'application/json' : 'application/problem+json',
      'Cache-Control': 'no-store',
      ...(challenge === undefined ? {} : { 'WWW-Authenticate': challenge }),
      ...(retryAfter === undefined ? {} : { 'Retry-After': String(Math.max(1, Math.ceil(retryAfter))) }),
      // The rest of the body is not read: the connection cannot be reused.
      ...(error.code === 'body_too_large' ? { Connection: 'close' } : {}),
    },
    body: JSON.stringify(format === 'oauth' ? oauthBody(error) : problemBody(error, status)),
  };
}

/** RFC 9457 section 3. */
function problemBody(error: RescindError, status: number): object {
  const { code, publicDetail } = error;
  const detail = publicDetail === undefined ? {} : { detail: publicDetail };
  return { type: PROBLEM_TYPES + code, title: ERRORS[code].message, status, ...detail, ...membersOf(error) };
}

/** RFC 6749 section 5.2. */
function oauthBody(error: RescindError): object {
  const title = ERRORS[error.code].message;
  const { publicDetail } = error;
  return {
    error: oauthError(error),
    error_description: publicDetail === undefined ? title : `${title}. ${publicDetail}`,
    ...membersOf(error),
  };
}

/** The members that a problem and an error of OAuth have in common. */
function membersOf(error: RescindError): object {
  const { code, reason } = error;
  const issues = error instanceof RequestRefused ? { issues: error.issues } : {};
  return { code, ...(reason === undefined ? {} : { reason }), ...issues };
}

/** OAuth's error code. For errors of HTTP itself, those of RFC 6749 section 4.1.2.1, which clients know. */
function oauthError({ oauth, status }: RescindError): string {
  if (oauth !== undefined) return oauth;
  if (status === 503 || status === 429) return 'temporarily_unavailable';
  return status >= 500 ? 'server_error' : 'invalid_request';
}

/** Request headers that a page may send. Requests with a cookie require `X-Rescind-CSRF`. */
const ALLOWED_HEADERS = 'Authorization, Content-Type, X-Request-Id, X-Rescind-CSRF';
/** Response headers that a page may read. A client corrects its clock by `Date`. */
const EXPOSED_HEADERS = 'Date, Retry-After, WWW-Authenticate, X-Request-Id';
/** How long a browser may cache the response to a preflight, in seconds. */
const PREFLIGHT_MAX_AGE_S = 600;

/** The parts of a request that decide which page may read the response. */
interface CorsRequest {
  readonly method: string;
  /** The header `Origin`. */
  readonly origin: string | undefined;
  /** The header `Access-Control-Request-Method`. */
  readonly requestedMethod: string | undefined;
}

/** Headers for the pages of other origins. */
interface CorsHeaders {
  readonly headers: Readonly<Record<string, string>>;
  /** Whether these headers and status 204 are the whole response. */
  readonly isPreflight: boolean;
}

/**
 * Allows pages of these origins, and no others, to read responses and send credentials (Fetch Standard section 3.3). The header
 * contains the configured origin, never the one that was sent. Each response has `Vary: Origin`.
 * @param origins exact: `https://app.example`
 * @param methods returns the methods at the path of the request
 */
export function corsHeaders(
  { method, origin, requestedMethod }: CorsRequest,
  origins: readonly string[],
  methods: () => readonly string[],
): CorsHeaders {
  const allowed = origins.find((each) => each === origin);
  if (allowed === undefined) return { headers: { Vary: 'Origin' }, isPreflight: false };
  const headers = { 'Access-Control-Allow-Origin': allowed, 'Access-Control-Allow-Credentials': 'true' };
  if (method !== 'OPTIONS' || requestedMethod === undefined) {
    return {
      headers: { Vary: 'Origin', ...headers, 'Access-Control-Expose-Headers': EXPOSED_HEADERS },
      isPreflight: false,
    };
  }
  return {
    headers: {
      Vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
      ...headers,
      'Access-Control-Allow-Methods': methods().join(', '),
      'Access-Control-Allow-Headers': ALLOWED_HEADERS,
      'Access-Control-Max-Age': String(PREFLIGHT_MAX_AGE_S),
    },
    isPreflight: true,
  };
}
