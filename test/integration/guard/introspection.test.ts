import type { Decision, GuardOptions } from '@rescind/guard';
import type { ExpressRoute } from '@rescind/guard/express';
import type { ManualClock } from '@rescind/revocation';
import { createManualClock } from '@rescind/revocation';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import type { IntrospectionServer } from './introspection-server.ts';
import { ACTIVE, INACTIVE, openIntrospectionServer } from './introspection-server.ts';
import { openTestIssuer } from './issuer.ts';
import { ask, createRemembering, freshPath, openMiddleware, serveGuarded } from './setting.ts';

const ALWAYS: ExpressRoute = { introspect: 'always' };

async function openService(
  options: Partial<GuardOptions> & ExpressRoute = ALWAYS,
  how: Parameters<IntrospectionServer['options']>[0] = {},
) {
  const server = await openIntrospectionServer();
  const issuer = await openTestIssuer(options.clock);
  const { telemetry, counts, lines } = createRemembering();
  const introspection = server.options(how);
  const middleware = openMiddleware(issuer, { denylistPath: freshPath(), introspection, telemetry, ...options });
  await middleware.ready();
  return { server, issuer, middleware, counts, lines, url: await serveGuarded(middleware) };
}

const codeOf = (decision: Decision) => (decision.accepted ? 'accepted' : decision.error.code);

/** Holds each response until the test releases it. */
function createGate(server: IntrospectionServer) {
  const gates: (() => void)[] = [];
  server.reply = () => new Promise((resolve) => gates.push(() => resolve(ACTIVE)));
  return { waiting: gates, open: () => gates.shift()?.() };
}

test('the request is that of RFC 7662, with the credential in the encoding of RFC 6749 section 2.3.1', async () => {
  const { server, issuer, url } = await openService(ALWAYS, { clientId: 'prices:eu', clientSecret: 'päss +%/word' });
  const token = issuer.token();
  expect(await ask(url, token)).toMatchObject({ status: 200, body: { sub: 'user-1' } });
  expect(server.questions).toHaveLength(1);
  const [{ method, authorization, type, form } = {} as never] = server.questions;
  expect(method).toBe('POST');
  expect(type).toMatch(/^application\/x-www-form-urlencoded/);
  expect([...form]).toEqual([
    ['token', token],
    ['token_type_hint', 'access_token'],
  ]);
  const credential = Buffer.from(String(authorization).replace('Basic ', ''), 'base64').toString();
  expect(credential).toBe('prices%3Aeu:p%C3%A4ss+%2B%25%2Fword');
});

describe('the endpoint without the option url', () => {
  const questionsOf = async (metadata: (url: string) => Record<string, unknown> | undefined) => {
    const server = await openIntrospectionServer();
    const issuer = await openTestIssuer();
    const { url, ...introspection } = server.options();
    issuer.metadata = metadata(String(url));
    const { opened } = openMiddleware(issuer, { denylistPath: freshPath(), introspection });
    await opened.ready();
    const decide = async () => codeOf(await opened.decideOnline(issuer.token(), ALWAYS));
    return { server, issuer, opened, decide };
  };

  test('is the one in the metadata', async () => {
    const { server, issuer, decide } = await questionsOf((url) => ({ introspection_endpoint: url }));
    expect(await decide()).toBe('accepted');
    issuer.metadata = undefined;
    expect(await decide()).toBe('accepted');
    expect(server.questions).toHaveLength(2);
  });

  test('is read from the metadata again when it has moved', async () => {
    const { server, issuer, decide } = await questionsOf(() => ({ introspection_endpoint: 'http://127.0.0.1:1/old' }));
    expect(await decide()).toBe('introspection_unavailable');
    issuer.metadata = { introspection_endpoint: server.options().url };
    expect(await decide()).toBe('accepted');
  });

  test('is unknown if the metadata are of another issuer or have a wrong address', async () => {
    for (const more of [{ issuer: 'https://other.example' }, { introspection_endpoint: 'file:///etc/passwd' }]) {
      const { server, opened, decide } = await questionsOf((url) => ({ introspection_endpoint: url, ...more }));
      expect(await decide()).toBe('introspection_unavailable');
      expect(server.questions).toHaveLength(0);
      const check = opened.health().find(({ name }) => name === 'introspection');
      expect(check?.lastError).toMatch(/^unusable: metadata: /);
    }
  });

  test('is the usual address if the metadata have none', async () => {
    for (const metadata of [undefined, {}]) {
      const { issuer, decide } = await questionsOf(() => metadata);
      let asked = 0;
      issuer.documents.set('/oauth2/introspect', () => {
        asked += 1;
        return { active: true };
      });
      expect(await decide()).toBe('accepted');
      expect(asked).toBe(1);
    }
  });
});

test('refuses an inactive token with 401, and introspects again at the next request', async () => {
  const { server, issuer, url, counts } = await openService();
  const token = issuer.token();
  for (const reply of [ACTIVE, INACTIVE, ACTIVE, INACTIVE]) {
    server.reply = () => reply;
    const answer = await ask(url, token);
    expect(answer.status).toBe(reply === ACTIVE ? 200 : 401);
    if (reply === ACTIVE) continue;
    expect(answer.body).toMatchObject({ error: 'invalid_token', code: 'token_inactive' });
    expect(answer.challenge).toMatch(/^Bearer error="invalid_token"/);
  }
  expect(server.questions).toHaveLength(4);
  expect(counts.get('rescind_introspections_total active')).toBe(2);
  expect(counts.get('rescind_decisions_total accepted_introspected')).toBe(2);
});

test('refuses an active token that is bound to a key of the client with 401', async () => {
  const { server, issuer, url, counts } = await openService();
  const bound = [{ cnf: { jkt: 'a' } }, { cnf: { 'x5t#S256': 'a' } }, { token_type: 'DPoP' }];
  for (const more of bound) {
    server.reply = () => ({ body: JSON.stringify({ active: true, ...more }) });
    expect((await ask(url, issuer.token())).body).toMatchObject({ code: 'token_sender_constrained' });
  }
  server.reply = () => ({ body: JSON.stringify({ active: true, token_type: 'Bearer' }) });
  expect((await ask(url, issuer.token())).status).toBe(200);
  expect(counts.get('rescind_introspections_total bound')).toBe(3);
});

test('does not introspect a token that another check refuses', async () => {
  const { server, issuer, url } = await openService({ ...ALWAYS, scopes: ['prices:read'] });
  const revoked = issuer.token({ sid: 'gone' });
  issuer.revoke({ claim: 'sid', value: 'gone' });
  await waitFor('the revoked token is refused', async () => (await ask(url, revoked)).body.code === 'token_revoked');
  const asked = server.questions.length;
  const refused: readonly [string, string][] = [
    ['token_revoked', revoked],
    ['token_expired', issuer.token({ exp: Math.floor(Date.now() / 1000) - 1 })],
    ['token_audience_wrong', issuer.token({ aud: 'orders' })],
    ['token_malformed', `${issuer.token()}=`],
    ['scope_insufficient', issuer.token({ scope: 'other' })],
  ];
  for (const [code, token] of refused) expect((await ask(url, token)).body.code).toBe(code);
  expect(server.questions).toHaveLength(asked);
});

test('single flight: calls that arrive during a request share the next one', async () => {
  const { server, issuer, url } = await openService();
  const gate = createGate(server);
  const token = issuer.token();
  const first = ask(url, token);
  await waitFor('the first request has asked the issuer', () => gate.waiting.length === 1);
  const others = Array.from({ length: 20 }, () => ask(url, token));
  const stranger = ask(url, issuer.token());
  await waitFor('another token is asked about meanwhile', () => gate.waiting.length === 2);
  expect(server.questions).toHaveLength(2);
  gate.open();
  expect((await first).status).toBe(200);
  // The first request was sent before these calls, so its response is too old for them.
  await waitFor('the others are asked about', () => server.questions.length === 3);
  server.reply = () => INACTIVE;
  while (gate.waiting.length > 0) gate.open();
  expect((await stranger).status).toBe(200);
  for (const answer of await Promise.all(others)) expect(answer.status).toBe(200);
  expect(server.questions).toHaveLength(3);
});

test('refuses with 503 if the issuer does not respond in time', async () => {
  const { server, issuer, url, lines } = await openService(ALWAYS, { timeoutMs: 100 });
  server.reply = () => new Promise(() => undefined);
  const answer = await ask(url, issuer.token());
  expect(answer).toMatchObject({ status: 503, retryAfter: '5', challenge: null });
  expect(answer.body).toMatchObject({ code: 'introspection_unavailable' });
  expect(answer.body).not.toHaveProperty('error');
  expect(lines).toContain('error introspection_failed');
});

test('a call that shares a request waits no longer than others', async () => {
  const { server, issuer, middleware } = await openService(ALWAYS, { timeoutMs: 300 });
  server.reply = () => new Promise(() => undefined);
  const token = issuer.token();
  const first = middleware.opened.decideOnline(token, ALWAYS);
  await waitFor('the issuer is asked', () => server.questions.length === 1);
  const second = await middleware.opened.decideOnline(token, ALWAYS);
  expect(codeOf(second)).toBe('introspection_unavailable');
  // The request that it waited for is still running.
  expect(middleware.health().find(({ name }) => name === 'introspection')?.running).toBe(1);
  expect(codeOf(await first)).toBe('introspection_unavailable');
});

describe('refuses the token if the response is not clear', () => {
  const unclear: readonly [string, string, IntrospectionServer['reply']][] = [
    ['an error', 'status_wrong', () => ({ status: 500, body: '{"active":true}' })],
    ['a refused credential', 'refused', () => ({ status: 401, body: '{"active":true}' })],
    ['a redirect', 'unreachable', () => ({ status: 302, headers: { location: '/' }, body: '{"active":true}' })],
    ['text', 'unusable', () => ({ body: 'active' })],
    ['no object', 'unusable', () => ({ body: 'true' })],
    ['an active that is text', 'unusable', () => ({ body: '{"active":"true"}' })],
    ['no active', 'unusable', () => ({ body: '{"sub":"user-1"}' })],
    ['too much', 'unusable', () => ({ body: `{"active":true,"x":"${'x'.repeat(70_000)}"}` })],
    ['another person', 'unusable', () => ({ body: '{"active":true,"sub":"user-2"}' })],
    ['another token', 'unusable', () => ({ body: '{"active":true,"jti":"another"}' })],
  ];
  test.each(unclear)('%s: %s', async (_what, result, reply) => {
    const { server, issuer, middleware, counts } = await openService();
    server.reply = reply;
    expect(codeOf(await middleware.opened.decideOnline(issuer.token(), ALWAYS))).toBe('introspection_unavailable');
    expect(counts.get(`rescind_introspections_total ${result}`)).toBe(1);
    const check = middleware.health().find(({ name }) => name === 'introspection');
    expect(check?.status).toBe('warn');
    expect(check?.lastError).toMatch(new RegExp(`^${result}`));
    expect(check?.lastError).not.toMatch(/user-1|user-2|a-secret/);
  });
});

test('a row decides last, also one that arrived during the introspection', async () => {
  const { server, issuer, url } = await openService();
  const gate = createGate(server);
  const token = issuer.token({ sid: 'gone' });
  const waiting = ask(url, token);
  await waitFor('the issuer is asked', () => gate.waiting.length === 1);
  issuer.revoke({ claim: 'sid', value: 'gone' });
  await waitFor('the revocation is enforced here', async () => (await ask(url, token)).body.code === 'token_revoked');
  gate.open();
  expect((await waiting).body.code).toBe('token_revoked');
});

describe('the circuit breaker', () => {
  async function openFrozen() {
    const clock: ManualClock = createManualClock(Date.now(), 1_000);
    const opened = await openService({ ...ALWAYS, clock }, { breakAfter: 3, breakMs: 5_000 });
    const token = opened.issuer.token();
    const decide = async () => codeOf(await opened.middleware.opened.decideOnline(token, ALWAYS));
    const circuit = () => opened.middleware.health().find(({ name }) => name === 'introspection')?.circuit;
    return { ...opened, clock, decide, circuit };
  }

  test('opens after consecutive failures, admits one call later, and closes by its success', async () => {
    const { server, clock, decide, circuit, counts } = await openFrozen();
    const broken = () => ({ status: 500, body: '' });
    server.reply = broken;
    for (let time = 0; time < 2; time += 1) expect(await decide()).toBe('introspection_unavailable');
    server.reply = () => ACTIVE;
    expect(await decide()).toBe('accepted');
    server.reply = broken;
    for (let time = 0; time < 3; time += 1) expect(await decide()).toBe('introspection_unavailable');
    expect(circuit()).toBe('open');
    const asked = server.questions.length;
    for (let time = 0; time < 50; time += 1) expect(await decide()).toBe('introspection_unavailable');
    expect(server.questions).toHaveLength(asked);
    expect(counts.get('rescind_introspections_total open')).toBe(50);

    clock.advance(5_000);
    expect(circuit()).toBe('half-open');
    expect(await decide()).toBe('introspection_unavailable');
    expect(circuit()).toBe('open');
    expect(server.questions).toHaveLength(asked + 1);

    clock.advance(5_000);
    server.reply = () => ACTIVE;
    expect(await decide()).toBe('accepted');
    expect(circuit()).toBe('closed');
    expect(await decide()).toBe('accepted');
  });

  test('admits exactly one call when it is half open', async () => {
    const { server, clock, decide, issuer, middleware } = await openFrozen();
    server.reply = () => ({ status: 500, body: '' });
    for (let time = 0; time < 3; time += 1) await decide();
    clock.advance(5_000);
    const asked = server.questions.length;
    const gate = createGate(server);
    const tokens = Array.from({ length: 10 }, () => issuer.token());
    const decisions = tokens.map(async (token) => codeOf(await middleware.opened.decideOnline(token, ALWAYS)));
    await waitFor('one request tries again', () => gate.waiting.length === 1);
    gate.open();
    expect((await Promise.all(decisions)).toSorted()).toEqual(
      ['accepted', ...Array.from({ length: 9 }, () => 'introspection_unavailable')].toSorted(),
    );
    expect(server.questions).toHaveLength(asked + 1);
  });
});

test('limits running and waiting calls, and refuses others at once', async () => {
  const { server, issuer, middleware, counts } = await openService(ALWAYS, { maxConcurrent: 2, maxWaiting: 1 });
  const gate = createGate(server);
  const decisions = Array.from({ length: 5 }, async () =>
    codeOf(await middleware.opened.decideOnline(issuer.token(), ALWAYS)),
  );
  await waitFor('two are asked about', () => gate.waiting.length === 2);
  expect(counts.get('rescind_introspections_total busy')).toBe(2);
  gate.open();
  await waitFor('the third has its turn', () => server.questions.length === 3);
  while (gate.waiting.length > 0) gate.open();
  expect((await Promise.all(decisions)).filter((code) => code === 'accepted')).toHaveLength(3);
});

describe('a place of the semaphore', () => {
  async function openOne() {
    const limits = { maxConcurrent: 1, maxWaiting: 2, timeoutMs: 20_000, breakAfter: 100 };
    const opened = await openService(ALWAYS, limits);
    const gate = createGate(opened.server);
    const check = () => opened.middleware.health().find(({ name }) => name === 'introspection');
    const decide = async () => codeOf(await opened.middleware.opened.decideOnline(opened.issuer.token(), ALWAYS));
    const asked = (count: number) =>
      waitFor(`the issuer is asked ${count} times`, () => opened.server.questions.length === count);
    const waiting = (count: number) => waitFor(`${count} requests wait`, () => check()?.waiting === count);
    return { ...opened, gate, decide, asked, waiting };
  }

  test('passes to the next waiting call, in order, before new ones', async () => {
    const { server, gate, decide, asked, waiting } = await openOne();
    const first = decide();
    await asked(1);
    const [second, third] = [decide(), decide()];
    await waiting(2);
    expect(await decide()).toBe('introspection_unavailable');
    gate.open();
    expect(await first).toBe('accepted');
    await asked(2);
    await waiting(1);
    // The slot has been handed on, not given back as well: whoever comes now waits.
    const fourth = decide();
    await waiting(2);
    expect(server.questions).toHaveLength(2);
    for (const [count, decision] of [second, third, fourth].entries()) {
      await asked(count + 2);
      expect(gate.waiting).toHaveLength(1);
      gate.open();
      expect(await decision).toBe('accepted');
    }
    expect(server.questions).toHaveLength(4);
  });

  test('is released once if no call waits', async () => {
    const { server, gate, decide, asked, waiting } = await openOne();
    for (const count of [1, 2, 3]) {
      const alone = decide();
      await asked(count);
      gate.open();
      expect(await alone).toBe('accepted');
    }
    const next = decide();
    await asked(4);
    const waits = decide();
    await waiting(1);
    expect(server.questions).toHaveLength(4);
    gate.open();
    expect(await next).toBe('accepted');
    await asked(5);
    gate.open();
    expect(await waits).toBe('accepted');
    await waiting(0);
  });

  test('is released by a call that fails', async () => {
    const { server, decide } = await openOne();
    for (const reply of [{ status: 500, body: '' }, { body: 'no JSON' }, { status: 401, body: '' }]) {
      server.reply = () => reply;
      expect(await Promise.all([decide(), decide(), decide()])).toEqual(
        [0, 1, 2].map(() => 'introspection_unavailable'),
      );
    }
    server.reply = () => ACTIVE;
    expect(await Promise.all([decide(), decide(), decide()])).toEqual(['accepted', 'accepted', 'accepted']);
    expect(server.questions).toHaveLength(12);
  });
});

test('close() aborts running calls', async () => {
  const { server, issuer, middleware } = await openService();
  createGate(server);
  const waiting = middleware.opened.decideOnline(issuer.token(), ALWAYS);
  await waitFor('the issuer is asked', () => server.questions.length === 1);
  await middleware.close();
  expect(codeOf(await waiting)).toBe('introspection_unavailable');
});

test('a route that introspects is refused at its creation if no issuer has introspection', async () => {
  const issuer = await openTestIssuer();
  const { opened } = openMiddleware(issuer, { denylistPath: freshPath() });
  for (const route of [ALWAYS, { stale: 'introspect' } as const]) {
    expect(() => opened.checkRoute(route)).toThrow(/^introspection must be/);
  }
  expect(() => openMiddleware(issuer, { denylistPath: freshPath(), stale: 'introspect' })).toThrow(/^introspection /);
});
