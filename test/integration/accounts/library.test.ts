import { join } from 'node:path';
import type { Accounts, AccountsOptions, AccountView } from '@rescind/accounts';
import { openAccounts } from '@rescind/accounts';
import { openIssuer } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { silentTelemetry } from '@rescind/revocation';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';

const ADA_PROOF = { password: 'correct horse battery' };
const ADA = { username: 'ada', password: 'correct horse battery' };

/** Accounts over an issuer, with no service around them. */
async function open(directory = temporaryDirectory(), more: object = {}) {
  const databasePath = join(directory, 'users.sqlite');
  const keysPath = join(directory, 'keys');
  const subject = (_from: unknown, sub: string) => accounts.subject(sub);
  const telemetry = silentTelemetry;
  const store = sqliteStore({ path: databasePath });
  const resources = () => [{ audience: 'prices' }];
  const issuer = await openIssuer({ issuer: 'https://login.example', store, keysPath, subject, resources, telemetry });
  onTestFinished(() => issuer.close());
  const scopes = { defaults: ['prices:read'], always: ['account'] };
  const own = { issuer, sql: store.sql, keysPath, scopes, totpIssuer: 'login.example', telemetry };
  const options: AccountsOptions = { ...own, ...more };
  const accounts: Accounts = openAccounts(options);
  onTestFinished(() => accounts[Symbol.asyncDispose]());
  return { accounts, issuer, databasePath };
}

describe('accounts as a library', () => {
  test('register, log in and suspend within the transaction of the issuer', async () => {
    const { accounts, issuer } = await open();
    const { sub } = await accounts.own.register(ADA.username, ADA.password);
    const tokens = await accounts.own.login(ADA.username, ADA_PROOF, { clientId: 'web' });
    expect(tokens).toMatchObject({ sub, scope: expect.stringContaining('prices:read') });
    const { account, revocation } = await accounts.administration.suspend({ sub, reason: 'payment_overdue' });
    expect(account).toMatchObject({ state: 'suspended', stateReason: 'payment_overdue' });
    expect(revocation).toMatchObject({ seq: 1 });
    await expect(issuer.verify(tokens.access_token)).rejects.toThrow(
      expect.objectContaining({ code: 'token_revoked' }),
    );
    await expect(accounts.own.login(ADA.username, ADA_PROOF, { clientId: 'web' })).rejects.toMatchObject({
      code: 'subject_inactive',
      reason: 'payment_overdue',
    });
  });

  test('change nothing when work within the transaction throws', async () => {
    const { accounts, issuer } = await open();
    const { sub } = await accounts.own.register(ADA.username, ADA.password);
    const withinTransaction = () => {
      throw new Error('the audit cannot be written');
    };
    await expect(accounts.administration.ban({ sub, withinTransaction })).rejects.toThrow('the audit');
    expect(accounts.administration.find(sub)).toMatchObject({ state: 'active' });
    expect(issuer.log.snapshot().head).toBe(0);
  });

  test('check permissions in the transaction, by what earlier ones have changed', async () => {
    const { accounts, issuer } = await open();
    const { sub } = await accounts.own.register(ADA.username, ADA.password);
    const requireAllowed = ({ scopes }: AccountView) => {
      if (scopes?.includes('admin:users:write')) throw new Error('nobody of fewer scopes may');
    };
    const greater = accounts.administration.setScopes({ sub, scopes: ['admin:users:write'] });
    const refused = accounts.administration.ban({ sub, requireAllowed });
    const allowed = accounts.administration.setScopes({ sub, scopes: null });
    await expect(refused).rejects.toThrow('nobody of fewer scopes may');
    await Promise.all([greater, allowed]);
    expect(accounts.administration.find(sub)).toMatchObject({ state: 'active', scopes: null });
    await accounts.administration.ban({ sub, requireAllowed: async (account) => requireAllowed(account) });
    expect(accounts.administration.find(sub)).toMatchObject({ state: 'banned' });
    expect(issuer.log.snapshot().head).toBe(3);
  });

  test('return no password hash in a view', async () => {
    const { accounts } = await open();
    const registered = await accounts.own.register(ADA.username, ADA.password);
    const views = [registered, accounts.own.view(registered.sub), accounts.administration.find(registered.sub)];
    expect(JSON.stringify(views)).not.toContain('argon2id');
  });

  test.each([
    ['an unknown option', { resetTTLMs: 1 }, /resetTTLMs is not an option of openAccounts; the nearest is resetTtlMs/],
    ['a webhook without TLS', { webhook: webhook('http://notices.example/') }, /webhook\.url must be https/],
    [
      'a webhook with an unknown option',
      { webhook: { ...webhook(), retries: 1 } },
      /webhook\.retries is not an option/,
    ],
    ['no time for a reset', { resetTtlMs: 0 }, /resetTtlMs must be/],
    ['scopes that are no list', { scopes: { defaults: 'prices:read', always: [] } }, /scopes\.defaults must be a list/],
    ['no issuer', { issuer: {} }, /issuer must be an issuer/],
  ])('%s is a TypeError', async (_what, more, message) => {
    await expect(open(temporaryDirectory(), more)).rejects.toThrow(message);
  });

  test('throw a TypeError for a misspelt name and a value of a wrong type in each call', async () => {
    const { accounts } = await open();
    const { own, secondFactors, administration } = accounts;
    const holder = { sub: 'a', sid: 'b', audience: [] };
    const wrong: readonly [string, (given: never) => Promise<unknown>, object][] = [
      ['passwort', (given) => own.login('ada', given, { clientId: 'web' }), { passwort: 'a' }],
      ['deviceid', (given) => own.login('ada', ADA_PROOF, given), { clientId: 'web', deviceid: 'a' }],
      ['audiences', (given) => own.reauthenticate(given, ADA_PROOF), { ...holder, audiences: [] }],
      ['code', (given) => secondFactors.confirm(holder, given), { password: 'a', totp: '123456', code: '1' }],
      ['along', (given) => administration.suspend(given), { sub: 'a', along: () => undefined }],
      ['ttl', (given) => administration.resetPassword(given), { sub: 'a', ttl: 1 }],
      ['role', (given) => administration.setRoles(given), { sub: 'a', roles: [], role: 'a' }],
      ['scope', (given) => administration.setScopes(given), { sub: 'a', scopes: null, scope: 'a' }],
      ['claim', (given) => administration.setClaims(given), { sub: 'a', claims: {}, claim: 'a' }],
      ['reason', (given) => administration.reinstate(given), { sub: 'a', reason: 'a' }],
    ];
    for (const [name, call, given] of wrong) {
      await expect(call(given as never), name).rejects.toThrow(new RegExp(`^${name} is not an option`));
    }
    await expect(administration.setScopes({ sub: 'a', scopes: 'admin:users' as never })).rejects.toThrow(TypeError);
    await expect(administration.setClaims({ sub: 'a', claims: { a: {} as never } })).rejects.toThrow(TypeError);
    expect(() => administration.list({ limit: 0 })).toThrow(TypeError);
  });

  test('refuse tables of a newer version', async () => {
    const directory = temporaryDirectory();
    const { accounts, issuer, databasePath } = await open(directory);
    await accounts[Symbol.asyncDispose]();
    await issuer.close();
    const database = new Database(databasePath);
    database.exec('UPDATE account_schema SET version = version + 1');
    database.close();
    await expect(open(directory)).rejects.toThrow(expect.objectContaining({ code: 'database_newer' }));
  });
});

function webhook(url = 'https://notices.example/') {
  return { url, secret: () => Buffer.alloc(32), attempts: 1, retryMs: 1 };
}
