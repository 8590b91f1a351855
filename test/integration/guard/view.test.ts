import { execFileSync } from 'node:child_process';
import type { GuardOptions } from '@rescind/guard';
import { createManualClock, systemClock } from '@rescind/revocation';
import { expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import type { TestIssuer } from './issuer.ts';
import { openTestIssuer, TOKEN_LIFE_MS } from './issuer.ts';
import { ask, createRemembering, freshPath, openMiddleware, serveGuarded } from './setting.ts';

const START = Date.UTC(2026, 10, 23, 12);

async function openFrozen(options: Partial<GuardOptions> = {}) {
  const clock = createManualClock(START, 1_000);
  const issuer = await openTestIssuer(clock);
  const middleware = openMiddleware(issuer, { denylistPath: freshPath(), clock, ...options });
  await middleware.ready();
  return { clock, issuer, middleware };
}

async function applied(issuer: TestIssuer, url: string, token: string, sid: string): Promise<void> {
  issuer.revoke({ claim: 'sid', value: sid });
  await waitFor('the revocation is applied', async () => (await ask(url, token)).status === 401);
}

test('an instance refuses every token with view_not_ready until it has caught up', async () => {
  const issuer = await openTestIssuer();
  issuer.feedIsOpen = false;
  const middleware = openMiddleware(issuer, { denylistPath: freshPath() });
  const url = await serveGuarded(middleware);
  const token = issuer.token();
  const answer = await waitFor('the keys are there', async () => {
    const one = await ask(url, token);
    return one.body.code !== 'keys_unavailable' && one;
  });
  expect(answer).toMatchObject({ status: 503, body: { code: 'view_not_ready' }, challenge: null, retryAfter: '1' });
  expect(answer.body).not.toHaveProperty('error');
  expect(middleware.health()[0]).toMatchObject({ name: 'view', status: 'fail', freshness: 'not_ready' });
  expect((await ask(url, issuer.token({ aud: 'orders' }))).status).toBe(401);

  issuer.feedIsOpen = true;
  await middleware.ready();
  expect((await ask(url, token)).status).toBe(200);
  expect(middleware.health()[0]).toMatchObject({ status: 'pass', freshness: 'fresh' });
});

test('without keys the guard refuses no token as invalid', async () => {
  const issuer = await openTestIssuer();
  const token = issuer.token();
  await issuer.stop();
  const middleware = openMiddleware(issuer, { denylistPath: freshPath() });
  const answer = await ask(await serveGuarded(middleware), token);
  expect(answer).toMatchObject({ status: 503, body: { code: 'keys_unavailable' }, retryAfter: '5', challenge: null });
});

test('after a restart without the issuer the guard still refuses revoked tokens, and accepts none before it is ready', async () => {
  const clock = createManualClock(START, 1_000);
  const issuer = await openTestIssuer(clock);
  const denylistPath = freshPath();
  const first = openMiddleware(issuer, { denylistPath, clock });
  await first.ready();
  const revoked = issuer.token({ sid: 'lost-phone' });
  const good = issuer.token();
  await applied(issuer, await serveGuarded(first), revoked, 'lost-phone');
  await first.close();
  await issuer.stop();

  const second = openMiddleware(issuer, { denylistPath, clock });
  const url = await serveGuarded(second);
  expect(await ask(url, revoked)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
  expect(await ask(url, good)).toMatchObject({ status: 503, body: { code: 'view_not_ready' } });

  // No transport responds: after a while the instance is ready by the age of its stored view.
  clock.advance(20_000);
  await second.ready();
  expect((await ask(url, good)).status).toBe(200);
  expect((await ask(url, revoked)).body.code).toBe('token_revoked');
});

test("a stale view: denied by default, accepted by the route's policy, earlier on critical routes", async () => {
  const { clock, issuer, middleware } = await openFrozen();
  const { opened } = middleware;
  const revoked = issuer.token({ sid: 'gone' });
  const token = issuer.token();
  await applied(issuer, await serveGuarded(middleware), revoked, 'gone');
  await issuer.stop();

  const code = (route = {}) => {
    const decision = opened.decide(token, route);
    return decision.accepted ? (decision.stale ? 'stale' : 'accepted') : decision.error.code;
  };
  expect(code({ critical: true })).toBe('accepted');
  clock.advance(10_001);
  expect(code({ critical: true })).toBe('view_stale');
  expect(code({ critical: true, stale: 'allow' })).toBe('stale');
  expect(code()).toBe('accepted');
  expect(middleware.health()[0]).toMatchObject({ status: 'warn', freshness: 'degraded' });

  clock.advance(290_000);
  expect(code()).toBe('view_stale');
  expect(code({ stale: 'allow' })).toBe('stale');
  expect(middleware.health()[0]).toMatchObject({ status: 'warn', freshness: 'stale' });
  await middleware.ready();
  const decision = opened.decide(revoked, { stale: 'deny' });
  expect(decision).toMatchObject({ accepted: false, error: { code: 'token_revoked' }, revoked: { endsSession: true } });

  const answer = await ask(await serveGuarded(middleware), token);
  expect(answer).toMatchObject({ status: 503, body: { code: 'view_stale' }, retryAfter: '5', challenge: null });
});

test('the policy and limit of the guard apply to routes without one', async () => {
  const { clock, issuer, middleware } = await openFrozen({ maxStalenessMs: 1_000, stale: 'allow' });
  const token = issuer.token();
  await issuer.stop();
  clock.advance(1_001);
  expect(middleware.opened.decide(token)).toMatchObject({ accepted: true, stale: true });
  expect(middleware.opened.decide(token, { stale: 'deny' })).toMatchObject({ error: { code: 'view_stale' } });
});

test('time is the later of clock and log: a clock that is set back makes no expired token valid', async () => {
  const { clock, issuer, middleware } = await openFrozen();
  const { opened } = middleware;
  const token = issuer.token();
  clock.advance(TOKEN_LIFE_MS + 1_000);
  await waitFor('a heartbeat of the earlier time', () => opened.view().logTime > START + TOKEN_LIFE_MS);
  clock.setWall(START);
  expect(opened.decide(token)).toMatchObject({ error: { code: 'token_expired' } });
});

test('rows are pruned by the time of the log, a minute after their last token', async () => {
  const { telemetry, counts } = createRemembering();
  const { clock, issuer, middleware } = await openFrozen({ telemetry });
  issuer.revoke({ claim: 'sid', value: 'oldest', expiresAt: START + TOKEN_LIFE_MS - 2_000 });
  issuer.revoke({ claim: 'sid', value: 'old' });
  issuer.revoke({ claim: 'sid', value: 'new', expiresAt: START + 2 * TOKEN_LIFE_MS });
  const entries = () => middleware.health().find(({ name }) => name === 'denylist')?.entries;
  await waitFor('three rows are stored', () => entries() === 3);

  clock.advance(TOKEN_LIFE_MS + 59_000);
  await waitFor('the oldest is gone', () => counts.get('rescind_denylist_pruned_total') === 1);
  expect(entries()).toBe(2);
  clock.advance(61_000);
  await waitFor('the old one is gone', () => entries() === 1);
  expect(counts.get('rescind_denylist_pruned_total')).toBe(2);
});

/** So many rows, and none in memory alone. */
const untilInFile = ({ opened }: ReturnType<typeof openMiddleware>, rows: number) =>
  waitFor(`${rows} rows are in the file`, () =>
    opened
      .health()
      .some(({ name, entries, pendingRows }) => name === 'denylist' && entries === rows && pendingRows === 0),
  );

function dropRows(denylistPath: string): void {
  const script = `new (require('node:sqlite').DatabaseSync)(process.argv[1]).exec('DROP TABLE cutoff')`;
  execFileSync(process.execPath, ['--no-warnings', '-e', script, denylistPath]);
}

test('an unreadable denylist refuses every token whose rows are in the file', async () => {
  const issuer = await openTestIssuer();
  const denylistPath = freshPath();
  const { telemetry, lines } = createRemembering();
  const middleware = openMiddleware(issuer, { denylistPath, telemetry, maxMemoryEntries: 0, cache: false });
  await middleware.ready();
  const url = await serveGuarded(middleware);
  await applied(issuer, url, issuer.token({ sid: 'gone' }), 'gone');
  await untilInFile(middleware, 1);
  const token = issuer.token();
  expect((await ask(url, token)).status).toBe(200);

  dropRows(denylistPath);
  const answer = await ask(url, token);
  expect(answer).toMatchObject({ status: 503, body: { code: 'denylist_unreadable' }, retryAfter: '30' });
  expect(lines).toContain('error denylist_unreadable');
  expect(middleware.health()).toContainEqual(expect.objectContaining({ name: 'denylist', status: 'fail' }));
});

test('a deleted file makes no token valid that memory denies', async () => {
  const issuer = await openTestIssuer();
  const denylistPath = freshPath();
  const middleware = openMiddleware(issuer, { denylistPath });
  await middleware.ready();
  const url = await serveGuarded(middleware);
  issuer.revoke({ claim: 'sid', value: 'unseen' });
  await applied(issuer, url, issuer.token({ sid: 'gone' }), 'gone');
  await untilInFile(middleware, 2);
  dropRows(denylistPath);
  expect(await ask(url, issuer.token({ sid: 'unseen' }))).toMatchObject({ body: { code: 'denylist_unreadable' } });
});

test('freshness is logged when it changes', async () => {
  const { telemetry, lines } = createRemembering();
  const { clock, issuer } = await openFrozen({ telemetry });
  await waitFor('the view is logged as fresh', () => lines.includes('info view_fresh'));
  await issuer.stop();
  clock.advance(10_001);
  await waitFor('the view is logged as degraded', () => lines.includes('warn view_degraded'));
  clock.advance(300_000);
  await waitFor('the view is logged as stale', () => lines.includes('warn view_stale'));
});

test('a closed guard accepts no token and releases its file', async () => {
  const issuer = await openTestIssuer();
  const denylistPath = freshPath();
  const middleware = openMiddleware(issuer, { denylistPath, clock: systemClock });
  await middleware.ready();
  await Promise.all([middleware.close(), middleware.close()]);
  expect(middleware.opened.decide(issuer.token())).toMatchObject({ accepted: false, error: { code: 'stopping' } });
  await openMiddleware(issuer, { denylistPath }).ready();
});

test('ready() rejects if the guard is closed before', async () => {
  const issuer = await openTestIssuer();
  issuer.feedIsOpen = false;
  const middleware = openMiddleware(issuer, { denylistPath: freshPath() });
  const waiting = middleware.ready();
  const told = expect(waiting).rejects.toMatchObject({ code: 'stopping' });
  await middleware.close();
  await told;
});
