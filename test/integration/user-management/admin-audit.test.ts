import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { basic, createAdministrator, openAdministered, secretOf } from '../../support/administration.ts';

interface Entry {
  readonly seq: number;
  readonly who: string;
  readonly operation: string;
  readonly result: string;
  readonly targets: readonly string[];
  readonly details: Readonly<Record<string, unknown>>;
}

async function started() {
  const service = await openAdministered();
  const { ada, directory } = service;
  const audit = async (query = '') => ((await ada.get(`/admin/audit${query}`)).body.items ?? []) as Entry[];
  const revoke = (value: string) =>
    ada.post('/admin/revocations', {
      ...{ cutoffs: [{ claim: 'tenant', value }], reason: 'left' },
      ...{ why: 'contract ended', confirm: 'everybody' },
    });
  /** Changes by a process with access to the file. */
  const tamper = (sql: string) => {
    const database = new Database(join(directory, 'user-management.sqlite'));
    try {
      database.exec(sql);
    } finally {
      database.close();
    }
  };
  const verify = async () => (await ada.get('/admin/audit/verification')).body;
  return { ...service, audit, revoke, tamper, verify };
}

describe('the audit', () => {
  test('lists actor, operation, target, reason, time and outcome, the latest first', async () => {
    const { audit, revoke, ada, as } = await started();
    const from = Date.now();
    const { body, headers } = await revoke('acme');
    await ada.post('/admin/revocations', { cutoffs: [{ claim: 'iss' }], why: 'not confirmed' });
    await as('reader').post('/admin/emergency', { confirm: 'everybody', why: 'may I' });
    const [forbidden, refused, done] = await audit();
    expect(done).toMatchObject({
      who: 'operator:ada',
      operation: 'createRevocation',
      targets: ['tenant:acme'],
      reason: 'left',
      why: 'contract ended',
      result: 'done',
      requestId: headers.get('x-request-id'),
      details: { txn: body.txn, endedSessions: 0 },
      at: expect.any(Number),
    });
    expect(Number((done as unknown as { at: number }).at)).toBeGreaterThanOrEqual(from);
    expect(refused).toMatchObject({ result: 'confirmation_missing', targets: ['everybody'], why: 'not confirmed' });
    expect(forbidden).toMatchObject({ who: 'operator:reader', operation: 'emergency', result: 'scope_insufficient' });
    expect((await audit('?who=operator:reader')).map(({ seq }) => seq)).toEqual([forbidden?.seq]);
    expect((await audit('?target=tenant:acme')).map(({ seq }) => seq)).toEqual([done?.seq]);
    expect(await audit(`?until=${from - 1_000}`)).toEqual([]);
    const first = await ada.get('/admin/audit?limit=2');
    const next = await audit(`?limit=2&after=${String(first.body.next)}`);
    expect(next[0]?.seq).toBe(done?.seq);
    expect((await ada.get('/admin/audit?limit=0')).status).toBe(400);
  });

  test('names the client application of an administrator with a token, executed or refused', async () => {
    const { audit, ada, adminUrl, adminAudience, subOf, login, asBearer } = await started();
    const scopes = ['admin:revocations'];
    await ada.put(`/admin/users/${await subOf()}/scopes`, { scopes, why: 'joins support' });
    const { access } = await login({ resource: adminAudience });
    const user = createAdministrator(adminUrl, asBearer(access));
    const done = await user.post('/admin/revocations', {
      cutoffs: [{ claim: 'sid', value: 's-1' }],
      reason: 'device_lost',
      why: 'a call',
    });
    await user.post('/admin/keys/rotate', { purpose: 'token', why: 'may I' });
    const [refused, executed, byOperator] = await audit();
    expect(executed).toMatchObject({ result: 'done', details: { via: 'web', txn: done.body.txn } });
    expect(refused).toMatchObject({ operation: 'rotateKey', result: 'scope_insufficient', details: { via: 'web' } });
    expect(byOperator).toMatchObject({ who: 'operator:ada' });
    expect(byOperator?.details).not.toHaveProperty('via');
  });

  test('is written if and only if the command succeeds', async () => {
    const { audit, ada } = await started();
    const before = (await audit()).length;
    const half = { kty: 'RSA', kid: 'k', alg: 'RS256' };
    expect((await ada.post('/admin/sessions/nobody/end', { why: 'gone' })).status).toBe(404);
    expect(
      (
        await ada.put('/admin/clients/x', {
          name: 'X',
          authMethod: 'private_key_jwt',
          jwks: { keys: [half] },
          why: 'no modulus',
        })
      ).status,
    ).toBe(400);
    expect((await ada.get('/admin/clients/x')).status).toBe(404);
    const entries = await audit();
    expect(entries.slice(0, entries.length - before).map(({ result }) => result)).toEqual([
      'request_invalid',
      'not_found',
    ]);
  });

  test('prevents a command whose entry cannot be written', async () => {
    const { ada, revoke, tamper, subOf, login, accepts } = await started();
    const sub = await subOf();
    const { access } = await login();
    tamper(`CREATE TRIGGER no_more BEFORE INSERT ON admin_audit BEGIN SELECT RAISE(ABORT, 'no more'); END`);
    expect((await ada.post(`/admin/users/${sub}/suspend`, { why: 'x' })).status).toBe(500);
    expect((await ada.post('/admin/keys/rotate', { purpose: 'token', why: 'x' })).status).toBe(500);
    expect((await revoke('acme')).status).toBe(500);
    expect((await ada.get('/admin/revocations')).body.items).toEqual([]);
    expect((await ada.get(`/admin/users/${sub}`)).body.state).toBe('active');
    const { items } = (await ada.get('/admin/keys')).body as { items: { state: string }[] };
    expect(items.filter(({ state }) => state === 'next')).toEqual([]);
    expect(await accepts(access)).toBe(400);
    tamper('DROP TRIGGER no_more');
    expect((await ada.post(`/admin/users/${sub}/suspend`, { why: 'x' })).status).toBe(200);
    expect(await accepts(access)).toBe(401);
  });

  test('cannot be changed, removed or replaced in SQLite', async () => {
    const { revoke, tamper, verify } = await started();
    await revoke('acme');
    for (const sql of [
      `UPDATE admin_audit SET who = 'operator:eve'`,
      'DELETE FROM admin_audit',
      `INSERT OR REPLACE INTO admin_audit SELECT seq, at, 'operator:eve', operation, targets, reason, why, result, request_id, details, hash FROM admin_audit`,
    ]) {
      expect(() => tamper(sql), sql).toThrow('append-only');
    }
    expect(await verify()).toMatchObject({ intact: true, broken: null });
  });

  test.each([
    ['altered', `UPDATE admin_audit SET who = 'operator:eve' WHERE seq = 2`, { seq: 2, why: 'altered' }],
    ['removed in the middle', 'DELETE FROM admin_audit WHERE seq = 2', { seq: 2, why: 'missing' }],
    ['cut off the end', 'DELETE FROM admin_audit WHERE seq = 3', { seq: 3, why: 'missing' }],
    ['cut off the beginning', 'DELETE FROM admin_audit WHERE seq = 1', { seq: 1, why: 'missing' }],
  ])('detects an entry that was %s in spite of the triggers', async (_what, sql, broken) => {
    const { revoke, tamper, verify, lines } = await started();
    for (const value of ['a', 'b', 'c']) await revoke(value);
    const { hash } = await verify();
    expect(lines.filter((line) => line.includes('admin_act')).at(-1)).toContain(String(hash));
    tamper(`DROP TRIGGER admin_audit_keeps_rows; DROP TRIGGER admin_audit_keeps_content; ${sql}`);
    expect(await verify()).toMatchObject({ intact: false, broken });
    await revoke('d');
    expect(await verify()).toMatchObject({ intact: false, broken });
  });

  test('bounds refusals, and those of unauthenticated clients displace no other entry', async () => {
    const { audit, adminUrl, as } = await started();
    const before = (await audit()).length;
    const stranger = createAdministrator(adminUrl, basic('ada', 'wrong'));
    for (let attempt = 0; attempt < 30; attempt++) await stranger.get('/admin/audit');
    for (let attempt = 0; attempt < 30; attempt++) await as('reader').get('/admin/users');
    const entries = await audit('?limit=200');
    const refused = entries.slice(0, entries.length - before);
    expect(refused.filter(({ who }) => who === 'unknown').length).toBe(5);
    expect(refused.filter(({ who }) => who === 'operator:reader').length).toBe(10);
    expect((await as('reader').get('/admin/audit')).status).toBe(200);
  });

  test('security 65, 66: has no secret and no name, and neither has the log', async () => {
    const { ada, audit, subOf, lines, login } = await started();
    const sub = await subOf();
    const { access } = await login();
    const { body } = await ada.post(`/admin/users/${sub}/reset-password`, { why: 'asked by phone' });
    await ada.put('/admin/clients/app', { name: 'App', authMethod: 'client_secret_basic', why: 'new' });
    const secret = String((await ada.post('/admin/clients/app/secrets', { why: 'first' })).body.secret);
    await ada.post('/admin/revocations', { cutoffs: [{ token: access }], why: 'leaked' });
    const text = JSON.stringify(await audit('?limit=200')) + lines.join('');
    for (const hidden of [String(body.resetToken), secret, secretOf('ada'), access, 'correct horse']) {
      expect(hidden.length).toBeGreaterThan(10);
      expect(text.includes(hidden)).toBe(false);
    }
    expect(text).not.toMatch(/\bada\b(?!")/);
  });
});
