import type { Clock, Session, SessionOptions, SessionStore } from '@rescind/client';
import { createSession, memoryStore } from '@rescind/client';
import { onTestFinished } from 'vitest';

/** Lets everything run that waits for nothing but promises. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Clocks and timers that a test advances. */
export function createTestClock(start = 1_800_000_000_000) {
  let wall = start;
  let monotonic = 0;
  let id = 0;
  const timers = new Map<number, { readonly at: number; readonly run: () => void }>();
  const clock: Clock = {
    now: () => wall,
    monotonic: () => monotonic,
    setTimeout(run, delayMs) {
      id += 1;
      timers.set(id, { at: monotonic + Math.max(0, delayMs), run });
      return id;
    },
    clearTimeout: (timer) => void timers.delete(timer as number),
  };

  /** Lets `ms` pass; timers run in order. */
  async function advance(ms: number): Promise<void> {
    const end = monotonic + ms;
    await settle();
    for (;;) {
      const [next] = [...timers].sort(([, one], [, other]) => one.at - other.at);
      if (next === undefined || next[1].at > end) break;
      const [timer, { at, run }] = next;
      timers.delete(timer);
      const step = Math.max(0, at - monotonic);
      [monotonic, wall] = [monotonic + step, wall + step];
      run();
      await settle();
    }
    [monotonic, wall] = [end, wall + end - monotonic];
    await settle();
  }

  return {
    clock,
    advance,
    timers: () => timers.size,
    /** The machine sleeps: no timer runs, and the monotonic clock stands still. */
    sleep(ms: number) {
      wall += ms;
    },
    setWall(ms: number) {
      wall += ms;
    },
  };
}

export type TestClock = ReturnType<typeof createTestClock>;

const ISSUER = 'https://login.example';
export const API = 'https://api.example';

/** What the fake issuer does with one request: `lost` is processed, and its response never arrives. */
type Fault = 'lost' | 'offline' | 'hang' | number | (() => Response | Promise<Response>);

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

/** An issuer and an API in memory, behind a `fetch`: refresh tokens rotate, and a used one gets its successor while that is unused. */
export function createFakeIssuer({ clock }: TestClock, { life = 900, mode = 'body' as 'body' | 'cookie' } = {}) {
  const sessions = new Map<string, FakeSession>();
  const faults: Fault[] = [];
  const apiFaults: Fault[] = [];
  const requests: { readonly path: string; readonly body: string; readonly authorization: string | null }[] = [];
  let minted = 0;
  let role = 'reader';
  let cookie: string | undefined;

  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  function tokensOf(session: FakeSession, resource?: string) {
    minted += 1;
    const { sid, sub } = session;
    const claims = { sid, sub, role, n: minted, aud: resource ?? 'api', exp: clock.now() + life * 1_000 };
    const refresh = `${sid}.${session.generation}`;
    const byCookie = mode === 'cookie';
    if (byCookie) cookie = refresh;
    return {
      access_token: `e30.${encode(claims)}.s`,
      token_type: 'Bearer',
      expires_in: life,
      refresh_in: life / 2,
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
    const sid = token.startsWith('sid') ? token.split('.')[0] : claims(token).sid;
    const session = sessions.get(String(sid));
    if (session !== undefined) session.ended ??= 'logout';
    if (path === '/logout') cookie = undefined;
    return path === '/logout' ? new Response(null, { status: 204 }) : json(200, {});
  }

  const claims = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString() || '{}');

  function api(authorization: string | null): Response {
    if (authorization === null) return json(401, { code: 'token_missing' }, { 'www-authenticate': 'Bearer' });
    const { sid, exp, n, aud } = claims(authorization.slice(7));
    const session = sessions.get(sid);
    const code =
      session === undefined || session.ended !== undefined || n <= session.revokedBefore
        ? 'token_revoked'
        : exp <= clock.now()
          ? 'token_expired'
          : undefined;
    if (code === undefined) return json(200, { sid, n, aud });
    return json(401, { error: 'invalid_token', code }, { 'www-authenticate': 'Bearer error="invalid_token"' });
  }

  async function respond(url: URL, body: string, authorization: string | null): Promise<Response> {
    if (url.origin === API) return api(authorization);
    if (url.pathname === '/oauth2/token') return refresh(new URLSearchParams(body));
    if (url.pathname === '/login')
      return JSON.parse(body).password === 'wrong'
        ? json(401, { code: 'credentials_wrong' })
        : json(200, login(JSON.parse(body).username));
    if (url.pathname === '/reauthenticate')
      return json(200, { ...login('unused'), sid: claims((authorization ?? '').slice(7)).sid });
    return revoke(url.pathname, body, authorization);
  }

  const fetch = (async (input: string | URL | Request, init: RequestInit = {}) => {
    const request = new Request(input, init);
    const url = new URL(request.url);
    const body = request.body === null ? '' : await request.text();
    const authorization = request.headers.get('authorization');
    requests.push({ path: url.origin === API ? `${API}${url.pathname}` : url.pathname, body, authorization });
    const fault = (url.origin === API ? apiFaults : faults).shift();
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
    /** How many requests of an address there were. */
    count: (path: string) => requests.filter((request) => request.path === path).length,
    /** Ends a session at the issuer. */
    end(reason: string, sid = `sid-${sessions.size}`) {
      const session = sessions.get(sid);
      if (session !== undefined) session.ended = reason;
    },
    ended: (sid: string) => sessions.get(sid)?.ended,
    /** A soft cut-off: older access tokens are refused, the session continues. */
    changeClaims(next: string) {
      role = next;
      for (const session of sessions.values()) session.revokedBefore = minted;
    },
    dropCookie() {
      cookie = undefined;
    },
  };
}

/** A clock, an issuer, and as many tabs as a test opens. */
export function scene(options: { life?: number; mode?: 'body' | 'cookie' } = {}) {
  const time = createTestClock();
  const issuer = createFakeIssuer(time, options);
  const store = memoryStore(`tabs ${Math.random()}`);
  function open(more: Partial<SessionOptions> & { storage?: 'memory' | SessionStore } = {}): Session {
    const session = createSession({
      issuer: ISSUER,
      apis: [API],
      mode: options.mode ?? 'body',
      storage: store,
      fetch: issuer.fetch,
      clock: time.clock,
      random: () => 0.5,
      ...more,
    });
    onTestFinished(() => session.stop());
    return session;
  }
  return { ...time, time, issuer, store, open };
}

export const LOGIN = { username: 'ada', password: 'right' };
