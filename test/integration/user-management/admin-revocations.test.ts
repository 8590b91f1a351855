import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';

async function started(environment: Record<string, string> = {}) {
  const service = await openAdministered(environment);
  const revoke = (cutoffs: object[], more: object = {}) =>
    service.ada.post('/admin/revocations', { cutoffs, why: 'a test', confirm: 'everybody', ...more });
  const preview = async (cutoffs: object[]) => (await service.ada.post('/admin/revocations/preview', { cutoffs })).body;
  return { ...service, revoke, preview };
}

describe('POST /admin/revocations', () => {
  test('security 25: predicts the effect in a dry run for every scope that ends sessions', async () => {
    const { login, revoke, preview, ada, subOf } = await started();
    const sub = await subOf();
    const scopes: ((sid: string) => { cutoffs: object[]; sessions: number })[] = [
      (sid) => ({ cutoffs: [{ claim: 'sid', value: sid }], sessions: 1 }),
      () => ({ cutoffs: [{ claim: 'sub', value: sub }], sessions: 2 }),
      () => ({ cutoffs: [{ claim: 'client_id', value: 'web' }], sessions: 2 }),
      () => ({ cutoffs: [{ claim: 'iss' }], sessions: 2 }),
      () => ({ cutoffs: [{ claim: 'sub', value: sub, endsSession: false }], sessions: 0 }),
      () => ({ cutoffs: [{ claim: 'tenant', value: 'acme' }], sessions: 0 }),
    ];
    for (const scope of scopes) {
      await revoke([{ claim: 'iss' }], { confirm: 'everybody' });
      const { answer } = await login();
      await login();
      const { cutoffs, sessions } = scope(String(answer.sid));
      const foreseen = await preview(cutoffs);
      expect(foreseen, JSON.stringify(cutoffs)).toMatchObject({ sessions });
      expect((foreseen.sids as string[]).length).toBe(sessions);
      const dryRun = await ada.post('/admin/revocations?dryRun', { cutoffs, why: 'a look' });
      expect([dryRun.status, dryRun.body]).toEqual([200, foreseen]);
      const done = await revoke(cutoffs, { confirm: 'everybody' });
      expect([done.status, done.body.endedSessions]).toEqual([201, sessions]);
    }
  });

  test('cuts off by token, jti, session, user, client, key and any claim at once', async () => {
    const { login, revoke, accepts, refresh } = await started();
    type Tokens = Awaited<ReturnType<typeof login>>;
    const claims = ({ access }: Tokens) => decodeJwt(access);
    const cases: [string, (tokens: Tokens) => object, boolean][] = [
      ['token', ({ access }) => ({ token: access }), true],
      [
        'jti',
        (tokens) => ({ claim: 'jti', value: claims(tokens).jti, expiresAt: Number(claims(tokens).exp) * 1_000 }),
        true,
      ],
      ['sid', (tokens) => ({ claim: 'sid', value: claims(tokens).sid }), false],
      ['sub', (tokens) => ({ claim: 'sub', value: claims(tokens).sub }), false],
      ['sub, softly', (tokens) => ({ claim: 'sub', value: claims(tokens).sub, endsSession: false }), true],
      ['client_id', () => ({ claim: 'client_id', value: 'web' }), false],
      ['kid', ({ access }) => ({ claim: 'kid', value: decodeProtectedHeader(access).kid }), true],
      ['scope', () => ({ claim: 'scope', value: 'account' }), true],
      ['iss', () => ({ claim: 'iss' }), false],
    ];
    for (const [what, cutoff, goesOn] of cases) {
      const tokens = await login();
      expect(await accepts(tokens.access), what).toBe(400);
      const { status, text } = await revoke([cutoff(tokens)], { confirm: 'everybody', reason: 'a_test' });
      expect(status, text).toBe(201);
      expect(await accepts(tokens.access), what).toBe(401);
      expect((await refresh(tokens.refresh)).status, what).toBe(goesOn ? 200 : 400);
      const again = await login();
      expect(await accepts(again.access), `${what}: a new login works at once`).toBe(400);
    }
  });

  test('refuses each command that would affect more sessions than were confirmed, and counts in a dry run', async () => {
    const { login, accepts, ada } = await started();
    const { access } = await login();
    await login();
    const commands: [string, object?][] = [
      ['/admin/revocations', { cutoffs: [{ claim: 'iss' }] }],
      ['/admin/revocations', { cutoffs: [{ claim: 'iss', endsSession: false }] }],
      ['/admin/emergency'],
      ['/admin/clients/web/disable'],
      ['/admin/clients/web/remove'],
      [`/admin/keys/${decodeProtectedHeader(access).kid}/revoke`],
    ];
    for (const [path, body] of commands) {
      const refused = await ada.post(path, { ...body, why: 'a test', confirm: 1 });
      expect([path, refused.status, refused.body.code, refused.body.detail]).toEqual([
        ...[path, 409, 'confirmation_outgrown', '2 sessions by now'],
      ]);
    }
    expect(await accepts(access)).toBe(400);
    const dryRun = await ada.post('/admin/clients/web/disable?dryRun', { why: 'a look' });
    expect([dryRun.status, dryRun.body]).toMatchObject([200, { sessions: 2, administrators: 0 }]);
    expect((await ada.post('/admin/clients/nothing/remove?dryRun', { why: 'a look' })).status).toBe(404);
    expect((await ada.get('/admin/clients/web')).body.disabled).toBe(false);
    for (const confirm of [-1, 1.5, '2', 'all'])
      expect((await ada.post('/admin/emergency', { why: 'a test', confirm })).status, String(confirm)).toBe(400);
    expect((await ada.post('/admin/emergency', { why: 'a test', confirm: 2 })).status).toBe(201);
    expect(await accepts(access)).toBe(401);
  });

  test('ends no more sessions than were confirmed while users log in', async () => {
    const { login, ada } = await started({ LOGINS_PER_MINUTE: '100000' });
    const outcomes = new Set<number>();
    for (let confirm = 1; confirm <= 8; confirm += 1) {
      await ada.post('/admin/emergency', { why: 'a test', confirm: 'everybody' });
      const logins = Array.from({ length: 6 }, () => login());
      await logins[0];
      const done = await ada.post('/admin/emergency', { why: 'a test', confirm });
      outcomes.add(done.status);
      if (done.status === 201) expect(done.body.endedSessions).toBeLessThanOrEqual(confirm);
      else expect([done.status, done.body.code]).toEqual([409, 'confirmation_outgrown']);
      await Promise.all(logins);
    }
    expect(outcomes).toContain(201);
  });

  test('writes one event for many cut-offs of a call, and reports its state', async () => {
    const { login, revoke, ada } = await started();
    const sids = await Promise.all([1, 2, 3].map(async () => String((await login()).answer.sid)));
    const cutoffs = sids.map((value) => ({ claim: 'sid', value }));
    const { body } = await revoke([...cutoffs, { claim: 'tenant', value: 'acme' }], { reason: 'many' });
    const { status, body: state } = await ada.get(`/admin/revocations/${String(body.txn)}`);
    expect(status).toBe(200);
    const { endedSessions, ...place } = body;
    expect(endedSessions).toBe(3);
    expect(state).toMatchObject({ ...place, reason: 'many', published: true });
    expect((state.deny as object[]).length).toBe(4);
    const { items } = (await ada.get('/admin/revocations?limit=1')).body as { items: { txn: string }[] };
    expect(items.map(({ txn }) => txn)).toEqual([body.txn]);
    expect((await ada.get('/admin/revocations/nonsense')).status).toBe(404);
  });

  test('writes the reason text to the audit only, not to the event or the log', async () => {
    const { revoke, ada, lines } = await started();
    const { body } = await revoke([{ claim: 'tenant', value: 'acme' }], { why: 'told by Ms Lovelace, ticket 4711' });
    const state = await ada.get(`/admin/revocations/${String(body.txn)}`);
    expect(state.text + lines.join('')).not.toContain('Lovelace');
    expect((await ada.get('/admin/audit?operation=createRevocation')).text).toContain('Lovelace');
  });

  test('security 57: refuses impossible cut-offs and names them', async () => {
    const { revoke, ada } = await started();
    const { items } = (await ada.get('/admin/keys')).body as { items: { kid: string; purpose: string }[] };
    const eventKid = items.find(({ purpose }) => purpose === 'event')?.kid;
    const wrong: [object[], object?][] = [
      [[]],
      [[{ claim: 'iss' }], { confirm: undefined }],
      [[{ claim: 'jti', value: 'x' }]],
      [[{ claim: 'sid', value: 'x', endsSession: false }]],
      [[{ claim: 'tenant', value: 'x', endsSession: true }]],
      [[{ claim: 'tenant', value: '' }]],
      [[{ claim: 'tenant', value: 'x', issuer: 'https://other.example' }]],
      [[{ claim: 'kid', value: eventKid }]],
      [[{ token: 'a.b.c' }]],
      [[{ claim: 'sub', value: 'x' }], { reason: 'Not A Word' }],
      [[{ claim: 'sub', value: 'x' }], { why: '' }],
      [[{ claim: 'sub', value: 'x' }], { why: 'two\nlines' }],
      [[{ claim: 'sub', value: 'x' }], { more: true }],
      [Array(201).fill({ claim: 'sub', value: 'x' })],
    ];
    for (const [cutoffs, more] of wrong) {
      const { status, body } = await revoke(cutoffs, more);
      expect(status, JSON.stringify([cutoffs.slice(0, 2), more])).toBe(400);
      expect(['request_invalid', 'confirmation_missing']).toContain(body.code);
    }
    expect((await revoke([{ claim: 'sub', value: 'x' }])).status).toBe(201);
    const other = { issuer: 'https://other.example', expiresAt: Date.now() + 60_000 };
    expect((await revoke([{ claim: 'tenant', value: 'x', ...other }])).status).toBe(201);
  });
});

test('POST /admin/emergency ends all sessions, and a new login works at once', async () => {
  const { ada, login, accepts, refresh } = await started();
  const tokens = [await login(), await login()];
  expect((await ada.post('/admin/emergency', { why: 'no word that it is meant' })).status).toBe(400);
  const { status, body } = await ada.post('/admin/emergency', { confirm: 'everybody', why: 'a leak' });
  expect([status, body.endedSessions]).toEqual([201, 2]);
  for (const { access, refresh: token } of tokens) {
    expect(await accepts(access)).toBe(401);
    expect((await refresh(token)).status).toBe(400);
  }
  expect(await accepts((await login()).access)).toBe(400);
});

describe('POST /admin/explain', () => {
  test('names the rows that deny a token, with revocation and time', async () => {
    const { ada, login, revoke, subOf } = await started();
    const sub = await subOf();
    const { access } = await login();
    const explain = async (question: object) => (await ada.post('/admin/explain', question)).body;
    expect(await explain({ token: access })).toMatchObject({ error: null, revoked: false, entries: [] });
    const soft = await revoke([{ claim: 'sub', value: sub, endsSession: false }], { reason: 'roles_changed' });
    const hard = await revoke([{ claim: 'client_id', value: 'web' }], { reason: 'client_leaked' });
    const explained = await explain({ token: access });
    expect(explained).toMatchObject({
      revoked: true,
      claims: { sub },
      entries: [
        { claim: 'client_id', value: 'web', txn: hard.body.txn, reason: 'client_leaked', endsSession: true },
        { claim: 'sub', value: sub, txn: soft.body.txn, reason: 'roles_changed', endsSession: false },
      ],
    });
    for (const { since } of explained.entries as { since: number }[]) expect(since).toBeLessThanOrEqual(Date.now());
    expect(await explain({ claims: { sub } })).toMatchObject({ revoked: true, issuedAt: null });
    const later = Math.floor(Date.now() / 1_000) + 5;
    expect(await explain({ claims: { sub, iat: later } })).toMatchObject({ revoked: false });
  });

  test('returns the problem of a token that this issuer did not sign', async () => {
    const { ada, login } = await started();
    const { access } = await login();
    const flipped = `${access.slice(0, -5)}AAAAA`;
    const { status, body } = await ada.post('/admin/explain', { token: flipped });
    expect([status, body.error, body.revoked]).toEqual([200, { code: 'token_signature_wrong', detail: null }, null]);
    const { text } = await ada.post('/admin/explain', { token: 'x'.repeat(200) });
    expect(text).toContain('token_malformed');
    expect(text).not.toContain('xxxx');
  });
});
