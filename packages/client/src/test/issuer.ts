import type { Clock } from '../environment.ts';
import type { SessionMode } from '../issuer-calls.ts';
import { checkNames } from '../names.ts';
import { claimsOf } from '../record.ts';

/** The options of the fake issuer. */
export interface FakeIssuerOptions {
  /** The clock of the issuer, and of the session that is tested. */
  readonly clock: Clock;
  /** The origin of the API that accepts its tokens. Default `https://api.example`. */
  readonly api?: string | undefined;
  /** Of access tokens. Default 900. */
  readonly lifeSeconds?: number | undefined;
  /** Default `body`. In `cookie` mode the issuer keeps the cookie of the browser itself. */
  readonly mode?: SessionMode | undefined;
}

/** A request to the issuer (`path`), or to the API (its address). */
interface FakeRequest {
  readonly path: string;
  readonly body: string;
  readonly authorization: string | null;
}

/** An issuer of a test: `createSession({ issuer: 'https://login.example', fetch: issuer.fetch, … })`. */
export interface FakeIssuer {
  /** To be passed to `createSession`. */
  readonly fetch: typeof globalThis.fetch;
  /** What happens to the next requests to the issuer, in order. */
  readonly faults: Fault[];
  /** The same of the API. */
  readonly apiFaults: Fault[];
  /** Every request so far, in order. */
  readonly requests: readonly FakeRequest[];
  /** How many requests of an address there were. */
  count(path: string): number;
  /** Ends a session at the issuer. @param sid default: the newest */
  end(reason: string, sid?: string): void;
  /** Why a session has ended; undefined: it has not. */
  ended(sid: string): string | undefined;
  /** Gives all users a role: older access tokens are refused, sessions continue. */
  changeClaims(role: string): void;
  /** The browser loses the cookie. */
  dropCookie(): void;
}

const CHECKS = {
  clock: [(value: unknown) => typeof Object(value).monotonic === 'function', 'a Clock'],
  api: [(value: unknown) => URL.canParse(String(value)) && new URL(String(value)).origin === value, 'an origin'],
  lifeSeconds: [(value: unknown) => Number.isFinite(value) && Number(value) > 0, 'seconds'],
  mode: [(value: unknown) => value === 'body' || value === 'cookie', "'cookie' or 'body'"],
} as const;

/** What the fake issuer does with one request: `lost` is processed, and its response never arrives. */
export type Fault = 'lost' | 'offline' | 'hang' | number | (() => Response | Promise<Response>);

interface FakeSession {
  readonly sid: string;
  readonly sub: string;
  generation: number;
  isUsed: boolean;
  ended: string | undefined;
  revokedBefore: number;
}

const json = (status: number, body: object, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });

/**
 * An issuer and an API in memory, behind a `fetch`: refresh tokens rotate, and a used one gets its successor while that is unused. Its tokens are
 * not signed.
 * @throws TypeError for an option that is unknown or wrong
 */
export function createFakeIssuer(options: FakeIssuerOptions): FakeIssuer {
  checkNames('createFakeIssuer', options, CHECKS, ['clock']);
  const { clock, api: apiOrigin = 'https://api.example', lifeSeconds = 900, mode = 'body' } = options;
  const sessions = new Map<string, FakeSession>();
  const faults: Fault[] = [];
  const apiFaults: Fault[] = [];
  const requests: { readonly path: string; readonly body: string; readonly authorization: string | null }[] = [];
  let minted = 0;
  let role = 'reader';
  let cookie: string | undefined;

  const encode = (value: object) =>
    btoa(JSON.stringify(value)).replace(/[+/=]/g, (character) => ({ '+': '-', '/': '_' })[character] ?? '');
  function tokensOf(session: FakeSession, resource?: string) {
    minted += 1;
    const { sid, sub } = session;
    const claims = { sid, sub, role, n: minted, aud: resource ?? 'api', exp: clock.now() + lifeSeconds * 1_000 };
    const refresh = `${sid}.${session.generation}`;
    const byCookie = mode === 'cookie';
    if (byCookie) cookie = refresh;
    return {
      access_token: `e30.${encode(claims)}.s`,
      token_type: 'Bearer',
      expires_in: lifeSeconds,
      refresh_in: lifeSeconds / 2,
      sid,
      ...(byCookie ? {} : { refresh_token: refresh }),
    };
  }

  function login(sub = 'ada') {
    const sid = `sid-${sessions.size + 1}`;
    const session = { sid, sub, generation: 1, isUsed: false, ended: undefined, revokedBefore: 0 };
    sessions.set(sid, session);
    return tokensOf(session);
  }

  const refused = (code: string, reason?: string) =>
    json(400, { error: 'invalid_grant', code, ...(reason === undefined ? {} : { reason }) });

  function refresh(form: URLSearchParams): Response {
    const presented = form.get('refresh_token') ?? cookie;
    if (presented === undefined)
      return json(400, { error: 'invalid_request', code: 'request_invalid', issues: [{ path: 'refresh_token' }] });
    const [sid = '', generation] = presented.split('.');
    const session = sessions.get(sid);
    if (session === undefined) return refused('grant_invalid');
    if (session.ended !== undefined) return refused('grant_invalid', session.ended);
    const behind = session.generation - Number(generation);
    if (behind > 1) {
      session.ended = 'refresh_token_reused';
      return refused('grant_reused');
    }
    if (behind === 0) session.generation += 1;
    return json(200, tokensOf(session, form.get('resource') ?? undefined));
  }

  function revoke(path: string, body: string, authorization: string | null): Response {
    const token = path === '/logout' ? (authorization ?? '').slice(7) : (new URLSearchParams(body).get('token') ?? '');
    const sid = token.startsWith('sid') ? token.split('.')[0] : claimsOf(token).sid;
    const session = sessions.get(String(sid));
    if (session !== undefined) session.ended ??= 'logout';
    if (path === '/logout') cookie = undefined;
    return path === '/logout' ? new Response(null, { status: 204 }) : json(200, {});
  }

  function api(authorization: string | null): Response {
    if (authorization === null) return json(401, { code: 'token_missing' }, { 'www-authenticate': 'Bearer' });
    const { sid, exp, n, aud } = claimsOf(authorization.slice(7));
    const session = sessions.get(String(sid));
    const code =
      session === undefined || session.ended !== undefined || Number(n) <= session.revokedBefore
        ? 'token_revoked'
        : Number(exp) <= clock.now()
          ? 'token_expired'
          : undefined;
    if (code === undefined) return json(200, { sid, n, aud });
    return json(401, { error: 'invalid_token', code }, { 'www-authenticate': 'Bearer error="invalid_token"' });
  }

  async function respond(url: URL, body: string, authorization: string | null): Promise<Response> {
    if (url.origin === apiOrigin) return api(authorization);
    if (url.pathname === '/oauth2/token') return refresh(new URLSearchParams(body));
    if (url.pathname === '/login')
      return JSON.parse(body).password === 'wrong'
        ? json(401, { code: 'credentials_wrong' })
        : json(200, login(JSON.parse(body).username));
    if (url.pathname === '/reauthenticate') {
      const session = sessions.get(String(claimsOf((authorization ?? '').slice(7)).sid));
      if (session === undefined) return json(401, { code: 'token_revoked' });
      session.revokedBefore = minted;
      return json(200, tokensOf(session));
    }
    return revoke(url.pathname, body, authorization);
  }

  const fetch = (async (input: string | URL | Request, init: RequestInit = {}) => {
    const request = new Request(input, init);
    const url = new URL(request.url);
    const body = request.body === null ? '' : await request.text();
    const authorization = request.headers.get('authorization');
    requests.push({
      path: url.origin === apiOrigin ? `${apiOrigin}${url.pathname}` : url.pathname,
      body,
      authorization,
    });
    const fault = (url.origin === apiOrigin ? apiFaults : faults).shift();
    if (typeof fault === 'number') return json(fault, {});
    if (typeof fault === 'function') return fault();
    if (fault === 'offline') throw new TypeError('fetch failed');
    const response = fault === 'hang' ? undefined : await respond(url, body, authorization);
    if (fault === 'lost') throw new TypeError('fetch failed');
    if (response !== undefined) return response;
    return new Promise<Response>((_, reject) => {
      request.signal.addEventListener('abort', () => reject(request.signal.reason));
    });
  }) as typeof globalThis.fetch;

  return {
    fetch,
    faults,
    apiFaults,
    requests,
    count: (path: string) => requests.filter((request) => request.path === path).length,
    end(reason: string, sid = `sid-${sessions.size}`) {
      const session = sessions.get(sid);
      if (session !== undefined) session.ended = reason;
    },
    ended: (sid: string) => sessions.get(sid)?.ended,
    changeClaims(next: string) {
      role = next;
      for (const session of sessions.values()) session.revokedBefore = minted;
    },
    dropCookie() {
      cookie = undefined;
    },
  };
}
