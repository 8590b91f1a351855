import type { Clock } from './environment.ts';
import { ignore } from './environment.ts';
import type { SessionErrorCode } from './error.ts';
import { SessionError } from './error.ts';
import type { EndReason, SessionRecord } from './record.ts';
import { textOf } from './record.ts';

/** Where the refresh token is: in a `__Host-` cookie that scripts cannot read, or in responses and the store. */
export type SessionMode = 'cookie' | 'body';

/** RFC 6749 section 5.1, with the members of a Rescind issuer. */
export interface TokenResponse {
  /** Opaque to the application; the session reads its claims. */
  readonly access_token: string;
  /** Seconds. */
  readonly expires_in: number;
  /** Seconds after which a refresh makes sense. Default: half of `expires_in`. */
  readonly refresh_in?: number;
  /** Absent in cookie mode. */
  readonly refresh_token?: string;
  /** The session that the tokens belong to. */
  readonly sid: string;
}

/** Members of the body of `POST /login` (docs/http.md). */
export interface LoginCredentials {
  /** The name of the account. */
  readonly username: string;
  /** The password of that account. */
  readonly password: string;
  /** Further members, sent as they are. */
  readonly [member: string]: unknown;
}

/** The response of the issuer to a refresh. */
type RefreshResult =
  | { readonly tokens: TokenResponse; readonly end?: undefined }
  | { readonly end: { readonly reason: EndReason; readonly code: string; readonly here: true } };

export interface IssuerCalls {
  /** @throws SessionError `offline`, `unavailable`, `wrong_setup` */
  refresh(refreshToken: string | undefined, resource?: string): Promise<RefreshResult>;
  /** @throws SessionError also `login_refused` */
  login(path: string, credentials: object, accessToken?: string): Promise<TokenResponse>;
  /** Ends the session of a token. @throws SessionError `offline`, `unavailable` */
  revoke(token: string): Promise<void>;
}

interface Options {
  readonly issuer: string;
  readonly clientId: string;
  readonly mode: SessionMode;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
}

/** Of one request: a refresh that hangs must not hold the lock for longer than the grace of an issuer. */
const TIME_LIMIT_MS = 10_000;
const LONGEST_RETRY_MS = 300_000;

interface Answer {
  readonly status: number;
  readonly data: Readonly<Record<string, unknown>>;
  readonly retryAfterMs: number | undefined;
}

export function createIssuerCalls({ issuer, clientId, mode, fetch, clock }: Options): IssuerCalls {
  const isCookie = mode === 'cookie';

  async function post(path: string, body: object, accessToken?: string): Promise<Answer> {
    const limit = new AbortController();
    const timer = clock.setTimeout(() => limit.abort(), TIME_LIMIT_MS);
    const isForm = path.startsWith('/oauth2/');
    try {
      const response = await fetch(issuer + path, {
        method: 'POST',
        body: isForm ? new URLSearchParams({ client_id: clientId, ...body }) : JSON.stringify(body),
        signal: limit.signal,
        redirect: 'error',
        credentials: isCookie ? 'include' : 'omit',
        // A page that is left meanwhile still logs out, or receives the cookie.
        keepalive: true,
        headers: {
          ...(!isForm && { 'Content-Type': 'application/json' }),
          ...(isCookie && { 'X-Rescind-CSRF': '1' }),
          ...(accessToken && { Authorization: `Bearer ${accessToken}` }),
        },
      });
      // A body that a proxy wrote, or that was cut off, may not be JSON: the status suffices then.
      const data = Object(await response.json().catch(ignore));
      return { status: response.status, data, retryAfterMs: retryAfterOf(response.headers, clock) };
    } catch (cause) {
      throw new SessionError('offline', { cause });
    } finally {
      clock.clearTimeout(timer);
    }
  }

  return {
    async refresh(refreshToken, resource) {
      const form = {
        grant_type: 'refresh_token',
        ...(refreshToken && { refresh_token: refreshToken }),
        ...(resource && { resource }),
      };
      return refreshResult(await post('/oauth2/token', form), isCookie);
    },
    async login(path, credentials, accessToken) {
      const more = !accessToken && { client_id: clientId, storage: mode };
      const answer = await post(path, { ...more, ...credentials }, accessToken);
      const tokens = tokensOf(answer);
      if (tokens) return tokens;
      throw failureOf(answer, answer.status < 500 && codeIn(answer.data) ? 'login_refused' : 'unavailable');
    },
    async revoke(token) {
      // The cookie is cleared by a logout.
      const answer = await (isCookie
        ? post('/logout', { client_id: clientId }, token)
        : post('/oauth2/revoke', { token }));
      // 401: it was revoked before.
      if (answer.status >= 429) throw failureOf(answer, 'unavailable');
    },
  };
}

const ENDED: Readonly<Record<string, EndReason>> = {
  grant_reused: 'reuse',
  grant_suspended: 'account',
  reauthentication_required: 'reauthentication',
};

/**
 * What a response of the token endpoint means. Only `invalid_grant`, and a missing cookie, end a session: they are the issuer's
 * word about it. Everything else leaves the session as it is.
 * @throws SessionError `unavailable`: another attempt may succeed; `wrong_setup`: none will, until the client is configured otherwise
 */
function refreshResult(answer: Answer, byCookie: boolean): RefreshResult {
  const tokens = tokensOf(answer);
  if (tokens) return { tokens };
  const { status, data } = answer;
  const code = codeIn(data) ?? '';
  const isRefused = code && [400, 401, 403].includes(status);
  const isMissing = isRefused && byCookie && JSON.stringify(data).includes('"path":"refresh_token"');
  if (isMissing || (isRefused && data.error === 'invalid_grant')) {
    const reason = textOf(data.reason);
    const byReason = !reason ? 'expired' : /log(ged_)?out/.test(reason) ? 'logout' : 'revoked';
    return { end: { reason: ENDED[code] ?? byReason, code: isMissing ? 'cookie_missing' : code, here: true } };
  }
  throw failureOf(answer, isRefused ? 'wrong_setup' : 'unavailable');
}

function failureOf({ status, data, retryAfterMs }: Answer, code: SessionErrorCode): SessionError {
  const serverCode = codeIn(data);
  return new SessionError(code, {
    status,
    serverCode,
    reason: textOf(data.reason),
    retryAfterMs,
  });
}

function tokensOf({ status, data }: Answer): TokenResponse | undefined {
  return status === 200 && isTokenResponse(data) ? data : undefined;
}

export function isTokenResponse(data: object): data is TokenResponse {
  const { access_token: token, expires_in: seconds, refresh_token: refresh, sid } = data as Partial<TokenResponse>;
  return [token, refresh ?? sid, sid].every(textOf) && Number(seconds) >= 1;
}

/**
 * @param requestedAt wall time of the request
 * @param before the session's record before, whose refresh token stays if the response has none
 */
export function recordOf(
  tokens: TokenResponse,
  mode: SessionMode,
  requestedAt: number,
  before?: SessionRecord,
): SessionRecord {
  const refreshToken = tokens.refresh_token ?? before?.refreshToken;
  const life = tokens.expires_in;
  const after = Number(tokens.refresh_in);
  return {
    sid: tokens.sid,
    generation: (before?.generation ?? 0) + 1,
    accessToken: tokens.access_token,
    refreshToken: mode === 'body' ? refreshToken : undefined,
    expiresInMs: life * 1_000,
    refreshInMs: (after > 0 ? after : life / 2) * 1_000,
    requestedAt,
  };
}

/** RFC 9110 section 10.2.3: seconds or a date. */
function retryAfterOf(headers: Headers, clock: Clock): number | undefined {
  const text = String(headers.get('retry-after'));
  const pauseMs = Math.min(Number(text) * 1_000 || Date.parse(text) - clock.now(), LONGEST_RETRY_MS);
  return pauseMs > 0 ? pauseMs : undefined;
}

const codeIn = (data: Answer['data']): string | undefined => textOf(data.code) ?? textOf(data.error);
