import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Transport } from '@rescind/feed';
import { createGuard, requireOfRoute } from '@rescind/guard';
import type { ExpressRoute } from '@rescind/guard/express';
import { claimCheck, claimEquals, claimIncludes, guard, requiredScopes } from '@rescind/guard/express';
import { openTestKit } from '@rescind/guard/testing';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';

const unopened: Transport = {
  name: 'http',
  open: () => {
    throw new Error('must not be opened');
  },
};

test('createGuard names a wrong option before it opens a file', () => {
  const denylistPath = join(temporaryDirectory(), 'denylist.db');
  const right = { issuer: 'https://login.example', audience: 'prices', feed: { primary: unopened }, denylistPath };
  const wrong: [RegExp, object][] = [
    [/^issuer /, { issuer: 'login.example' }],
    [/^issuer /, { issuer: 'ftp://login.example' }],
    [/^issuer /, { issuer: undefined }],
    [/^issuerUrl /, { issuerUrl: 'https://user:secret@login.example' }],
    [/^audience /, { audience: undefined }],
    [/^audience /, { audience: '' }],
    [/^audience /, { audience: [] }],
    [/^feed /, { feed: undefined }],
    [/^feed\.primary /, { feed: {} }],
    [/^feed\.third is not an option of feed/, { feed: { primary: unopened, third: unopened } }],
    [/^denylistPath /, { denylistPath: '' }],
    [/^denylistPath /, { denylistPath: ':memory:' }],
    [/^stale /, { stale: 'maybe' }],
    [/^maxStalenessMs /, { maxStalenessMs: Number.POSITIVE_INFINITY }],
    [/^maxStalenessMs /, { maxStalenessMs: 0 }],
    [/^criticalStalenessMs /, { criticalStalenessMs: Number.NaN }],
    [/^degradedAfterMs /, { degradedAfterMs: -1 }],
    [/^typ /, { typ: [] }],
    [/^algorithms\[0\] /, { algorithms: ['HS256'] }],
    [/^algorithms\[0\] /, { algorithms: ['none'] }],
    [/^maxBytes|^maxTokenBytes /, { maxTokenBytes: 0 }],
    [/^revocation /, { revocation: 'maybe' }],
    [/^skewMs /, { skewMs: 60_001 }],
    [/^skewMs /, { skewMs: Number.NaN }],
    [/^claimNames\.client_id /, { claimNames: { client_id: '' } }],
    [/^claimValues\.typ /, { claimValues: { typ: ['Bearer'] } }],
    [/^requiredClaims /, { requiredClaims: 'sub' }],
    [/^eventJwksUrl /, { eventJwksUrl: '/keys' }],
    [/^introspection /, { stale: 'introspect' }],
    [/^introspection\.clientId /, { introspection: { clientId: '', clientSecret: 's' } }],
    [/^introspection\.clientSecret /, { introspection: { clientId: 'prices' } }],
    [/^introspection\.url /, { introspection: { clientId: 'a', clientSecret: 's', url: 'login.example' } }],
    [/^introspection\.timeoutMs /, { introspection: { clientId: 'a', clientSecret: 's', timeoutMs: 0 } }],
    [/^introspection\.maxConcurrent /, { introspection: { clientId: 'a', clientSecret: 's', maxConcurrent: 0 } }],
    [/^introspection\.maxWaiting /, { introspection: { clientId: 'a', clientSecret: 's', maxWaiting: -1 } }],
    [/^introspection\.breakAfter /, { introspection: { clientId: 'a', clientSecret: 's', breakAfter: 0.5 } }],
    [/^introspection\.breakMs /, { introspection: { clientId: 'a', clientSecret: 's', breakMs: Number.NaN } }],
    [/^softExpiry /, { softExpiry: 'soon' }],
    [/^softExpiry\.maxAgeMs /, { softExpiry: { maxAgeMs: 0 } }],
    [/^softExpiry\.maxUses /, { softExpiry: { maxUses: 0 } }],
    [/^softExpiry\.claim /, { softExpiry: { claim: '' } }],
    [/^cache\.maxEntries /, { cache: { maxEntries: 0 } }],
    [/^issuers /, { issuers: {} }],
    [/^issuers /, { issuers: [{ issuer: 'https://login.example', audience: 'prices' }] }],
    [/^issuers\[0\]\.audience /, { issuers: [{ issuer: 'https://other.example' }] }],
    [/^feed must be left out/, { revocation: 'none' }],
    [/^maxStalenesMs is not an option of createGuard; the nearest is maxStalenessMs/, { maxStalenesMs: 5 }],
    [/^issuers /, { revocation: 'none', issuers: [{ issuer: 'https://other.example', audience: 'prices' }] }],
  ];
  for (const [message, options] of wrong) {
    expect(() => createGuard({ ...right, ...options }), JSON.stringify(options)).toThrow(message);
    expect(() => createGuard({ ...right, ...options })).toThrow(TypeError);
  }
  const wrongRoutes: [RegExp, object][] = [
    [/^scopes\[0\] /, { scopes: ['two words'] }],
    [/^scopes /, { scopes: [] }],
    [/^scopes /, { scopes: 'prices:premium' }],
    [/^scope is not an option of guard; the nearest is scopes /, { scope: 'prices:premium' }],
    [/^requiredScopes is not an option of guard; the nearest is scopes /, { requiredScopes: ['prices:premium'] }],
    [/^roles is not an option of guard; /, { roles: ['admin'] }],
    [/^optional must be true or false, got text/, { optional: 'false' }],
    [/^critical /, { critical: 'true' }],
    [/^claimEquals /, { claimEquals: {} }],
    [/^getToken /, { getToken: 'cookie' }],
    [/^onRevoked /, { onRevoked: {} }],
    [/^stale /, { stale: 'maybe' }],
    [/^introspect /, { introspect: 'sometimes' }],
    [/^introspection /, { introspect: 'always' }],
    [/^claimEquals\.tier /, { claimEquals: { tier: ['gold'] } }],
    [/^claimIncludes\.roles /, { claimIncludes: { roles: 'admin' } }],
    [/^claimIncludes\.roles /, { claimIncludes: { roles: [] } }],
    [/^claimCheck /, { claimCheck: true }],
    [/^maxAuthAgeSeconds /, { maxAuthAgeSeconds: -1 }],
    [/^acrValues /, { acrValues: [] }],
    [/^acrValues\[0\] /, { acrValues: ['two words'] }],
    [/^acrValues\[0\] /, { acrValues: ['a"b'] }],
    [/^softExpiry\.maxUses /, { softExpiry: { maxUses: 1.5 } }],
  ];
  for (const [message, route] of wrongRoutes) {
    expect(() => guard({ ...right, ...route }), JSON.stringify(route)).toThrow(message);
    expect(() => guard({ ...right, ...route })).toThrow(TypeError);
  }
  expect(existsSync(denylistPath)).toBe(false);
});

test('a guard refuses a wrong route when the route is created, and when it decides', async () => {
  await using kit = openTestKit();
  const wrong = [
    { scope: 'a' },
    { roles: ['admin'] },
    { requiredScopes: ['a'] },
    { optional: 'false' },
    { scopes: [] },
  ];
  for (const route of wrong as ExpressRoute[]) {
    expect(() => guard(kit.guard, route), JSON.stringify(route)).toThrow(TypeError);
    expect(() => kit.guard.checkRoute(route)).toThrow(TypeError);
    expect(() => kit.guard.decide(kit.token(), route)).toThrow(TypeError);
    expect(() => kit.guard.decideOnline(kit.token(), route)).toThrow(TypeError);
  }
  for (const route of [null, [], 'scopes', new Map()] as unknown as ExpressRoute[]) {
    expect(() => guard(kit.guard, route)).toThrow(TypeError);
  }
});

test('a route does not change after its check', async () => {
  await using kit = openTestKit();
  const route = { scopes: ['prices:premium'] };
  expect(kit.guard.decide(kit.token(), route).accepted).toBe(false);
  route.scopes = [];
  expect(kit.guard.decide(kit.token(), route).accepted).toBe(false);
});

test('requireOfRoute refuses a route that every token would satisfy', () => {
  for (const route of [{ scope: 'prices:premium' }, { scopes: [] }, { roles: ['admin'] }]) {
    expect(() => requireOfRoute({}, route as never, 0)).toThrow(TypeError);
  }
  expect(() => requireOfRoute({}, { scopes: ['prices:premium'] }, 0)).toThrow('scope');
  expect(() => requireOfRoute({ scope: 'prices:premium' }, { scopes: ['prices:premium'] }, 0)).not.toThrow();
});

test('requiredScopes refuses a text that is no scope', () => {
  expect(() => requiredScopes()).toThrow(TypeError);
  for (const scope of ['', 'a b', 'a"b', 'a\\b', 'ü', 'a\r\nb']) expect(() => requiredScopes(scope)).toThrow(TypeError);
});

test('middleware that requires claims refuses a condition that every token would satisfy', () => {
  expect(() => claimEquals('', 'x')).toThrow(/^claim /);
  expect(() => claimEquals('tier', ['gold'] as never)).toThrow(/^claimEquals\.tier /);
  expect(() => claimEquals('tier', undefined as never)).toThrow(TypeError);
  expect(() => claimEquals('tier', Number.NaN)).toThrow(TypeError);
  expect(() => claimEquals('tier', 'gold', 'silver' as never)).toThrow(/one value/);
  expect(() => claimIncludes('roles')).toThrow(/^claimIncludes\.roles /);
  expect(() => claimIncludes('roles', ['admin'] as never)).toThrow(/^claimIncludes\.roles\[0\] /);
  expect(() => claimCheck(undefined as never)).toThrow(TypeError);
  expect(() => claimCheck(true as never)).toThrow(TypeError);
  expect(() => claimCheck(() => true, (() => false) as never)).toThrow(/one function/);
});

test('guard() refuses a second route, which would have no effect', async () => {
  await using kit = openTestKit();
  const twoRoutes = guard as (...given: readonly unknown[]) => unknown;
  expect(() => twoRoutes(kit.guard, {}, { scopes: ['a'] })).toThrow(/one route/);
  expect(() => twoRoutes(kit.guard, { scopes: ['a'] }, undefined)).toThrow(/one route/);
});
