import { copyFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openDenylist } from '@rescind/denylist';
import type { HealthCheck } from '@rescind/revocation';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { waitFor } from '../../support/wait.ts';
import { createRemembering } from '../guard/setting.ts';
import { createIssuerSetting, fileOf, login } from './issuer-setting.ts';

const MB = 1_000_000;

/** A backup tool in the middle of its work: its snapshot is held until `end`. */
function holdSnapshot(path: string, table: string): { end(): void } {
  const reader = new Database(path, { readonly: true });
  const rows = reader.prepare(`SELECT * FROM ${table}`).iterate();
  rows.next();
  const end = () => {
    rows.return?.();
    reader.close();
  };
  onTestFinished(end);
  return { end };
}

interface Writer {
  readonly path: string;
  readonly table: string;
  /** In bytes. */
  readonly bound: number;
  readonly gauge: string;
  write(bytes: number): void;
  check(): HealthCheck | undefined;
}

async function expectBoundKept(writer: Writer, lines: readonly string[], gauges: ReadonlyMap<string, number>) {
  const walBytes = () => statSync(`${writer.path}-wal`).size;
  const reader = holdSnapshot(writer.path, writer.table);
  while (walBytes() <= writer.bound) writer.write(MB);
  await waitFor('the size of the WAL is reported', () => writer.check()?.status === 'warn', 10_000);
  expect(writer.check()?.walBytes).toBeGreaterThan(writer.bound);
  expect(gauges.get(writer.gauge)).toBeGreaterThan(writer.bound);

  // No process writes from here on.
  reader.end();
  await waitFor('the WAL is within its bound', () => walBytes() <= writer.bound, 10_000);
  await waitFor('the check of the WAL passes', () => writer.check()?.status === 'pass', 10_000);
  expect(writer.check()).not.toHaveProperty('walBytes');
  await waitFor('the size is measured', () => gauges.get(writer.gauge) === walBytes());
  expect(lines.filter((line) => line.includes('wal_'))).toEqual(['warn wal_too_large', 'info wal_truncated']);
}

test('bounds the write-ahead log of an issuer after a reader that held it', async () => {
  const { telemetry, gauges, lines } = createRemembering();
  const setting = createIssuerSetting();
  const issuer = await setting.open({ telemetry });
  await login(issuer);
  fileOf(issuer).exec('CREATE TABLE of_the_host (content BLOB)');
  const insert = fileOf(issuer).prepare('INSERT INTO of_the_host VALUES (zeroblob(?))');
  const writer = {
    path: setting.databasePath,
    table: 'rescind_sessions',
    bound: 65_536_000,
    gauge: 'rescind_database_wal_bytes',
    write: (bytes: number) => insert.run(bytes),
    check: () => issuer.health().find(({ name }) => name === 'database'),
  };
  await expectBoundKept(writer, lines, gauges);
});

test('grows the write-ahead log of an issuer ahead of its commits, which a copy after a crash has', async () => {
  const setting = createIssuerSetting();
  const issuer = await setting.open();
  const path = setting.databasePath;
  const walBytes = () => statSync(`${path}-wal`).size;
  await waitFor('the log has grown', () => walBytes() > 2 * MB, 10_000);
  const sizes = new Set<number>();
  for (let logins = 0; logins < 20; logins += 1) {
    const before = walBytes();
    await login(issuer);
    sizes.add(walBytes() - before);
  }
  // By nothing, or by a whole piece.
  expect([...sizes].filter((bytes) => bytes !== 0 && bytes !== 1 << 20)).toEqual([]);
  const copy = join(temporaryDirectory(), 'copy.db');
  for (const suffix of ['', '-wal']) copyFileSync(path + suffix, copy + suffix);
  const copied = new Database(copy);
  onTestFinished(() => void copied.close());
  expect(copied.prepare('SELECT count(*) FROM rescind_sessions').pluck().get()).toBe(20);
  expect(copied.pragma('integrity_check', { simple: true })).toBe('ok');
});

test('bounds the write-ahead log of a denylist after a reader that held it', async () => {
  const { telemetry, gauges, lines } = createRemembering();
  const path = join(temporaryDirectory(), 'denylist.db');
  const denylist = openDenylist({ path, telemetry });
  onTestFinished(() => denylist.close());
  denylist.write('first', 'text');
  let written = 0;
  const writer = {
    path,
    table: 'document',
    bound: 32_768_000,
    gauge: 'rescind_denylist_wal_bytes',
    write(bytes: number) {
      written += 1;
      denylist.write('text', `${written}`.padEnd(bytes, '.'));
    },
    check: () => denylist.health()[0],
  };
  await expectBoundKept(writer, lines, gauges);
});
