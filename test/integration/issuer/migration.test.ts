import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Issuer } from '@rescind/issuer';
import { createManualClock } from '@rescind/revocation';
import { NO_SESSION, UNBOUNDED } from '@rescind/revocation/cut-off';
import { generateSigningKey, signingKeyToPem } from '@rescind/token/signing';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import type { IssuerSetting } from './issuer-setting.ts';
import { codeOf, createIssuerSetting, sqlOf, verdictOf } from './issuer-setting.ts';

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');

/** The responses of version 1: `former` was exchanged for `present`, `ancestor` for `former`, `lost` for `answer`. */
type Given = Record<
  'fresh' | 'ancestor' | 'former' | 'present' | 'ended' | 'lost' | 'answer',
  { refresh_token: string; sid: string }
>;

/** The database that a version wrote, unchanged except for its keys, which are new. */
function fileOfVersion(version: 1 | 5 | 8) {
  const { at, ...given } = JSON.parse(fixture(`version-${version}.json`));
  const setting = createIssuerSetting();
  for (const sub of ['bob', 'eve']) setting.users.put(sub);
  mkdirSync(setting.keysPath, { mode: 0o700 });
  const nameOf = (purpose: string) => {
    const key = generateSigningKey();
    writeFileSync(join(setting.keysPath, `${purpose}-${key.kid}.pem`), signingKeyToPem(key), { mode: 0o600 });
    return key.kid;
  };
  const sql = fixture(`version-${version}.sql`)
    .replaceAll('TOKEN_KID', nameOf('token'))
    .replaceAll('EVENT_KID', nameOf('event'));
  const database = new Database(setting.databasePath);
  database.exec(sql);
  const mark = database.prepare('SELECT epoch, head, last AS id FROM rescind_meta').get();
  database.close();
  writeFileSync(join(setting.keysPath, 'high-water.json'), JSON.stringify(mark));
  const clock = createManualClock(at);
  // The host configures one client; clients with sessions from before the registry are registered by the migration.
  const open = () => setting.open({ clock, clients: [{ clientId: 'web', name: 'Web', authMethod: 'none' }] });
  return { setting, clock, given, open };
}

async function upgraded() {
  const { open, ...file } = fileOfVersion(1);
  return { ...file, issuer: await open(), given: file.given as Given };
}

const use = (issuer: Issuer, { refresh_token: refreshToken }: { refresh_token: string }, clientId = 'web') =>
  issuer.refresh({ refreshToken, clientId });

function rowsOf({ databasePath }: IssuerSetting, sql: string): unknown[] {
  const database = new Database(databasePath, { readonly: true });
  const rows = database.prepare(sql).all();
  database.close();
  return rows;
}

const SCHEMA = 'SELECT type, name, sql FROM sqlite_master ORDER BY name';

describe('a file of version 1', () => {
  test('is migrated to the present version, and opened again', async () => {
    const { issuer, setting, clock } = await upgraded();
    const version = sqlOf(issuer).prepare('SELECT version FROM rescind_schema').pluck().get();
    expect(version).toBeGreaterThanOrEqual(2);
    expect(sqlOf(issuer).pragma('foreign_key_check')).toEqual([]);
    expect(sqlOf(issuer).pragma('integrity_check', { simple: true })).toBe('ok');
    await issuer.close();
    expect((await setting.open({ clock })).refusingWrites()).toBeNull();
  });

  test('keeps its sessions with their attributes', async () => {
    const { issuer, given } = await upgraded();
    expect(await issuer.sessions.find(given.present.sid)).toMatchObject({
      ...{ sub: 'ada', clientId: 'app', deviceName: 'ada at app', amr: ['pwd'], storage: 'body', endedAt: null },
      ...{ createdAt: 1_800_000_001_000, authTime: 1_800_000_001_000, lastUsedAt: 1_800_000_121_000 },
      idleExpiresAt: 1_800_000_121_000 + 7 * 86_400_000,
    });
    expect((await issuer.sessions.list({ sub: 'ada' })).items).toHaveLength(2);
    expect(await issuer.sessions.find(given.ended.sid)).toMatchObject({ endReason: 'logout' });
    expect((await issuer.clients.list()).map(({ clientId }) => clientId)).toEqual(['app', 'web']);
  });

  test('keeps its refresh tokens, which rotate as before', async () => {
    const { issuer, given, clock } = await upgraded();
    const fresh = await use(issuer, given.fresh);
    expect(fresh).toMatchObject({ sid: given.fresh.sid, scope: 'read' });
    const present = await use(issuer, given.present, 'app');
    expect(await verdictOf(issuer, present)).toBe('ok');
    expect((await use(issuer, present, 'app')).sid).toBe(given.present.sid);
    expect(await codeOf(() => use(issuer, given.ended))).toBe('grant_invalid');
    clock.advance(11_000);
    // Its successor has not been used: the response may have been lost (REFRESH_RECOVERY).
    expect((await use(issuer, given.fresh)).sid).toBe(given.fresh.sid);
    await use(issuer, fresh);
    expect(await codeOf(() => use(issuer, given.fresh))).toBe('grant_reused');
  });

  test.each(['ancestor', 'former'] as const)(
    'the reuse of the %s token of version 1 ends its session',
    async (which) => {
      const { issuer, given, clock } = await upgraded();
      clock.advance(11_000);
      expect(await codeOf(() => use(issuer, given[which], 'web'))).toBe('grant_invalid');
      expect(await codeOf(() => use(issuer, given[which], 'app'))).toBe('grant_reused');
      expect(await codeOf(() => use(issuer, given.present, 'app'))).toBe('grant_invalid');
      expect((await issuer.sessions.find(given.present.sid))?.endReason).toBe('refresh_token_reused');
    },
  );

  test('does not keep the retry grace: a response lost in its last seconds requires a login', async () => {
    const { issuer, given } = await upgraded();
    expect(await codeOf(() => use(issuer, given.lost))).toBe('grant_invalid');
    expect((await use(issuer, given.answer)).sid).toBe(given.answer.sid);
  });

  test('keeps its cut-offs and its log', async () => {
    const { issuer, given } = await upgraded();
    expect(issuer.log.snapshot()).toMatchObject({ head: 2 });
    expect((await issuer.revocations.list()).items.map(({ reason }) => reason)).toEqual(['roles_changed', 'logout']);
    // The columns beside the signed text are read from that text.
    expect((await issuer.revocations.list()).items.map(({ cutOffs }) => cutOffs)).toMatchObject([
      [{ claim: 'sub', value: 'bob', issuedUntil: 1_800_000_122_000, sessionUntil: NO_SESSION }],
      [{ claim: 'sid', value: given.ended.sid, issuedUntil: UNBOUNDED, sessionUntil: UNBOUNDED }],
    ]);
    const types = sqlOf(issuer).prepare('SELECT type FROM rescind_outbox ORDER BY seq').pluck().all();
    expect(types).toEqual(['session-revoked', 'token-claims-change']);
    await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
    expect(issuer.log.snapshot().head).toBe(3);
    expect(await codeOf(() => use(issuer, given.present, 'app'))).toBe('grant_invalid');
  });
});

describe('a file of version 5, in its second epoch', () => {
  const outboxOf = (setting: IssuerSetting) => rowsOf(setting, 'SELECT * FROM rescind_outbox ORDER BY seq');

  test('keeps its events in their order, once each, under the key (epoch, seq)', async () => {
    const { setting, given, open } = fileOfVersion(5);
    const before = outboxOf(setting);
    expect(before).toHaveLength(given.head);
    const issuer = await open();
    const kept = before.map((row) => {
      const { revocation: _, ...rest } = row as { revocation: string };
      return { epoch: given.epoch, ...rest, type: expect.stringMatching(/^[a-z-]+$/) };
    });
    expect(outboxOf(setting)).toEqual(kept);
    const key = "SELECT name FROM pragma_table_info('rescind_outbox') WHERE pk > 0 ORDER BY pk";
    expect(rowsOf(setting, key)).toEqual([{ name: 'epoch' }, { name: 'seq' }]);
    expect(issuer.log.snapshot()).toMatchObject({ epoch: given.epoch, head: given.head });
    expect(issuer.log.read(0, 10).map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    expect((await issuer.revocations.list()).items.map(({ reason }) => reason)).toEqual([
      ...['tenant_moved', 'key_compromised', 'logout', 'event_key_revoked'],
    ]);
  });

  test('continues with refresh tokens, the log, the next epoch and another start', async () => {
    const { given, open } = fileOfVersion(5);
    const issuer = await open();
    expect((await issuer.refresh({ refreshToken: given.refreshToken, clientId: 'web' })).sid).toBe(given.sid);
    await issuer.transaction((tx) => tx.endSession({ sid: given.again, reason: 'logout' }));
    expect(issuer.log.snapshot().head).toBe(given.head + 1);
    const [active] = (await issuer.keys.list()).filter(
      ({ purpose, state }) => purpose === 'event' && state === 'active',
    );
    await issuer.transaction((tx) => tx.keys.revoke({ kid: String(active?.kid), reason: 'key_compromised' }));
    const { epoch, head } = issuer.log.snapshot();
    expect(epoch > given.epoch).toBe(true);
    expect(issuer.log.read(0, 100).map(({ seq }) => seq)).toEqual(Array.from({ length: head }, (_, i) => i + 1));
    await issuer.close();
    expect((await open()).log.snapshot()).toMatchObject({ epoch, head });
  });

  test('is unchanged when its migration fails, and is migrated by the next start', async () => {
    const { setting, open, given } = fileOfVersion(5);
    const database = new Database(setting.databasePath);
    // The last statement of the migration fails.
    database.exec('DROP INDEX rescind_outbox_txn; CREATE TABLE rescind_outbox_txn (taken TEXT)');
    database.close();
    const before = [rowsOf(setting, SCHEMA), outboxOf(setting)];
    await expect(open()).rejects.toThrow('SQLITE_ERROR');
    expect([rowsOf(setting, SCHEMA), outboxOf(setting)]).toEqual(before);
    expect(rowsOf(setting, 'SELECT version FROM rescind_schema')).toEqual([{ version: 5 }]);
    const again = new Database(setting.databasePath);
    again.exec('DROP TABLE rescind_outbox_txn');
    again.close();
    expect((await open()).log.snapshot()).toMatchObject({ epoch: given.epoch, head: given.head });
  });
});

describe('a file of version 8', () => {
  test('keeps its sessions and its log, and has no events of users', async () => {
    const { setting, given, open } = fileOfVersion(8);
    const tables = ['sessions', 'outbox', 'revocations', 'spent', 'clients'].map(
      (name) => `SELECT * FROM rescind_${name}`,
    );
    const before = tables.map((sql) => rowsOf(setting, sql));
    const issuer = await open();
    expect(tables.map((sql) => rowsOf(setting, sql))).toEqual(before);
    expect(rowsOf(setting, 'SELECT version FROM rescind_schema')).toEqual([{ version: 9 }]);
    expect(sqlOf(issuer).pragma('integrity_check', { simple: true })).toBe('ok');
    expect(issuer.log.snapshot()).toMatchObject({ epoch: given.epoch, head: given.head });
    expect(await issuer.userEvents.list()).toEqual({ items: [], head: 0 });
  });

  test('records events of its sessions from then on, and keeps them after another start', async () => {
    const { given, open } = fileOfVersion(8);
    const issuer = await open();
    expect(await verdictOf(issuer, await issuer.refresh({ refreshToken: given.refreshToken, clientId: 'web' }))).toBe(
      'ok',
    );
    await issuer.transaction((tx) => tx.endSession({ sid: given.again, reason: 'logout' }));
    const ended = { seq: 1, type: 'session_ended', sub: 'ada', sid: given.again, reason: 'logout' };
    expect((await issuer.userEvents.list()).items).toMatchObject([ended]);
    await issuer.close();
    expect((await (await open()).userEvents.list({ sub: 'ada' })).items).toMatchObject([ended]);
  });

  test('is unchanged when its migration fails, and is migrated by the next start', async () => {
    const { setting, given, open } = fileOfVersion(8);
    const database = new Database(setting.databasePath);
    // The last statement of the migration fails.
    database.exec('CREATE TABLE rescind_user_events_wide (taken TEXT)');
    const before = rowsOf(setting, SCHEMA);
    await expect(open()).rejects.toThrow('SQLITE_ERROR');
    expect(rowsOf(setting, SCHEMA)).toEqual(before);
    expect(rowsOf(setting, 'SELECT version FROM rescind_schema')).toEqual([{ version: 8 }]);
    database.exec('DROP TABLE rescind_user_events_wide');
    database.close();
    expect((await open()).log.snapshot()).toMatchObject({ epoch: given.epoch, head: given.head });
  });
});
