import type { Session } from '@rescind/client';
import { settle } from '@rescind/client/test';
import { describe, expect, test, vi } from 'vitest';
import { API, LOGIN, scene } from '../../support/client.ts';

const TOKEN = '/oauth2/token';
const MINUTE = 60_000;
const AUDIENCE = 'https://login.example/account';
const prices = `${API}/prices`;

async function loggedIn() {
  const all = scene();
  const session = all.open();
  await session.login(LOGIN);
  return { ...all, session };
}

const refusal =
  (code: string | undefined, header: string | null = 'Bearer error="invalid_token"') =>
  () =>
    new Response(JSON.stringify(code === undefined ? {} : { code }), {
      status: 401,
      headers: { 'content-type': 'application/json', ...(header === null ? {} : { 'www-authenticate': header }) },
    });

describe('a refused request', () => {
  test('is repeated once after one renewal', async () => {
    const { session, issuer } = await loggedIn();
    issuer.apiFaults.push(refusal('token_soft_expired'));
    const { status } = await session.fetch(prices);
    expect([status, issuer.count(prices), issuer.count(TOKEN)]).toEqual([200, 2, 1]);
  });

  test.each([
    ['token_expired', 2],
    ['token_soft_expired', 2],
    ['token_revoked', 2],
    ['token_inactive', 2],
    [undefined, 2],
    ['token_audience_wrong', 1],
    ['token_malformed', 1],
    ['token_missing', 1],
    ['of_another_service', 1],
  ])('with the code %s is sent %i times', async (code, times) => {
    const { session, issuer } = await loggedIn();
    issuer.apiFaults.push(refusal(code));
    const response = await session.fetch(prices);
    expect(issuer.count(prices)).toBe(times);
    if (times === 1) expect(await response.json()).toEqual({ code });
  });

  test.each([
    ['without a challenge and without a code', undefined, null],
    ['with a challenge of Basic', 'token_expired', 'Basic realm="proxy"'],
    ['with a challenge without an error', undefined, 'Bearer realm="other"'],
  ])('%s goes to the caller', async (_, code, header) => {
    const { session, issuer } = await loggedIn();
    issuer.apiFaults.push(refusal(code, header));
    expect((await session.fetch(prices)).status).toBe(401);
    expect([issuer.count(prices), issuer.count(TOKEN)]).toEqual([1, 0]);
  });

  test('is recognized by its body where CORS hides the challenge', async () => {
    const { session, issuer } = await loggedIn();
    issuer.apiFaults.push(refusal('token_expired', null));
    expect((await session.fetch(prices)).status).toBe(200);
  });

  test('that is refused again goes to the caller: two requests and one renewal, and no storm by polling', async () => {
    const { session, issuer } = await loggedIn();
    issuer.apiFaults.push(...Array.from({ length: 50 }, () => refusal('token_revoked')));
    expect((await session.fetch(prices)).status).toBe(401);
    expect([issuer.count(prices), issuer.count(TOKEN)]).toEqual([2, 1]);
    for (let poll = 0; poll < 20; poll += 1) expect((await session.fetch(prices)).status).toBe(401);
    expect([issuer.count(prices), issuer.count(TOKEN)]).toEqual([22, 1]);
  });

  test('50 at once, whose responses spread over the renewal: one renewal, and each succeeds', async () => {
    const { session, issuer, advance } = await loggedIn();
    const gates = Array.from({ length: 50 }, () => Promise.withResolvers<void>());
    for (const gate of gates) issuer.apiFaults.push(() => gate.promise.then(refusal('token_revoked')));
    const calls = gates.map(() => session.fetch(prices));
    for (const gate of gates) {
      gate.resolve();
      await advance(10);
    }
    const statuses = (await Promise.all(calls)).map(({ status }) => status);
    expect([new Set(statuses), issuer.count(TOKEN)]).toEqual([new Set([200]), 1]);
  });

  test('is not repeated with renew: false', async () => {
    const { session, issuer } = await loggedIn();
    issuer.apiFaults.push(refusal('token_expired'));
    expect((await session.fetch(prices, { renew: false })).status).toBe(401);
    expect(issuer.count(TOKEN)).toBe(0);
  });

  test('rejects with `unavailable` while the issuer fails: callers must not treat that as a logout', async () => {
    const { session, issuer } = await loggedIn();
    issuer.apiFaults.push(refusal('token_revoked'));
    issuer.faults.push(503);
    await expect(session.fetch(prices)).rejects.toMatchObject({ code: 'unavailable' });
    expect(session.getSnapshot().status).toBe('waiting');
  });

  test('is not repeated after a network error: the request may have had an effect', async () => {
    const { session, issuer } = await loggedIn();
    issuer.apiFaults.push('lost');
    await expect(session.fetch(prices, { method: 'POST', body: 'x' })).rejects.toThrow('fetch failed');
    expect([issuer.count(prices), issuer.count(TOKEN)]).toEqual([1, 0]);
  });

  test('a 503 renews nothing', async () => {
    const { session, issuer } = await loggedIn();
    issuer.apiFaults.push(
      () => new Response('{"code":"view_stale"}', { status: 503, headers: { 'retry-after': '1' } }),
    );
    expect((await session.fetch(prices)).status).toBe(503);
    expect(issuer.count(TOKEN)).toBe(0);
  });
});

describe('bodies', () => {
  const form = new FormData();
  form.set('name', 'value');
  const bodies: readonly [string, () => NonNullable<RequestInit['body']>, RegExp][] = [
    ['text', () => 'a text', /^a text$/],
    ['bytes', () => new TextEncoder().encode('bytes'), /^bytes$/],
    ['a Blob', () => new Blob(['blob']), /^blob$/],
    ['parameters', () => new URLSearchParams({ a: 'b' }), /^a=b$/],
    ['a form', () => form, /name="name"\r\n\r\nvalue/],
  ];
  test.each(bodies)('%s is sent again as it was', async (_, body, expected) => {
    const { session, issuer } = await loggedIn();
    issuer.apiFaults.push(refusal('token_expired'));
    expect((await session.fetch(prices, { method: 'POST', body: body() })).status).toBe(200);
    const sent = issuer.requests.filter(({ path }) => path === prices);
    expect(sent).toHaveLength(2);
    for (const request of sent) expect(request.body).toMatch(expected);
  });

  test('that of a Request is sent again, with its headers and method', async () => {
    const { session, issuer } = await loggedIn();
    issuer.apiFaults.push(refusal('token_expired'));
    const request = new Request(prices, { method: 'PUT', body: 'of a request', headers: { 'x-trace': '1' } });
    expect((await session.fetch(request)).status).toBe(200);
    const sent = issuer.requests.filter(({ path }) => path === prices);
    expect(sent.map(({ body }) => body)).toEqual(['of a request', 'of a request']);
    expect(new Set(sent.map(({ authorization }) => authorization)).size).toBe(2);
  });

  test('a stream gets a token that lasts for a minute, and is not repeated', async () => {
    const { session, issuer, advance } = await loggedIn();
    const stream = () => new Blob(['of a stream']).stream();
    await advance(14.5 * MINUTE);
    const upload = { method: 'POST', body: stream(), duplex: 'half' } as RequestInit;
    expect((await session.fetch(prices, upload)).status).toBe(200);
    expect(issuer.count(TOKEN)).toBe(1);
    issuer.apiFaults.push(refusal('token_revoked'));
    const again = session.fetch(prices, { ...upload, body: stream() });
    await expect(again).rejects.toMatchObject({ code: 'body_not_repeatable', status: 401 });
    expect([issuer.count(prices), issuer.count(TOKEN)]).toEqual([2, 2]);
    expect((await session.fetch(prices, { ...upload, body: stream() })).status).toBe(200);
  });

  test('a long body of a Request is not copied', async () => {
    const { session, issuer } = await loggedIn();
    issuer.apiFaults.push(refusal('token_revoked'));
    const headers = { 'content-length': String(5_000_000) };
    const request = new Request(prices, { method: 'POST', body: 'long', headers });
    const copied = vi.spyOn(request, 'clone');
    await expect(session.fetch(request)).rejects.toMatchObject({ code: 'body_not_repeatable' });
    expect(copied).not.toHaveBeenCalled();
  });

  test('the copy of a Request is freed when it is not sent', async () => {
    const { session } = await loggedIn();
    const request = new Request(prices, { method: 'POST', body: 'x' });
    let copy: Request | undefined;
    vi.spyOn(request, 'clone').mockImplementation(() => {
      copy = Request.prototype.clone.call(request) as Request;
      return copy;
    });
    await session.fetch(request);
    await vi.waitFor(async () => expect((await copy?.text().catch(() => '')) ?? '').toBe(''), 10_000);
  });
});

describe('where the token goes', () => {
  test.each([
    ['https://tracker.example/', null],
    ['https://api.example.evil.example/', null],
    ['http://api.example/prices', null],
    ['https://api.example:8443/prices', null],
    [prices, 'Bearer e30.'],
    ['https://login.example/account', 'Bearer e30.'],
  ])('%s: %s', async (url, expected) => {
    const { time, open } = scene();
    const sent: (string | null)[] = [];
    const fetch = async (input: string | URL | Request, init?: RequestInit) => {
      sent.push(new Request(input, init).headers.get('authorization'));
      return new Response('{}');
    };
    const session = open({ fetch: fetch as never, clock: time.clock });
    await session.login({ access_token: 'e30.e30.s', expires_in: 900, refresh_token: 'a.b', sid: 'a' });
    await session.fetch(url);
    expect(sent).toEqual([expected === null ? null : expect.stringContaining(expected)]);
    expect(session.isApi(url)).toBe(expected !== null);
  });

  test('credentials of the application stay as they are', async () => {
    const { session, issuer } = await loggedIn();
    await session.fetch(prices, { headers: { Authorization: 'Basic YTpi' } });
    expect(issuer.requests.at(-1)?.authorization).toBe('Basic YTpi');
  });

  test('a request without a login carries none', async () => {
    const { open, issuer } = scene();
    expect((await open().fetch(prices)).status).toBe(401);
    expect(issuer.requests).toEqual([{ path: prices, body: '', authorization: null }]);
  });

  test('a global fetch that is replaced afterwards is not used for renewals', async () => {
    const { issuer, time, open } = scene();
    vi.stubGlobal('fetch', issuer.fetch);
    const session = open({ fetch: undefined as never });
    const wrapped = vi.fn((...args: Parameters<typeof fetch>) => session.fetch(...args));
    vi.stubGlobal('fetch', wrapped);
    try {
      await session.login(LOGIN);
      await time.advance(20 * MINUTE);
      expect((await fetch(prices)).status).toBe(200);
      expect(wrapped).toHaveBeenCalledTimes(1);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test('another audience gets a token of its own, which is kept until it expires or is refused', async () => {
    const { session, issuer } = await loggedIn();
    const own = await session.getAccessToken();
    const call = async () => (await session.fetch(prices, { resource: AUDIENCE })).json();
    expect(await call()).toMatchObject({ aud: AUDIENCE });
    await call();
    expect(issuer.count(TOKEN)).toBe(1);
    issuer.apiFaults.push(refusal('token_revoked'));
    expect(await call()).toMatchObject({ aud: AUDIENCE });
    expect(issuer.count(TOKEN)).toBe(2);
    expect(await session.getAccessToken()).toBe(own);
    await session.renew();
    expect(session.getSnapshot().status).toBe('active');
  });

  test('an aborted call for a session that is over leaves no rejection unhandled', async () => {
    const { session } = await loggedIn();
    await session.logout();
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    try {
      const signal = AbortSignal.abort();
      await expect(session.getAccessToken({ signal })).rejects.toBe(signal.reason);
      await expect(session.fetch(prices, { signal })).rejects.toMatchObject({ name: 'AbortError' });
      // Node reports a rejection once the microtasks are done.
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('unhandledRejection', note);
    }
    expect(unhandled).toEqual([]);
  });

  test('is assignable to the type of fetch', async () => {
    const { session } = await loggedIn();
    const asFetch: typeof globalThis.fetch = session.fetch;
    expect((await asFetch(new URL(prices), { method: 'HEAD' })).status).toBe(200);
  });
});

describe('step-up (RFC 9470)', () => {
  const insufficient = refusal(
    'authentication_insufficient',
    'Bearer error="insufficient_user_authentication", error_description="A more recent login, please", acr_values="two-factor passkey", max_age="300"',
  );

  test('the handler receives what is required; the request is repeated with a new token', async () => {
    const { session, issuer } = await loggedIn();
    const seen: unknown[] = [];
    session.stepUp(async (required) => {
      seen.push(required);
      await session.reauthenticate({ password: 'right' });
    });
    issuer.apiFaults.push(insufficient);
    expect((await session.fetch(prices)).status).toBe(200);
    expect(seen).toEqual([{ acrValues: ['two-factor', 'passkey'], maxAge: 300 }]);
    expect(issuer.count('/reauthenticate')).toBe(1);
  });

  test('the handler is not called again for the repeated request: its refusal goes to the caller', async () => {
    const { session, issuer } = await loggedIn();
    const handler = vi.fn(() => session.reauthenticate({ password: 'right' }));
    session.stepUp(handler);
    issuer.apiFaults.push(insufficient, insufficient);
    expect((await session.fetch(prices)).status).toBe(401);
    expect(handler).toHaveBeenCalledTimes(1);
  });

  test.each([
    ['a renewal', (tab: Session) => tab.renew()],
    // The first adopts what this tab has stored.
    ['a renewal of another tab', (_: Session, other: Session) => other.renew().then(() => other.renew())],
    [
      'a request for a token of the same audience',
      (tab: Session) => tab.getAccessToken({ resource: AUDIENCE, minValidityMs: 60 * MINUTE }),
    ],
  ])('%s that began before the authentication does not bring the next token', async (_, begin) => {
    const { open, issuer, advance } = scene();
    const early = Promise.withResolvers<void>();
    let isBegun = false;
    async function slowFetch(...[input, init]: Parameters<typeof fetch>): Promise<Response> {
      const isEarly = isBegun && String(input).endsWith(TOKEN);
      const isLogin = String(input).endsWith('/reauthenticate');
      if (isLogin) {
        const sent = issuer.count(TOKEN);
        isBegun = true;
        void begin(session, other);
        await vi.waitFor(() => expect(issuer.count(TOKEN)).toBe(sent + 1), 10_000);
        isBegun = false;
        await advance(1_000);
      }
      const response = await issuer.fetch(input, init);
      if (isLogin) void settle().then(early.resolve);
      if (isEarly) await early.promise;
      return response;
    }
    const [session, other] = [open({ fetch: slowFetch }), open({ fetch: slowFetch })];
    await session.login(LOGIN);
    await other.renew();
    session.stepUp(() => session.reauthenticate({ password: 'right' }));
    issuer.apiFaults.push(insufficient);
    expect((await session.fetch(prices, { resource: AUDIENCE })).status).toBe(200);
    expect((await session.fetch(prices)).status).toBe(200);
    // The first, of the API; the second, repeated; the third.
    expect(issuer.count(prices)).toBe(3);
  });

  test('an error of the handler is that of the request, and without a handler the response goes to the caller', async () => {
    const { session, issuer } = await loggedIn();
    issuer.apiFaults.push(insufficient, insufficient);
    expect((await session.fetch(prices)).status).toBe(401);
    session.stepUp(() => Promise.reject(new Error('the user cancelled')));
    await expect(session.fetch(prices)).rejects.toThrow('the user cancelled');
    expect(session.getSnapshot().status).toBe('active');
  });
});
