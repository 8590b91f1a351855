import { openTestIssuer } from '@rescind/issuer/testing';
import { expect, onTestFinished, test, vi } from 'vitest';

const LOGIN = { sub: 'ada', clientId: 'web', audience: 'prices', credentialVersion: 1 };

/** An issuer whose maintenance runs when the test advances its clock by `pass`. */
async function opened(options: object = {}) {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const counted: { name: string; labels: object; by: number }[] = [];
  const telemetry = {
    log: () => undefined,
    gauge: () => undefined,
    observe: () => undefined,
    count: (name: string, labels: object = {}, by = 1) => void counted.push({ name, labels, by }),
  };
  const kit = await openTestIssuer({ telemetry: telemetry as never, ...options });
  onTestFinished(() => kit.close());
  const { issuer, clock } = kit;
  return {
    ...kit,
    events: async (query = {}) => (await issuer.userEvents.list({ limit: 1_000, ...query })).items,
    login: (more: object = {}) => issuer.transaction((tx) => tx.beginSession({ ...LOGIN, ...more })),
    dropped: () =>
      counted.filter(({ name }) => name === 'rescind_user_events_dropped_total').reduce((sum, { by }) => sum + by, 0),
    async pass(ms: number) {
      clock.advance(ms);
      await vi.advanceTimersByTimeAsync(1_000);
    },
  };
}

const refusal = {
  type: 'login_refused',
  code: 'credentials_wrong',
  sub: 'ada',
  origin: { address: '192.0.2.1' },
} as const;

test('coalesces equal refusals of a minute into the first and the rest', async () => {
  const { issuer, events, pass } = await opened();
  issuer.userEvents.refused(refusal);
  await pass(1_000);
  for (let more = 0; more < 7; more++) issuer.userEvents.refused(refusal);
  await pass(1_000);
  expect(await events()).toMatchObject([{ count: 1, code: 'credentials_wrong', address: '192.0.2.1' }]);
  await pass(60_000);
  const [rest, first] = await events();
  expect([rest?.count, first?.count]).toEqual([7, 1]);
});

test('bounds the rows of a flood, counts what it drops, and keeps room for users', async () => {
  const { issuer, events, pass, dropped } = await opened();
  for (let guess = 0; guess < 500; guess++) {
    issuer.userEvents.refused({ ...refusal, sub: undefined, origin: { address: `192.0.2.${guess}` } });
    issuer.userEvents.refused({ ...refusal, origin: { address: `198.51.100.${guess}` } });
  }
  issuer.userEvents.refused({ ...refusal, sub: 'bob' });
  await pass(1_000);
  const found = await events();
  const of = (sub: string | null) => found.filter((event) => event.sub === sub).length;
  expect([of(null), of('ada'), of('bob')]).toEqual([20, 10, 1]);
  expect(dropped()).toBe(1_000 - 30);
});

test('counts in a row every refusal that has none of its own, of its user or of its code', async () => {
  const { issuer, events, pass } = await opened();
  for (let guess = 0; guess < 300; guess++) {
    issuer.userEvents.refused({ ...refusal, origin: { address: `198.51.100.${guess}` } });
    issuer.userEvents.refused({ ...refusal, sub: `user-${guess}`, origin: { address: `203.0.113.${guess}` } });
    issuer.userEvents.refused({ ...refusal, sub: undefined, origin: { address: `192.0.2.${guess}` } });
  }
  await pass(1_000);
  await pass(60_000);
  const found = await events();
  const summaries = found.filter(({ address }) => address === null);
  expect(found.length).toBeLessThan(200);
  expect(found.reduce((sum, { count }) => sum + count, 0)).toBe(900);
  expect(summaries.find(({ sub }) => sub === 'ada')).toMatchObject({ count: 290, code: 'credentials_wrong' });
  expect(summaries.filter(({ sub }) => sub === null)).toHaveLength(1);
});

test('a day of guessed names and of one address takes no row from a user', async () => {
  const { issuer, events, clock, pass } = await opened();
  for (let minute = 0; minute < 23 * 60; minute++) {
    for (let guess = 0; guess < 25; guess++) {
      issuer.userEvents.refused({ ...refusal, sub: undefined, origin: { address: `192.0.2.${guess}` } });
      issuer.userEvents.refused({ ...refusal, sub: 'eve', deviceName: `device ${guess}` });
    }
    clock.advance(60_000);
  }
  issuer.userEvents.refused({ ...refusal, sub: 'bob', origin: { address: '198.51.100.1' } });
  await pass(1_000);
  expect(await events({ sub: 'bob' })).toMatchObject([{ address: '198.51.100.1', count: 1 }]);
});

test('a refusal of a deleted user has no origin, whenever it is written', async () => {
  const { issuer, events, pass, login } = await opened();
  issuer.userEvents.refused(refusal);
  await pass(1_000);
  issuer.userEvents.refused(refusal);
  await issuer.transaction(async (tx) => {
    expect(await tx.forgetOrigins('ada')).toBe(1);
    expect(await tx.forgetOrigins('ada')).toBe(0);
  });
  await pass(61_000);
  issuer.userEvents.refused({ ...refusal, type: 'refresh_refused', deviceName: 'phone' });
  await pass(1_000);
  const found = await events({ sub: 'ada' });
  expect(found.map(({ count }) => count)).toEqual([1, 1, 1]);
  for (const event of found) expect(event).toMatchObject({ address: null, deviceName: null, userAgent: null });
  await login();
  issuer.userEvents.refused({ ...refusal, origin: { address: '192.0.2.9' } });
  await pass(1_000);
  expect((await events({ sub: 'ada' }))[0]?.address).toBe('192.0.2.9');
});

test('cuts the name of a device that a refused login sent', async () => {
  const { issuer, events, pass } = await opened();
  issuer.userEvents.refused({ ...refusal, deviceName: 'x'.repeat(100_000) });
  await pass(1_000);
  expect((await events())[0]?.deviceName).toHaveLength(128);
});

test('a refresh that succeeds writes no event, and one that is refused is of its session', async () => {
  const { issuer, events, login, pass } = await opened();
  const { refresh_token: refreshToken, sid } = await login();
  const next = await issuer.refresh({ refreshToken, clientId: 'web' });
  expect((await events()).map(({ type }) => type)).toEqual(['login']);
  await issuer.userEvents.as('user', () => issuer.transaction((tx) => tx.endSession({ sid, reason: 'logout' })));
  await expect(issuer.refresh({ refreshToken: next.refresh_token, clientId: 'web' })).rejects.toThrow();
  await expect(issuer.refresh({ refreshToken: 'x'.repeat(22), clientId: 'web' })).rejects.toThrow();
  await pass(1_000);
  expect(await events()).toMatchObject([
    { type: 'refresh_refused', sid, sub: 'ada', code: 'grant_invalid', reason: 'logout' },
    { type: 'session_ended', sid, reason: 'logout', actor: 'user' },
    { type: 'login', sid, actor: 'user' },
  ]);
});

test('records a session that timed out once it is forgotten, with the time of its deadline', async () => {
  const { events, login, pass, clock } = await opened({ refreshIdleTtlMs: 60_000 });
  const { sid } = await login();
  const deadline = clock.now() + 60_000;
  await pass(24 * 3_600_000);
  expect(await events({ type: 'session_ended' })).toMatchObject([
    { sid, sub: 'ada', reason: 'idle_timeout', actor: 'expiry', at: deadline },
  ]);
});

test('follows from a time with every event that is not earlier, also where a later one was stored before an earlier one', async () => {
  const { issuer, login, pass, clock } = await opened({ refreshIdleTtlMs: 60_000 });
  await login();
  const since = clock.now() + 30_000;
  clock.advance(3_600_000);
  await login({ sub: 'bob' });
  await pass(24 * 3_600_000);
  const position = await issuer.userEvents.positionAt(since);
  const found = (await issuer.userEvents.following(position, 10)).filter(({ at }) => at >= since);
  expect(found.map(({ type, sub }) => `${type} ${sub}`).sort()).toEqual([
    'login bob',
    'session_ended ada',
    'session_ended bob',
  ]);
  expect(await issuer.userEvents.positionAt(0)).toBe(0);
});

test('deletes expired events in small batches, the earliest first', async () => {
  const { issuer, events, pass } = await opened({ userEventRetentionMs: 3_600_000 });
  for (let each = 0; each < 450; each++) {
    await issuer.transaction((tx) => tx.recordEvent({ type: 'account_changed', sub: `user-${each}` }));
  }
  await pass(3_600_001);
  expect(await events()).toHaveLength(250);
  await pass(1_000);
  await pass(1_000);
  expect(await events()).toEqual([]);
});

test('refuses an event of an unknown type or without a user, and an unknown query', async () => {
  const { issuer } = await opened();
  const record = (event: object) => issuer.transaction((tx) => tx.recordEvent(event as never));
  await expect(record({ type: 'nonsense', sub: 'ada' })).rejects.toThrow(TypeError);
  await expect(record({ type: 'login' })).rejects.toThrow(TypeError);
  expect(() => issuer.userEvents.refused({ type: 'login', code: 'x' } as never)).toThrow(TypeError);
  await expect(issuer.userEvents.list({ subject: 'ada' } as never)).rejects.toThrow(/sub/);
  await expect(issuer.userEvents.list({ after: 'x' })).rejects.toMatchObject({ code: 'request_invalid' });
});
