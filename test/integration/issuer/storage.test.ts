import type { Issuer } from '@rescind/issuer';
import { expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { createRemembering } from '../guard/setting.ts';
import { codeOf, createIssuerSetting, fileOf, login, loginAndLogout, refresh, sqlOf } from './issuer-setting.ts';

/** Makes SQLite report a full database, without mounting a file system. */
function fill(database: { pragma(source: string, options?: { simple: boolean }): unknown }): () => void {
  const pages = Number(database.pragma('page_count', { simple: true }));
  database.pragma(`max_page_count = ${pages}`);
  return () => void database.pragma('max_page_count = 1073741823');
}

test('answers storage_unavailable to a write that does not fit, and the check reports the last write', async () => {
  const { telemetry, counts, lines } = createRemembering();
  const issuer = await createIssuerSetting().open({ telemetry });
  await login(issuer);
  const storage = () => issuer.health().find(({ name }) => name === 'storage');
  expect([issuer.canWrite(), storage()?.status]).toEqual([true, 'pass']);

  const free = fill(sqlOf(issuer));
  const codes: (string | undefined)[] = [];
  await waitFor('a login is refused', async () => {
    codes.push(await codeOf(() => login(issuer)));
    return codes.at(-1) !== undefined;
  });
  expect(codes.at(-1)).toBe('storage_unavailable');
  expect([issuer.canWrite(), storage()?.status, storage()?.reason]).toEqual([false, 'fail', 'full']);
  expect(counts.get('rescind_storage_failures_total database full')).toBeGreaterThan(0);

  free();
  await waitFor('the issuer can write again', () => issuer.canWrite(), 10_000);
  expect(storage()?.status).toBe('pass');
  expect(lines.filter((line) => line === 'error storage_failed')).toHaveLength(1);
  expect(lines).toContain('info storage_recovered');
});

test('answers storage_unavailable to each concurrent refresh that does not fit, and applies none', async () => {
  const issuer = await createIssuerSetting().open();
  const all = await Promise.all(Array.from({ length: 40 }, () => login(issuer)));
  const free = fill(sqlOf(issuer));
  const codes = await Promise.all(all.map((one) => codeOf(() => refresh(issuer, one))));
  expect(new Set(codes)).toEqual(new Set(['storage_unavailable']));
  free();
  for (const one of all) expect(await codeOf(() => refresh(issuer, one))).toBeUndefined();
});

test('does not change the storage check at an error of the host in a transaction', async () => {
  const issuer = await createIssuerSetting().open();
  const failure = issuer.transaction(() => {
    throw new Error('a mistake of the host');
  });
  await expect(failure).rejects.toThrow('a mistake of the host');
  const constraint = issuer.transaction(() => void sqlOf(issuer).exec('INSERT INTO missing VALUES (1)'));
  await expect(constraint).rejects.toThrow('no such table');
  expect(issuer.canWrite()).toBe(true);
});

test('logs users in and out while no event of a user can be written, and counts each', async () => {
  const { telemetry, counts, lines } = createRemembering();
  const issuer = await createIssuerSetting().open({ telemetry });
  fileOf(issuer).exec(
    "CREATE TRIGGER refuse BEFORE INSERT ON rescind_user_events BEGIN SELECT RAISE(ABORT, 'damaged'); END",
  );
  const revocation = await loginAndLogout(issuer);
  expect(revocation).toMatchObject({ seq: 1, endedSessions: 1 });
  expect(issuer.log.snapshot().head).toBe(1);
  const everybody = await login(issuer);
  await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'lost' }));
  expect(await codeOf(() => refresh(issuer, everybody))).toBe('grant_invalid');
  expect((await issuer.userEvents.list()).items).toEqual([]);
  expect(counts.get('rescind_user_events_dropped_total failed')).toBe(4);
  expect(lines.filter((line) => line === 'error user_event_failed')).toHaveLength(4);
});

test('writes refusals of users that happened while the storage failed', async () => {
  const { telemetry, lines } = createRemembering();
  const issuer = await createIssuerSetting().open({ telemetry });
  const free = fill(sqlOf(issuer));
  await waitFor('a full database', async () => (await codeOf(() => login(issuer))) === 'storage_unavailable');
  for (let guess = 0; guess < 40; guess += 1) {
    const refusal = { type: 'login_refused', code: 'credentials_wrong', sub: `user-${guess}` } as const;
    issuer.userEvents.refused({ ...refusal, origin: { userAgent: 'x'.repeat(256) } });
  }
  await waitFor('a failed write', () => lines.includes('error housekeeping_failed'), 10_000);
  free();
  await waitFor('the refusals', async () => (await refused(issuer)).length === 40, 10_000);
});

async function refused(issuer: Issuer) {
  return (await issuer.userEvents.list({ type: 'login_refused', limit: 100 })).items;
}
