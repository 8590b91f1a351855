import type { Decision, Guard, RoutePolicy } from '@rescind/guard';
import { createGuard } from '@rescind/guard';
import type { TestKit, TestKitOptions } from '@rescind/guard/testing';
import { openTestKit } from '@rescind/guard/testing';
import type { ErrorCode } from '@rescind/revocation';
import { revokedAt } from '@rescind/revocation/cut-off';
import { ERRORS } from '@rescind/revocation/errors';
import { describe, expect, it, onTestFinished } from 'vitest';

const AT = Date.UTC(2026, 10, 23, 12, 0, 0, 250);

function kitOf(options: TestKitOptions = {}): TestKit {
  const kit = openTestKit({ at: AT, audience: 'prices', ...options });
  onTestFinished(() => kit.close());
  return kit;
}

/** `accepted`, `stale`, or the code of the refusal. */
function verdict(decision: Decision): string {
  if (!decision.accepted) return decision.error.code;
  return decision.stale ? 'stale' : 'accepted';
}

const ask = ({ guard }: { guard: Guard }, token: string, route?: RoutePolicy) => verdict(guard.decide(token, route));

describe('the guard checks in order: signature, issuer, audience and times, revocation, readiness, freshness, soft expiry, the route', () => {
  const steps: readonly [ErrorCode, (kit: TestKit) => string][] = [
    ['token_malformed', (kit) => `${kit.token()}=`],
    ['token_type_wrong', (kit) => kit.token({}, 'JWT')],
    ['token_key_unknown', () => kitOf().token()],
    ['token_signature_wrong', (kit) => kit.token().replace(/[^.]+$/, kit.token().split('.')[2] ?? '')],
    ['token_issuer_unknown', (kit) => kit.token({ iss: 'https://other.example' })],
    ['token_audience_wrong', (kit) => kit.token({ aud: 'orders' })],
    ['token_expired', (kit) => kit.token({ exp: AT / 1000 })],
    ['token_not_yet_valid', (kit) => kit.token({ iat: AT / 1000 + 120 })],
    ['token_claim_wrong', (kit) => kit.token({ jti: undefined })],
    ['token_revoked', (kit) => revokedToken(kit)],
  ];
  const strict: RoutePolicy = { scopes: ['never'], softExpiry: { maxAgeMs: 1 }, maxAuthAgeSeconds: 0 };

  it.each(steps)('refuses with %s, whatever the view and the route', (code, tokenOf) => {
    const kit = kitOf();
    const token = tokenOf(kit);
    kit.clock.advance(1_000);
    const told = new Set<string>();
    for (const turn of [kit.makeFresh, kit.makeStale, kit.makeNotReady]) {
      turn();
      for (const route of [{}, strict, { introspect: 'always' }, { stale: 'allow' }] as const)
        told.add(ask(kit, token, route));
    }
    expect([...told]).toEqual([code]);
  });

  it('checks the readiness, then the age of the view, the soft expiry, the authentication, the scopes', () => {
    const kit = kitOf();
    const token = kit.token({ scope: 'prices:read', tier: 'basic' });
    kit.clock.advance(5_000);
    kit.makeNotReady();
    const route = { ...strict, claimEquals: { tier: 'gold' } };
    expect(ask(kit, token, route)).toBe('view_not_ready');
    kit.makeFresh();
    kit.makeStale();
    expect(ask(kit, token, route)).toBe('view_stale');
    kit.makeFresh();
    expect(ask(kit, token, route)).toBe('token_soft_expired');
    expect(ask(kit, token, { ...route, softExpiry: false })).toBe('authentication_insufficient');
    expect(ask(kit, token, { ...route, softExpiry: false, maxAuthAgeSeconds: 10 })).toBe('scope_insufficient');
    const left = { claimEquals: { tier: 'gold' }, scopes: ['prices:read'] };
    expect(ask(kit, token, left)).toBe('claim_insufficient');
    expect(ask(kit, token, { ...left, claimEquals: { tier: 'basic' }, introspect: 'always' })).toBe(
      'introspection_unavailable',
    );
    expect(ask(kit, token, { ...left, claimEquals: { tier: 'basic' } })).toBe('accepted');
  });
});

function revokedToken(kit: TestKit): string {
  const token = kit.token();
  kit.revoke({ claim: 'sid', value: 'session-1', reason: 'logout' });
  return token;
}

describe('a revoked token', () => {
  it('has scope, id, reason and time for operators, and none of them in the response', () => {
    const kit = kitOf();
    const decision = kit.guard.decide(revokedToken(kit));
    expect(decision).toMatchObject({
      error: { code: 'token_revoked', status: 401, oauth: 'invalid_token' },
      revoked: { cutoff: { claim: 'sid', value: 'session-1', reason: 'logout' }, endsSession: true, since: AT },
    });
    if (decision.accepted) throw new Error('it was accepted');
    const txn = decision.revoked?.cutoff.txn ?? '';
    expect(revokedAt(txn)).toBe(AT);
    expect(decision.error.cause).toEqual({
      ...{ scope: 'sid', txn, reason: 'logout', endsSession: true },
      since: '2026-11-23T12:00:00.250Z',
    });
    expect(decision.error.message).toBe(ERRORS.token_revoked.message);
    expect(decision.error.detail).toBeUndefined();
    expect(JSON.stringify(decision.error)).not.toMatch(/session-1|logout/);
  });

  it('is refused by a soft cut-off, which does not end the session', () => {
    const kit = kitOf();
    const token = kit.token();
    kit.revoke({ claim: 'sub', value: 'user-1', reason: 'roles_changed', endsSession: false });
    expect(kit.guard.decide(token)).toMatchObject({ revoked: { endsSession: false, since: AT } });
    expect(ask(kit, kit.token())).toBe('accepted');
  });

  it.each(['jti', 'sid', 'sub', 'client_id', 'iss', 'kid', 'tenant'])('is refused by a cut-off of its %s', (claim) => {
    const kit = kitOf();
    const token = kit.token({ tenant: 'acme' });
    const bystander = kit.token({ sid: 'other', sub: 'other', client_id: 'other', tenant: 'other' });
    const { header, payload } = decodeToken(token);
    kit.revoke({ claim, value: String(claim === 'kid' ? header.kid : payload[claim]) });
    expect(ask(kit, token)).toBe('token_revoked');
    expect(ask(kit, bystander)).toBe(claim === 'iss' || claim === 'kid' ? 'token_revoked' : 'accepted');
    expect(ask(kit, kit.token({ tenant: 'other', jti: 'new', sid: 'new' }))).toBe(
      claim === 'kid' ? 'token_revoked' : 'accepted',
    );
  });
});

function decodeToken(token: string): { header: Record<string, unknown>; payload: Record<string, unknown> } {
  const [header = '', payload = ''] = token.split('.');
  const parse = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
  return { header: parse(header), payload: parse(payload) };
}

describe('the age of the view', () => {
  it('decides by policy beyond the limit, not up to it', () => {
    const kit = kitOf({ maxStalenessMs: 60_000, criticalStalenessMs: 5_000 });
    const token = kit.token();
    kit.makeStale(5_000);
    expect(ask(kit, token, { critical: true })).toBe('accepted');
    kit.clock.advance(1);
    expect(ask(kit, token, { critical: true })).toBe('view_stale');
    expect(ask(kit, token, { critical: true, stale: 'allow' })).toBe('stale');
    expect(ask(kit, token, { critical: true, stale: 'introspect' })).toBe('introspection_unavailable');
    kit.clock.advance(54_999);
    expect(ask(kit, token)).toBe('accepted');
    kit.clock.advance(1);
    expect(ask(kit, token)).toBe('view_stale');
    expect(ask(kit, token, { stale: 'allow' })).toBe('stale');
    expect(ask(kit, token, { stale: 'introspect' })).toBe('introspection_unavailable');
    expect(ask(kit, token, { introspect: 'always' })).toBe('introspection_unavailable');
    kit.makeStale(Number.POSITIVE_INFINITY);
    expect(ask(kit, token, { stale: 'allow' })).toBe('view_stale');
  });

  it('causes 503 with Retry-After, without an OAuth error that a client would take for a logout', () => {
    const kit = kitOf();
    const token = kit.token();
    for (const turn of [kit.makeStale, kit.makeNotReady]) {
      turn();
      const decision = kit.guard.decide(token);
      if (decision.accepted) throw new Error('it was accepted');
      expect(decision.error).toMatchObject({ status: 503, oauth: undefined });
      expect(decision.error.retryAfter).toBeGreaterThan(0);
    }
  });

  it('does not matter for issuers without a log', () => {
    const opened = createGuard({ issuer: 'https://login.example', audience: 'a', revocation: 'none', fetch: never });
    onTestFinished(() => opened.close());
    expect(opened.view()).toMatchObject({ ready: true, ageMs: Number.POSITIVE_INFINITY });
    expect(opened.health().map(({ name }) => name)).not.toContain('view');
  });
});

const never = () => Promise.reject(new TypeError('fetch failed'));

describe('soft expiry', () => {
  it('applies from the second in the claim soft_exp on, with a code of its own', () => {
    const kit = kitOf();
    const token = kit.token({ soft_exp: Math.floor(AT / 1000) + 10 });
    kit.clock.advance(9_749);
    expect(ask(kit, token)).toBe('accepted');
    kit.clock.advance(1);
    expect(ask(kit, token)).toBe('token_soft_expired');
    expect(ask(kit, token, { softExpiry: false })).toBe('accepted');
    kit.clock.advance(1_000_000);
    expect(ask(kit, token)).toBe('token_expired');
    expect(ask(kit, kit.token({ soft_exp: 'soon' }))).toBe('token_claim_wrong');
  });

  it('applies from an age on', () => {
    const kit = kitOf({ softExpiry: { maxAgeMs: 1_000 } });
    const token = kit.token();
    kit.clock.advance(999);
    expect(ask(kit, token)).toBe('accepted');
    kit.clock.advance(1);
    expect(ask(kit, token)).toBe('token_soft_expired');
  });

  it('requires a jti to count uses', () => {
    const kit = kitOf({ softExpiry: { maxUses: 1 }, requiredClaims: ['sub'] });
    for (const jti of [undefined, '', 7]) expect(ask(kit, kit.token({ jti }))).toBe('token_claim_wrong');
    expect(ask(kit, kit.token())).toBe('accepted');
  });

  it('counts the uses of each token alone, and no use that another check refuses', () => {
    const kit = kitOf({ softExpiry: { maxUses: 3 } });
    const [token, other] = [kit.token(), kit.token()];
    kit.makeStale();
    for (let use = 0; use < 5; use += 1) expect(ask(kit, token)).toBe('view_stale');
    kit.makeFresh();
    for (let use = 0; use < 3; use += 1) expect(ask(kit, token)).toBe('accepted');
    expect(ask(kit, token)).toBe('token_soft_expired');
    expect(ask(kit, other)).toBe('accepted');
    expect(ask(kit, token)).toBe('token_soft_expired');
  });
});

describe('the requirements of a route', () => {
  it('all scopes, as text or list, in any order', () => {
    const kit = kitOf();
    const route = { scopes: ['prices:read', 'prices:write'] };
    for (const scope of ['prices:write x prices:read', ['prices:read', 'prices:write']]) {
      expect(ask(kit, kit.token({ scope }), route)).toBe('accepted');
    }
    for (const scope of [
      undefined,
      '',
      'prices:read',
      'prices:read prices:writer',
      ['prices:read'],
      { 0: 'prices:read' },
      7,
    ]) {
      expect(ask(kit, kit.token({ scope }), route)).toBe('scope_insufficient');
    }
  });

  it('a recent authentication: RFC 9470', () => {
    const kit = kitOf();
    const now = Math.floor(AT / 1000);
    const route = { maxAuthAgeSeconds: 300 };
    expect(ask(kit, kit.token({ auth_time: now - 299 }), route)).toBe('accepted');
    expect(ask(kit, kit.token({ auth_time: now - 301 }), route)).toBe('authentication_insufficient');
    expect(ask(kit, kit.token({ auth_time: now + 61 }), route)).toBe('authentication_insufficient');
    const exactly = kit.token({ auth_time: now - 299 });
    kit.clock.advance(750);
    expect(ask(kit, exactly, route)).toBe('accepted');
    expect(ask(kit, kit.token({ auth_time: now + 61 }), route)).toBe('accepted');
    kit.clock.advance(1);
    expect(ask(kit, exactly, route)).toBe('authentication_insufficient');
    for (const wrong of [undefined, '1700000000', null, [now]]) {
      expect(ask(kit, kit.token({ auth_time: wrong }), route)).toBe('authentication_insufficient');
    }
  });

  it('a strong authentication: one of acr_values', () => {
    const kit = kitOf();
    const route = { acrValues: ['phr', 'mfa'] };
    for (const acr of ['phr', 'mfa']) expect(ask(kit, kit.token({ acr }), route)).toBe('accepted');
    for (const acr of [undefined, 'pwd', '', ['mfa'], 'phr mfa']) {
      expect(ask(kit, kit.token({ acr }), route)).toBe('authentication_insufficient');
    }
  });

  it('roles and other claims', () => {
    const kit = kitOf();
    const admin = { claimIncludes: { roles: ['admin'] } };
    for (const roles of [['admin', 'user'], 'user admin']) {
      expect(ask(kit, kit.token({ roles }), admin)).toBe('accepted');
    }
    for (const roles of [undefined, [], ['administrator'], 'administrator', { admin: true }, [['admin']], 'ADMIN']) {
      expect(ask(kit, kit.token({ roles }), admin)).toBe('claim_insufficient');
    }
    expect(ask(kit, kit.token({ tier: 1 }), { claimEquals: { tier: 1 } })).toBe('accepted');
    for (const tier of [undefined, '1', true, [1]]) {
      expect(ask(kit, kit.token({ tier }), { claimEquals: { tier: 1 } })).toBe('claim_insufficient');
    }
    expect(ask(kit, kit.token({ roles: ['admin'] }), { claimIncludes: { roles: ['admin', 'editor'] } })).toBe(
      'claim_insufficient',
    );
    expect(ask(kit, kit.token({ roles: null }), { claimEquals: { roles: null } })).toBe('accepted');
    expect(ask(kit, kit.token(), { claimEquals: { toString: 'x' } })).toBe('claim_insufficient');
    const young = { claimCheck: ({ age }: Readonly<Record<string, unknown>>) => typeof age === 'number' && age < 18 };
    expect(ask(kit, kit.token({ age: 17 }), young)).toBe('accepted');
    expect(ask(kit, kit.token({ age: 18 }), young)).toBe('claim_insufficient');
  });

  it('refuses the request if the check throws', () => {
    const kit = kitOf();
    const claimCheck = () => {
      throw new Error('a mistake');
    };
    expect(ask(kit, kit.token(), { claimCheck })).toBe('internal');
  });
});

it('keeps a request from changing the token of the next one', () => {
  const kit = kitOf();
  const token = kit.token({ roles: ['user'] });
  const decision = kit.guard.decide(token);
  if (!decision.accepted) throw new Error('it was refused');
  const payload = decision.token.payload as Record<string, unknown>;
  expect(() => (payload.roles as string[]).push('admin')).toThrow(TypeError);
  expect(() => {
    payload.sub = 'user-2';
  }).toThrow(TypeError);
});

it('a closed guard accepts no token', async () => {
  const kit = kitOf();
  const token = kit.token();
  await kit.close();
  expect(ask(kit, token)).toBe('stopping');
});
