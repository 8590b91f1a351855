import type { Issuer } from '@rescind/issuer';
import type { Telemetry } from '@rescind/revocation';
import { createManualClock } from '@rescind/revocation';
import { describe, expect, test } from 'vitest';
import { codeOf, createIssuerSetting, eventsOf, fileOf, login, refresh } from './issuer-setting.ts';

const START = Date.parse('2026-06-01T12:00:00Z');
const HOUR_MS = 3_600_000;

/** An issuer whose wall clock was an hour ahead and has been corrected, with sessions from before and from meanwhile. */
async function leading(telemetry?: Telemetry) {
  const setting = createIssuerSetting();
  setting.users.put('bob');
  const before = await setting.open({ clock: createManualClock(START) });
  const logins = { ada: await login(before), phone: await login(before), bob: await login(before, 'bob') };
  const over = await login(before);
  // The session is past its idle deadline, and its token has not expired.
  fileOf(before).prepare('UPDATE rescind_sessions SET idle_expires_at = ? WHERE sid = ?').run(START, over.sid);
  await before.close();
  const ahead = await setting.open({ clock: createManualClock(START + HOUR_MS) });
  await login(ahead, 'bob');
  await ahead.close();
  const issuer = await setting.open({ clock: createManualClock(START + 5_000), ...(telemetry && { telemetry }) });
  return { issuer, setting, logins: { ...logins, over } };
}

const denied = (issuer: Issuer) => eventsOf(issuer).flatMap(({ cutOffs }) => cutOffs);
const boundOf = (until: number) => (until === Number.MAX_SAFE_INTEGER ? 'all' : 'T');
const said = (issuer: Issuer) =>
  denied(issuer).map(({ claim, value, issuedUntil }) => `${claim} ${value} ${boundOf(issuedUntil)}`);

describe('while the clock leads', () => {
  test('cuts a user off by each session, also by an ended one whose token may live', async () => {
    const { issuer, logins } = await leading();
    const { endedSessions } = await issuer.transaction((tx) =>
      tx.revoke({ claim: 'sub', value: 'ada', reason: 'fraud' }),
    );
    const { ada, phone, over } = logins;
    expect(said(issuer).sort()).toEqual([ada, phone, over].map(({ sid }) => `sid ${sid} all`).sort());
    expect(endedSessions).toBe(3);
    for (const session of [ada, phone]) expect(await codeOf(() => refresh(issuer, session))).toBe('grant_invalid');
  });

  test('previews the number of sessions that the revocation then ends', async () => {
    const { issuer } = await leading();
    const cutoff = { claim: 'sub', value: 'ada', reason: 'fraud' };
    const { sessions, affectedSessions } = await issuer.preview(cutoff);
    const { endedSessions } = await issuer.transaction((tx) => tx.revoke(cutoff));
    expect([sessions, affectedSessions, endedSessions]).toEqual([3, 3, 3]);
  });

  test('cuts a user off softly by each session with T, and ends none', async () => {
    const { issuer, logins } = await leading();
    await issuer.transaction((tx) => tx.subjectChanged({ sub: 'bob', kind: 'soft', reason: 'roles_changed' }));
    expect(said(issuer)).toHaveLength(2);
    expect(said(issuer)).toContain(`sid ${logins.bob.sid} T`);
    expect((await issuer.sessions.find(logins.bob.sid))?.endedAt).toBeNull();
  });

  test('cuts off all tokens of the issuer by key', async () => {
    const { issuer } = await leading();
    const kid = issuer.jwks().keys[0]?.kid;
    await issuer.transaction((tx) => tx.revoke({ claim: 'iss', value: 'https://login.example', reason: 'emergency' }));
    expect(said(issuer)).toEqual([`kid ${kid} all`]);
    expect(issuer.jwks().keys.map((key) => key.kid)).not.toContain(kid);
  });

  test('cuts a client with too many sessions off by key, and ends its sessions', async () => {
    const { issuer, logins } = await leading();
    const kid = issuer.jwks().keys[0]?.kid;
    const copies = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
      INSERT INTO rescind_sessions (sid, sub, client_id, audience, amr, credential_version, auth_time, absolute_expires_at,
        greatest_exp, created_at, last_used_at, idle_expires_at)
      SELECT 'copy-' || i, 'eve', 'web', 'null', '[]', 1, ${START}, ${START + HOUR_MS}, ${START}, ${START}, ${START}, ${START + HOUR_MS} FROM n`;
    fileOf(issuer).exec(copies);
    await issuer.transaction((tx) => tx.revoke({ claim: 'client_id', value: 'web', reason: 'client_compromised' }));
    expect(said(issuer)).toEqual([`kid ${kid} all`]);
    expect((await issuer.sessions.find(logins.bob.sid))?.endReason).toBe('client_compromised');
  });

  test('denies no later login when it cuts off a user without a session', async () => {
    const { issuer } = await leading();
    await issuer.transaction((tx) => tx.revoke({ claim: 'sub', value: 'nobody', reason: 'fraud' }));
    expect(denied(issuer)).toMatchObject([{ claim: 'sid' }]);
  });

  test('cuts any other claim off by T, and logs until when it denies', async () => {
    const lines: unknown[] = [];
    const telemetry: Telemetry = {
      count: () => undefined,
      gauge: () => undefined,
      observe: () => undefined,
      log: (level, event, fields) => void lines.push([level, event, fields]),
    };
    const { issuer } = await leading(telemetry);
    await issuer.transaction((tx) => tx.revoke({ claim: 'tenant', value: 't1', reason: 'closed' }));
    expect(said(issuer)).toEqual(['tenant t1 T']);
    const until = expect.stringMatching(/^2026-06-01T13:00:0/);
    const line = ['warn', 'cutoff_ahead', { iss: 'https://login.example', claim: 'tenant', until }];
    expect(lines).toContainEqual(line);
  });

  test('treats a token as live by the wall clock at a logout and at RFC 7009', async () => {
    const { issuer, logins } = await leading();
    const revoked = await issuer.transaction((tx) =>
      tx.revokeToken({ token: logins.ada.access_token, clientId: 'web' }),
    );
    expect(revoked).toMatchObject({ seq: 1 });
    expect(await issuer.transaction((tx) => tx.endSession({ sid: logins.over.sid, reason: 'logout' }))).toMatchObject({
      seq: 2,
    });
  });
});
