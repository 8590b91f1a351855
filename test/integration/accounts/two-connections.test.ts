import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createAccountRows, createSealer, openAccounts } from '@rescind/accounts';
import { openIssuer } from '@rescind/issuer';
import type { HostSql } from '@rescind/issuer-sqlite';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { silentTelemetry } from '@rescind/revocation';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';

const SUB = 'a-pseudonym';
const NOW = 1_800_000_000_000;

/** The rows of accounts by two connections to one file, with one account in it. */
async function twoConnections() {
  const directory = temporaryDirectory();
  const path = join(directory, 'users.sqlite');
  const keysPath = join(directory, 'keys');
  const store = sqliteStore({ path });
  const shared = { keysPath, telemetry: silentTelemetry };
  const issuer = await openIssuer({ issuer: 'https://login.example', store, subject: () => undefined, ...shared });
  const scopes = { defaults: [], always: [] };
  const accounts = openAccounts({ issuer, sql: store.sql, scopes, totpIssuer: 'login.example', ...shared });
  await accounts[Symbol.asyncDispose]();
  await issuer.close();
  const sealer = createSealer(randomBytes(32));
  const connect = () => {
    const database = new Database(path);
    onTestFinished(() => void database.close());
    return createAccountRows(database as unknown as HostSql, sealer);
  };
  const [one, other] = [connect(), connect()];
  one.users.insert({ sub: SUB, username: 'ada', password: '$argon2id$', createdAt: NOW });
  return { one, other };
}

describe('a patch, while another connection writes between its read and its write', () => {
  test('does not end a suspension by the time of a login', async () => {
    const { one, other } = await twoConnections();
    expect(one.users.bySub(SUB)).toMatchObject({ state: 'active' });
    other.users.update(SUB, { state: 'suspended', stateReason: 'payment_overdue' });
    one.users.update(SUB, { lastLoginAt: NOW });
    const expected = { state: 'suspended', stateReason: 'payment_overdue', lastLoginAt: NOW };
    expect(other.users.bySub(SUB)).toMatchObject(expected);
  });

  const patches = [
    { state: 'banned' },
    { stateReason: 'fraud' },
    { resetReason: 'password_reset' },
    { scopes: ['prices:read'] },
    { claims: { tenant: 'acme' } },
    { lastLoginAt: NOW + 1 },
    { password: '$argon2id$other' },
  ] as const;

  test('leaves every other column unchanged', async () => {
    const { one, other } = await twoConnections();
    const pairs = patches.flatMap((mine) =>
      patches.filter((theirs) => theirs !== mine).map((theirs) => [mine, theirs]),
    );
    for (const [index, [mine = {}, theirs = {}]] of pairs.entries()) {
      const sub = `sub ${index}`;
      one.users.insert({ sub, username: `user${index}`, password: '$argon2id$', createdAt: NOW });
      const before = one.users.bySub(sub);
      other.users.update(sub, theirs);
      one.users.update(sub, mine);
      expect(other.users.bySub(sub)).toEqual({ ...before, ...theirs, ...mine });
    }
  });

  test('raises the credential version twice for two changes', async () => {
    const { one, other } = await twoConnections();
    const version = one.users.bySub(SUB)?.credentialVersion ?? 0;
    expect(other.users.update(SUB, {}, { newCredential: true })).toBe(version + 1);
    expect(one.users.update(SUB, { password: '$argon2id$2' }, { newCredential: true })).toBe(version + 2);
  });

  test('does not change the next credential version', async () => {
    const { one, other } = await twoConnections();
    const ifCredentialVersion = one.users.bySub(SUB)?.credentialVersion ?? 0;
    other.users.update(SUB, { password: '$argon2id$new' }, { newCredential: true });
    expect(one.users.update(SUB, { password: '$argon2id$old, rehashed' }, { ifCredentialVersion })).toBeUndefined();
    expect(other.users.bySub(SUB)).toMatchObject({ password: '$argon2id$new' });
  });

  test('does not restore a deleted account', async () => {
    const { one, other } = await twoConnections();
    expect(one.users.bySub(SUB)).toBeDefined();
    other.users.markDeleted(SUB, null);
    expect(one.users.update(SUB, { state: 'active', lastLoginAt: NOW })).toBeUndefined();
    expect(other.users.bySub(SUB)).toMatchObject({ state: 'deleted', username: '', lastLoginAt: null });
  });
});

describe('of two connections that read the same one-time value', () => {
  test.each(['password_reset', 'not_me'] as const)('one takes a link (%s)', async (purpose) => {
    const { one, other } = await twoConnections();
    const token = one.oneTimeTokens.issue({ sub: SUB, purpose, at: NOW, expiresAt: NOW + 1_000 });
    for (const { oneTimeTokens: links } of [one, other])
      expect(links.find(token, purpose, NOW)).toMatchObject({ sub: SUB });
    expect(other.oneTimeTokens.consume(token, purpose, NOW)).toMatchObject({ sub: SUB });
    expect(one.oneTimeTokens.consume(token, purpose, NOW)).toBeUndefined();
  });

  test('neither accepts an expired link, or one for another purpose', async () => {
    const { one, other } = await twoConnections();
    const token = one.oneTimeTokens.issue({ sub: SUB, purpose: 'not_me', at: NOW, expiresAt: NOW + 1_000 });
    expect(other.oneTimeTokens.consume(token, 'not_me', NOW + 1_000)).toBeUndefined();
    expect(other.oneTimeTokens.consume(token, 'password_reset', NOW)).toBeUndefined();
    expect(one.oneTimeTokens.consume(token, 'not_me', NOW + 999)).toMatchObject({ sub: SUB });
  });

  test('one uses the step of a one-time code, which uses up every earlier step', async () => {
    const { one, other } = await enrolled();
    const [mine, theirs] = [one.factors.find(SUB), other.factors.find(SUB)];
    if (mine === undefined || theirs === undefined) throw new Error('no factor');
    expect(other.factors.use(SUB, theirs, 101)).toBe(true);
    expect(one.factors.use(SUB, mine, 101)).toBe(false);
    expect(one.factors.use(SUB, mine, 100)).toBe(false);
    expect(one.factors.use(SUB, mine, 102)).toBe(true);
  });

  test('a code of a replaced factor consumes no step of the new one', async () => {
    const { one, other } = await enrolled();
    const former = one.factors.find(SUB);
    if (former === undefined) throw new Error('no factor');
    expect(other.factors.remove(SUB)).toBe(true);
    expect(other.factors.enrol(SUB, randomBytes(20))).toBe(true);
    expect(one.factors.use(SUB, former, 200)).toBe(false);
    expect(one.factors.confirm(SUB, former, NOW, 200)).toBe(false);
    expect(other.factors.find(SUB)).toMatchObject({ confirmedAt: null, lastStep: 0 });
  });

  test('one confirms an enrolment, and one removes it', async () => {
    const { one, other } = await twoConnections();
    one.factors.enrol(SUB, randomBytes(20));
    const [mine, theirs] = [one.factors.find(SUB), other.factors.find(SUB)];
    if (mine === undefined || theirs === undefined) throw new Error('no factor');
    expect(other.factors.confirm(SUB, theirs, NOW, 100)).toBe(true);
    expect(one.factors.confirm(SUB, mine, NOW, 100)).toBe(false);
    expect(one.factors.enrol(SUB, randomBytes(20))).toBe(false);
    expect(one.factors.remove(SUB)).toBe(true);
    expect(other.factors.remove(SUB)).toBe(false);
  });

  test('one uses a recovery code, which is then recorded as used', async () => {
    const { one, other } = await enrolled();
    const [code, unknown] = [randomBytes(32), randomBytes(32)];
    one.factors.setRecoveryCodes(SUB, [code]);
    expect(other.factors.useRecoveryCode(SUB, code, NOW)).toBe(true);
    expect(one.factors.useRecoveryCode(SUB, code, NOW)).toBe(false);
    expect(one.factors.isUsedRecoveryCode(SUB, code)).toBe(true);
    expect(one.factors.isUsedRecoveryCode(SUB, unknown)).toBe(false);
  });

  test('one adds an unknown device', async () => {
    const { one, other } = await twoConnections();
    const device = { deviceId: 'a-laptop-of-ada-0001' };
    for (const { devices } of [one, other]) expect(devices.find(SUB, device)).toBeUndefined();
    expect(other.devices.add(SUB, device, NOW)).toBe(true);
    expect(one.devices.add(SUB, device, NOW + 1)).toBe(false);
  });

  test('one registers a name, or one that resembles it', async () => {
    const { one, other } = await twoConnections();
    for (const { users } of [one, other]) expect(users.isTaken('scope')).toBe(false);
    other.users.insert({ sub: 'first', username: 'scope', password: '$argon2id$', createdAt: NOW });
    const lookAlike = { sub: 'second', username: 'ѕсоре', password: '$argon2id$', createdAt: NOW };
    expect(() => one.users.insert(lookAlike)).toThrow(expect.objectContaining({ code: 'username_taken' }));
    expect(one.users.bySub('second')).toBeUndefined();
  });

  async function enrolled() {
    const connections = await twoConnections();
    const { factors } = connections.one;
    factors.enrol(SUB, randomBytes(20));
    const factor = factors.find(SUB);
    if (factor === undefined || !factors.confirm(SUB, factor, NOW, 99)) throw new Error('the factor is not confirmed');
    return connections;
  }
});
