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
  ];
  for (const [message, options] of wrong) {
    expect(() => openGuard({ ...right, ...options }), JSON.stringify(options)).toThrow(message);
    expect(() => openGuard({ ...right, ...options })).toThrow(TypeError);
  }
  expect(() => guard({ ...right, scopes: ['two words'] })).toThrow(TypeError);
  expect(existsSync(denylistPath)).toBe(false);
});

test('requiredScopes wants scopes that are scopes', () => {
  expect(() => requiredScopes()).toThrow(TypeError);
  for (const scope of ['', 'a b', 'a"b', 'a\\b', 'ü', 'a\r\nb']) expect(() => requiredScopes(scope)).toThrow(TypeError);
});
