import type { CutOffRequest, Issuer, IssuerTransaction } from '@rescind/issuer';
import { createManualClock } from '@rescind/revocation';
import { describe, expect, test } from 'vitest';
import { codeOf, createIssuerSetting, ISSUER, login, loginAndLogout, sqlOf, Topic } from './issuer-setting.ts';

const START = 1_800_000_000_000;

type SubjectChange = Parameters<IssuerTransaction['subjectChanged']>[0];
type EndAllSessions = Parameters<IssuerTransaction['endAllSessions']>[0];
type Act = CutOffRequest | CutOffRequest[] | EndAllSessions | SubjectChange;

/** Three users on two clients; one session is over already, one has timed out, and so have its tokens. */
async function scene() {
  const clock = createManualClock(START);
  const setting = createIssuerSetting();
  for (const sub of ['bob', 'eve']) setting.users.put(sub);
  const issuer = await setting.open({ clock, refreshIdleTtlMs: 60_000 });
  await login(issuer, 'ada');
  clock.advance(17 * 60_000);
  const [kept, one, gone] = [await login(issuer), await login(issuer), await login(issuer)];
  for (const [sub, clientId] of [
    ['bob', 'web'],
    ['bob', 'app'],
    ['eve', 'app'],
  ] as const)
    await login(issuer, sub, { clientId });
  await issuer.transaction((tx) => tx.endSession({ sid: gone.sid, reason: 'logout' }));
  return { issuer, kept, one, gone };
}

const act = (issuer: Issuer, what: Act) => {
  if (Array.isArray(what) || 'claim' in what) return issuer.transaction((tx) => tx.revoke(what));
  return 'kind' in what
    ? issuer.transaction((tx) => tx.subjectChanged(what))
    : issuer.transaction((tx) => tx.endAllSessions(what));
};

/** The whole database, as text. */
const dump = (issuer: Issuer) => {
  const tables = sqlOf(issuer).prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all();
  return JSON.stringify(
    tables.map((table) =>
      sqlOf(issuer)
        .prepare(`SELECT * FROM ${String(table)}`)
        .all(),
    ),
  );
};

describe('a dry run', () => {
  const reason = 'because';
  const acts: [
    string,
    (sids: { kept: string; one: string; gone: string }) => Act,
    sessions: number,
    subjects: number,
  ][] = [
    ['one session', ({ one }) => ({ claim: 'sid', value: one, reason }), 1, 1],
    ['one that has ended', ({ gone }) => ({ claim: 'sid', value: gone, reason }), 0, 0],
    ['one user', () => ({ claim: 'sub', value: 'bob', reason }), 2, 1],
    ['one user, softly', () => ({ claim: 'sub', value: 'bob', reason, endsSession: false }), 0, 0],
    ['one application', () => ({ claim: 'client_id', value: 'app', reason }), 2, 2],
    ['everybody', () => ({ claim: 'iss', value: ISSUER, reason }), 5, 3],
    ['a tenant', () => ({ claim: 'tenant', value: 'north', reason }), 0, 0],
    [
      'some that overlap',
      ({ one }) => [
        { claim: 'sid', value: one, reason },
        { claim: 'sub', value: 'ada', reason },
        { claim: 'client_id', value: 'app', reason },
      ],
      4,
      3,
    ],
    ['everybody of a user', () => ({ sub: 'ada', reason }), 2, 1],
    ['all but one', ({ kept }) => ({ sub: 'ada', exceptSid: kept, reason }), 1, 1],
    ['a change, hard', ({ kept }) => ({ sub: 'ada', kind: 'hard', exceptSid: kept, reason }), 1, 1],
    ['a change, soft', () => ({ sub: 'ada', kind: 'soft', reason }), 0, 0],
  ];

  test.each(acts)('predicts the effect of %s, and writes nothing', async (_, of, sessions, subjects) => {
    const { issuer, kept, one, gone } = await scene();
    const what = of({ kept: kept.sid, one: one.sid, gone: gone.sid });
    const before = dump(issuer);
    const preview = await issuer.preview(what);
    expect(dump(issuer)).toBe(before);
    expect(preview).toMatchObject({ sessions, subjects });
    for (const sid of preview.sids) expect((await issuer.sessions.find(sid))?.endedAt).toBeNull();
    expect(preview.sids).toHaveLength(sessions);
    const revoked = await act(issuer, what);
    expect(revoked?.endedSessions).toBe(preview.sessions);
    for (const sid of preview.sids) expect((await issuer.sessions.find(sid))?.endReason).toBe('because');
    if (revoked !== undefined)
      expect((await issuer.revocations.find(revoked.txn))?.expiresAt).toBe(preview.tokensUntil);
  });

  test('names the first hundred', async () => {
    const issuer = await createIssuerSetting().open();
    for (let at = 0; at < 120; at += 1) await login(issuer);
    const preview = await issuer.preview({ sub: 'ada', reason });
    expect(preview).toMatchObject({ sessions: 120, subjects: 1 });
    expect(new Set(preview.sids).size).toBe(100);
  });

  test('returns zero without a match, and refuses invalid input', async () => {
    const { issuer, kept } = await scene();
    expect(
      await issuer.preview({
        sub: 'eve',
        exceptSid: (await issuer.preview({ sub: 'eve', reason })).sids[0] ?? '',
        reason,
      }),
    ).toEqual({
      ...{ sessions: 0, sids: [], subjects: 0, affectedSessions: 0, affectedSubjects: 0, tokensUntil: 0 },
    });
    await expect(issuer.preview({ claim: 'sid', value: kept.sid, reason, endsSession: false })).rejects.toThrow(
      TypeError,
    );
    const [key] = issuer.jwks().keys;
    const before = issuer.jwks();
    expect(await issuer.preview({ claim: 'kid', value: String(key?.kid), reason })).toMatchObject({
      tokensUntil: null,
    });
    expect(issuer.jwks()).toEqual(before);
  });
});

describe('past revocations', () => {
  test('are found by txn and listed once each, the newest first', async () => {
    const issuer = await createIssuerSetting().open();
    const records = [];
    for (let at = 0; at < 3; at += 1) {
      records.push(await loginAndLogout(issuer));
    }
    const many = Array.from({ length: 900 }, (_, at) => ({
      claim: 'sid',
      value: `${'s'.repeat(60)}${at}`,
      reason: 'x',
    }));
    const big = await issuer.transaction((tx) => tx.revoke(many));
    expect(await issuer.revocations.find(big.txn)).toMatchObject({ seq: big.seq, reason: 'x', published: true });
    expect((await issuer.revocations.find(big.txn))?.cutOffs).toHaveLength(900);
    const all = [...records.map((record) => record?.txn), big.txn].reverse();
    const first = await issuer.revocations.list({ limit: 3 });
    const second = await issuer.revocations.list({ limit: 3, after: first.next ?? '' });
    expect([...first.items, ...second.items].map(({ txn }) => txn)).toEqual(all);
    expect(second.next).toBeUndefined();
    expect(await issuer.revocations.find('nobody')).toBeUndefined();
    expect(await codeOf(() => issuer.revocations.list({ after: 'x' }))).toBe('request_invalid');
  });

  test('include whether Kafka has acknowledged them', async () => {
    const topic = new Topic();
    topic.isDown = true;
    const issuer = await createIssuerSetting().open({ publisher: topic.publisher() });
    const record = await loginAndLogout(issuer);
    expect(await issuer.revocations.find(record?.txn ?? '')).toMatchObject({
      published: false,
      appendedAt: expect.any(Number),
    });
    topic.isDown = false;
    await expect
      .poll(async () => (await issuer.revocations.find(record?.txn ?? ''))?.published, { timeout: 20_000 })
      .toBe(true);
  });
});
