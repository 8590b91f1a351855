import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { IssuerOptions } from '@rescind/issuer';
import { openIssuer, restoreIssuer } from '@rescind/issuer';
import type { SqliteStoreOptions } from '@rescind/issuer-sqlite';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';

const mistakes: [keyof IssuerOptions, unknown][] = [
  ['issuer', ''],
  ['issuer', 'login.example'],
  ['issuer', 'https://login.example?x'],
  ['issuer', 'ftp://login.example'],
  ['store', undefined],
  ['store', 'users.db'],
  ['store', {}],
  ['keysPath', ''],
  ['subject', undefined],
  ['accessTokenTtlMs', 0],
  ['accessTokenTtlMs', 1_500],
  ['accessTokenTtlMs', 86_401_000],
  ['refreshTokenTtlMs', Number.NaN],
  ['refreshIdleTtlMs', Number.POSITIVE_INFINITY],
  ['refreshGraceMs', -1],
  ['refreshGraceMs', 60_001],
  ['refreshRecoveryMs', -1],
  ['refreshRecoveryMs', 7 * 86_400_000 + 1],
  ['eventRetentionMs', 1],
  ['keyRotation', { publishBeforeMs: 999 }],
  ['keyRotation', { publishBeforeMs: 86_400_001 }],
  ['keyRotation', { everyMs: 600_000 }],
  ['keyRotation', { eventEveryMs: 'sometimes' }],
  ['keyRotation', { algorithm: 'HS256' }],
];

test.each(mistakes)('refuses a wrong %s (%s) by its name, and creates nothing', async (name, value) => {
  const directory = temporaryDirectory();
  const path = join(directory, 'users.db');
  const good = {
    issuer: 'https://login.example',
    store: sqliteStore({ path }),
    keysPath: join(directory, 'keys'),
    subject: () => undefined,
  };
  const open = () => openIssuer({ ...good, [name]: value } as IssuerOptions);
  await expect(open()).rejects.toThrow(TypeError);
  await expect(open()).rejects.toThrow(name);
  expect(existsSync(path)).toBe(false);
});

test('restoreIssuer checks its options too', async () => {
  await expect(restoreIssuer({ issuer: 'x', store: sqliteStore({ path: 'x' }), keysPath: 'x' })).rejects.toThrow(
    /issuer/,
  );
});

test.each([[''], [':memory:'], [undefined]])('sqliteStore refuses the path %s', (path) => {
  expect(() => sqliteStore({ path } as SqliteStoreOptions)).toThrow(/path/);
});

test('sqliteStore refuses access to its rows before an issuer has opened it', () => {
  expect(() => sqliteStore({ path: 'x' }).sql).toThrow('openIssuer opens it');
});
