import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createPasswords } from '@rescind/accounts';
import { openIssuer } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { generateSigningKey, signingKeyToPem } from '@rescind/token/signing';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { openUserManagement } from '../../support/user-management.ts';

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');

/** What a user-management of version 1 wrote, with keys of now: `phoneUsed` was exchanged for `phone`. */
function filesOfVersion1() {
  const directory = temporaryDirectory();
  const databasePath = join(directory, 'user-management.sqlite');
  const keysPath = join(directory, 'keys');
  mkdirSync(keysPath, { mode: 0o700 });
  const makeKey = (purpose: string) => {
    const key = generateSigningKey();
    writeFileSync(join(keysPath, `${purpose}-${key.kid}.pem`), signingKeyToPem(key), { mode: 0o600 });
    return key.kid;
  };
  const [signingKid, eventKid] = [makeKey('token'), makeKey('event')];
  const database = new Database(databasePath);
  database.exec(fixture('version-1.sql').replaceAll('TOKEN_KID', signingKid).replaceAll('EVENT_KID', eventKid));
  const mark = database.prepare('SELECT epoch, head, last AS id FROM rescind_meta').get();
  database.close();
  writeFileSync(join(keysPath, 'high-water.json'), JSON.stringify(mark), { mode: 0o600 });
  return { databasePath, keysPath, given: { ...JSON.parse(fixture('version-1.json')), signingKid, eventKid } };
}

test('opens a database of version 1, and keeps its users and sessions', async () => {
  const { databasePath, keysPath, given } = filesOfVersion1();
  const service = await openUserManagement({
    ISSUER: given.issuer,
    DATABASE_PATH: databasePath,
    KEYS_PATH: keysPath,
    KEY_ROTATION_INTERVAL: 'never',
    EVENT_KEY_ROTATION_INTERVAL: 'never',
  });
  const { refresh, login, accepts, tokensOf, send } = service;
  const { username, password } = given;
  const resource = `${given.issuer}/account`;
  const { access } = await login({ username, password, resource });
  expect(await accepts(access)).toBe(400);
  for (const open of [given.laptop, given.phone]) {
    expect(await accepts(tokensOf(await refresh(open, { resource })).access)).toBe(400);
  }
  for (const over of [given.gone, given.phoneUsed]) expect((await refresh(over)).status).toBe(400);
  const { keys } = (await send('/.well-known/jwks.json')).body as { keys: { kid: string }[] };
  expect(keys.map(({ kid }) => kid)).toEqual([given.signingKid]);
});

test('continues its log, and includes its keys in the rotation', async () => {
  const { databasePath, keysPath, given } = filesOfVersion1();
  const keyRotation = { everyMs: 'never', eventEveryMs: 'never' } as const;
  const subject = () => ({ claims: {}, credentialVersion: 1, active: true });
  const issuer = await openIssuer({
    issuer: given.issuer,
    store: sqliteStore({ path: databasePath }),
    keysPath,
    keyRotation,
    subject,
  });
  onTestFinished(() => issuer.close());
  expect(issuer.refusingWrites()).toBeNull();
  expect(issuer.log.snapshot().epoch).toBe(given.log.epoch);
  expect(issuer.log.snapshot().head).toBeGreaterThanOrEqual(given.log.head);
  expect(await issuer.keys.list()).toMatchObject([
    { kid: given.signingKid, purpose: 'token', alg: 'RS256', state: 'active', retiresAt: null },
    { kid: given.revokedKid, purpose: 'token', alg: 'RS256', state: 'revoked' },
    { kid: given.eventKid, purpose: 'event', alg: 'RS256', state: 'active' },
  ]);
  expect(await issuer.transaction((tx) => tx.keys.rotate({ purpose: 'token' }))).toMatchObject({ state: 'next' });
  await issuer.transaction((tx) => tx.keys.revoke({ kid: given.eventKid, reason: 'key_compromised' }));
  expect(issuer.log.snapshot().epoch > given.log.epoch).toBe(true);
  const denied = (await issuer.revocations.list()).items.map(({ reason }) => reason);
  expect(denied).toContain('key_compromised');
});

/** The tables of accounts and of user-management. */
const tablesOf = (path: string) => {
  const database = new Database(path, { readonly: true });
  const tables = database
    .prepare<[], { name: string; sql: string }>(
      "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'rescind_%' AND name NOT LIKE 'sqlite_%' ORDER BY name",
    )
    .all()
    .map(({ name, sql }) => [name, sql?.replaceAll(/\s+/g, ' ')]);
  const version = database.pragma('user_version', { simple: true });
  database.close();
  return { tables, version };
};

test.each([1, 2, 3, 4, 5, 6])('migrates accounts of version %i, once', async (version) => {
  const password = 'correct horse battery';
  const fresh = await openUserManagement();
  const directory = temporaryDirectory();
  const path = join(directory, 'user-management.sqlite');
  const steps = fixture('versions.sql')
    .split(/^-- version \d\n/m)
    .slice(1, version + 1);
  const database = new Database(path);
  database.exec(steps.join('\n').replace('PASSWORD', await createPasswords().rehash(password)));
  database.pragma(`user_version = ${version}`);
  database.close();

  for (let start = 0; start < 2; start++) {
    const service = await openUserManagement({ ISSUER: 'http://login.example' }, directory);
    expect(tablesOf(path)).toEqual(tablesOf(join(fresh.directory, 'user-management.sqlite')));
    const { access } = await service.login({ username: 'scope', password });
    const { body } = await service.send('/account', { headers: service.asBearer(access) });
    expect(body).toMatchObject({
      sub: 'sub-of-scope',
      username: 'Scope',
      claims: version > 1 ? { tenant: 'acme' } : {},
    });
    const taken = await service.register({ username: 'sсоpe', password });
    expect(taken.body.code).toBe('username_taken');
    await service.close();
  }
});
