import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { IssuerOptions } from '@rescind/issuer';
import { openIssuer, restoreIssuer } from '@rescind/issuer';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';

const mistakes: [keyof IssuerOptions, unknown][] = [
  ['issuer', ''],
  ['issuer', 'login.example'],
  ['issuer', 'https://login.example?x'],
  ['issuer', 'ftp://login.example'],
  ['databasePath', ''],
  ['databasePath', ':memory:'],
  ['keysPath', ''],
  ['subject', undefined],
  ['accessTokenTtlMs', 0],
  ['accessTokenTtlMs', 1_500],
  ['accessTokenTtlMs', 86_401_000],
  ['refreshTokenTtlMs', Number.NaN],
  ['refreshIdleTtlMs', Number.POSITIVE_INFINITY],
  ['refreshGraceMs', -1],
  ['refreshGraceMs', 60_001],
  ['eventRetentionMs', 1],
  ['keyRotation', { publishBeforeMs: 999 }],
  ['keyRotation', { publishBeforeMs: 86_400_001 }],
  ['keyRotation', { everyMs: 600_000 }],
  ['keyRotation', { eventEveryMs: 'sometimes' }],
  ['keyRotation', { algorithm: 'HS256' }],
];

test.each(mistakes)('a wrong %s (%s) is told by its name, and nothing is made', (name, value) => {
  const directory = temporaryDirectory();
  const good = {
    issuer: 'https://login.example',
    databasePath: join(directory, 'users.db'),
    keysPath: join(directory, 'keys'),
    subject: () => undefined,
  };
  const open = () => openIssuer({ ...good, [name]: value } as IssuerOptions);
  expect(open).toThrow(TypeError);
  expect(open).toThrow(name);
  expect(existsSync(good.databasePath)).toBe(false);
});

test('restore takes the same places', async () => {
  await expect(restoreIssuer({ issuer: 'x', databasePath: 'x', keysPath: 'x' })).rejects.toThrow(/issuer/);
});
