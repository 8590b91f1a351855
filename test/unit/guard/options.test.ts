import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Way } from '@rescind/feed';
import { openGuard } from '@rescind/guard';
import { guard, requiredScopes } from '@rescind/guard/express';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';

const unopened: Way = {
  name: 'http',
  open: () => {
    throw new Error('must not be opened');
  },
};

test('a wrong option is told by name, before a file is opened', () => {
  const denylistPath = join(temporaryDirectory(), 'denylist.db');
  const right = { issuer: 'https://login.example', audience: 'prices', feed: { first: unopened }, denylistPath };
  const wrong: [RegExp, object][] = [
    [/^issuer /, { issuer: 'login.example' }],
    [/^issuer /, { issuer: 'ftp://login.example' }],
    [/^issuer /, { issuer: undefined }],
    [/^issuerUrl /, { issuerUrl: 'https://user:secret@login.example' }],
    [/^audience /, { audience: undefined }],
    [/^audience /, { audience: '' }],
    [/^audience /, { audience: [] }],
    [/^feed /, { feed: undefined }],
    [/^feed /, { feed: {} }],
    [/^denylistPath /, { denylistPath: '' }],
    [/^stale /, { stale: 'maybe' }],
    [/^maxStalenessMs /, { maxStalenessMs: Number.POSITIVE_INFINITY }],
    [/^maxStalenessMs /, { maxStalenessMs: 0 }],
    [/^criticalStalenessMs /, { criticalStalenessMs: Number.NaN }],
    [/^degradedAfterMs /, { degradedAfterMs: -1 }],
    [/^typ /, { typ: [] }],
    [/^algorithms /, { algorithms: ['HS256'] }],
    [/^algorithms /, { algorithms: ['none'] }],
    [/^maxBytes|^maxTokenBytes /, { maxTokenBytes: 0 }],
    [/^revocation /, { revocation: 'maybe' }],
    [/^skewMs /, { skewMs: 60_001 }],
    [/^skewMs /, { skewMs: Number.NaN }],
    [/^claimNames /, { claimNames: { client_id: '' } }],
    [/^claimValues /, { claimValues: { typ: ['Bearer'] } }],
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
    [/^audience /, { issuers: [{ issuer: 'https://other.example' }] }],
    [/^issuers /, { revocation: 'none', issuers: [{ issuer: 'https://other.example', audience: 'prices' }] }],
  ];
  for (const [message, options] of wrong) {
    expect(() => openGuard({ ...right, ...options }), JSON.stringify(options)).toThrow(message);
    expect(() => openGuard({ ...right, ...options })).toThrow(TypeError);
  }
  const wrongRoutes: [RegExp, object][] = [
    [/scope/, { scopes: ['two words'] }],
    [/^stale /, { stale: 'maybe' }],
    [/^introspect /, { introspect: 'sometimes' }],
    [/^introspection /, { introspect: 'always' }],
    [/^claimEquals\.tier /, { claimEquals: { tier: ['gold'] } }],
    [/^claimIncludes\.roles /, { claimIncludes: { roles: 'admin' } }],
    [/^claimIncludes\.roles /, { claimIncludes: { roles: [] } }],
    [/^claimCheck /, { claimCheck: true }],
    [/^maxAuthAgeSeconds /, { maxAuthAgeSeconds: -1 }],
    [/^acrValues /, { acrValues: [] }],
    [/^acrValues /, { acrValues: ['two words'] }],
    [/^acrValues /, { acrValues: ['a"b'] }],
    [/^softExpiry\.maxUses /, { softExpiry: { maxUses: 1.5 } }],
  ];
  for (const [message, route] of wrongRoutes) {
    expect(() => guard({ ...right, ...route }), JSON.stringify(route)).toThrow(message);
    expect(() => guard({ ...right, ...route })).toThrow(TypeError);
  }
  expect(existsSync(denylistPath)).toBe(false);
});

test('requiredScopes wants scopes that are scopes', () => {
  expect(() => requiredScopes()).toThrow(TypeError);
  for (const scope of ['', 'a b', 'a"b', 'a\\b', 'ü', 'a\r\nb']) expect(() => requiredScopes(scope)).toThrow(TypeError);
});
