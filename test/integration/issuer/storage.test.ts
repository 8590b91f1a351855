import { expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { createRemembering } from '../guard/setting.ts';
import { codeOf, house, login, refresh, sqlOf } from './house.ts';

/** Makes SQLite report a full database, without mounting a file system. */
function fill(database: { pragma(source: string, options?: { simple: boolean }): unknown }): () => void {
  const pages = Number(database.pragma('page_count', { simple: true }));
  database.pragma(`max_page_count = ${pages}`);
  return () => void database.pragma('max_page_count = 1073741823');
}

test('answers storage_unavailable to a write that does not fit, and the check reports the last write', async () => {
  const { telemetry, counts, lines } = createRemembering();
  const issuer = await house().open({ telemetry });
  await login(issuer);
  const storage = () => issuer.health().find(({ name }) => name === 'storage');
  expect([issuer.canWrite(), storage()?.status]).toEqual([true, 'pass']);

  const free = fill(sqlOf(issuer));
  const codes: (string | undefined)[] = [];
  await waitFor('a page that does not fit', async () => {
    codes.push(await codeOf(() => login(issuer)));
    return codes.at(-1) !== undefined;
  });
  expect(codes.at(-1)).toBe('storage_unavailable');
  expect([issuer.canWrite(), storage()?.status, storage()?.reason]).toEqual([false, 'fail', 'full']);
  expect(counts.get('rescind_storage_failures_total database full')).toBeGreaterThan(0);

  free();
  await waitFor('the probe', () => issuer.canWrite(), 10_000);
  expect(storage()?.status).toBe('pass');
  expect(lines.filter((line) => line === 'error storage_failed')).toHaveLength(1);
  expect(lines).toContain('info storage_recovered');
});

test('answers storage_unavailable to each concurrent refresh that does not fit, and applies none', async () => {
  const issuer = await house().open();
  const all = await Promise.all(Array.from({ length: 40 }, () => login(issuer)));
  const free = fill(sqlOf(issuer));
  const codes = await Promise.all(all.map((one) => codeOf(() => refresh(issuer, one))));
  expect(new Set(codes)).toEqual(new Set(['storage_unavailable']));
  free();
  for (const one of all) expect(await codeOf(() => refresh(issuer, one))).toBeUndefined();
});

test('does not change the storage check at an error of the host in a transaction', async () => {
  const issuer = await house().open();
  const failure = issuer.transaction(() => {
    throw new Error('a mistake of the host');
  });
  await expect(failure).rejects.toThrow('a mistake of the host');
  const constraint = issuer.transaction(() => void sqlOf(issuer).exec('INSERT INTO missing VALUES (1)'));
  await expect(constraint).rejects.toThrow('no such table');
  expect(issuer.canWrite()).toBe(true);
});
