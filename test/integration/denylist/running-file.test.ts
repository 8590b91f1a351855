import { closeSync, openSync, readFileSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs';
import type { Denylist } from '@rescind/denylist';
import { openDenylist } from '@rescind/denylist';
import type { Telemetry } from '@rescind/revocation';
import { silentTelemetry } from '@rescind/revocation';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { cutoff, freshPath, LOG, stateAt } from './support.ts';

const UNREADABLE = expect.objectContaining({ code: 'denylist_unreadable' });

/** A denylist with three rows, of which its file has everything and no page is in SQLite's memory. */
function opened(maxMemoryEntries = 1_000) {
  const path = freshPath();
  const events: string[] = [];
  const telemetry: Telemetry = {
    ...silentTelemetry,
    log: (level, event, fields) => void events.push(`${level} ${event} ${fields?.fault}`),
    gauge: (name) => void events.push(name),
    count: (name, labels) => void events.push(`${name} ${Object.values(labels ?? {})}`),
  };
  const denylist = openDenylist({ path, maxMemoryEntries, telemetry });
  onTestFinished(() => denylist.close());
  denylist.commit({ state: stateAt(3), cutoffs: [1, 2, 3].map((n) => cutoff({ value: `session-${n}` }, n)) });
  const forgetPages = () => {
    const other = new Database(path);
    other.pragma('wal_checkpoint(TRUNCATE)');
    other.pragma(`user_version = ${other.pragma('user_version', { simple: true })}`);
    other.close();
  };
  forgetPages();
  const check = () => denylist.health()[0];
  return { path, denylist, events, forgetPages, check };
}

function flipBitOf(path: string, text: string): void {
  const bytes = readFileSync(path);
  const at = bytes.indexOf(text);
  expect(at).toBeGreaterThan(0);
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.of((bytes[at] as number) ^ 1), 0, 1, at);
  closeSync(file);
}

const rowOf = (denylist: Denylist, n: number) => denylist.row(LOG, 'sid', `session-${n}`);

describe('a file whose bit flips while its denylist is open', () => {
  test('is not read any more: the lost row is not taken for an absent one', () => {
    const { path, denylist, events, check } = opened();
    flipBitOf(path, 'session-2');
    expect(() => rowOf(denylist, 2)).toThrow(UNREADABLE);
    expect(() => rowOf(denylist, 1)).toThrow(UNREADABLE);
    expect(rowOf(denylist, 4)).toBeUndefined();
    expect(check()).toMatchObject({ status: 'fail', fault: 'damaged' });
    expect(events).toContain('error denylist_file_fault damaged');
    expect(events).toContain('rescind_denylist_file_faults_total damaged');

    // New rows are enforced, and the position in the file does not move.
    denylist.enforce({ state: stateAt(4), cutoffs: [cutoff({ value: 'session-4' }, 4)] });
    expect(() => denylist.flush()).toThrow(expect.objectContaining({ code: 'denylist_unwritable' }));
    expect(rowOf(denylist, 4)).toBeDefined();
    expect(check()).toMatchObject({ pendingRows: 1 });
  });

  test('is read again when it equals its digests', async () => {
    const { path, denylist, events, check, forgetPages } = opened();
    flipBitOf(path, 'session-2');
    expect(() => rowOf(denylist, 2)).toThrow(UNREADABLE);
    flipBitOf(path, 'ression-2');
    forgetPages();
    await waitFor('the fault of the file is over', () => check()?.fault === undefined);
    expect(events).toContain('info denylist_file_recovered damaged');
    expect(rowOf(denylist, 2)).toBeDefined();
    denylist.commit({ state: stateAt(4), cutoffs: [cutoff({ value: 'session-4' }, 4)] });
    expect(check()).toMatchObject({ status: 'pass', entries: 4, pendingRows: 0 });
  });
});

test.each([
  ['memory knows the keys', 1_000],
  ['the file is asked for each', 0],
])(
  'a file that is truncated while its denylist is open: no row counts as missing, also after a commit that failed (%s)',
  (_, most) => {
    for (const bytesOf of [
      () => 0,
      () => 100,
      () => 4_096,
      (bytes: number) => bytes >> 1,
      (bytes: number) => bytes - 4_096,
    ]) {
      const { path, denylist } = opened(most);
      truncateSync(path, bytesOf(statSync(path).size));
      denylist.enforce({ state: stateAt(4), cutoffs: [cutoff({ value: 'session-4' }, 4)] });
      for (let round = 0; round < 2; round += 1) {
        for (const n of [1, 2, 3]) {
          let found: unknown = 'denylist_unreadable';
          try {
            found = rowOf(denylist, n)?.value;
          } catch (error) {
            expect(error).toEqual(UNREADABLE);
          }
          expect(found).toMatch(/^(session-\d|denylist_unreadable)$/);
        }
        expect(rowOf(denylist, 4)?.value).toBe('session-4');
        try {
          denylist.flush();
        } catch (error) {
          expect(error).toMatchObject({ code: 'denylist_unwritable' });
        }
      }
    }
  },
);

test.each([
  ['removed', [''], 'removed'],
  ['removed with its log', ['', '-wal', '-shm'], 'removed'],
  ['without its log', ['-wal'], 'removed'],
])('a file that is %s while its denylist is open is reported, and answers', async (_, parts, fault) => {
  const { path, denylist, check } = opened();
  for (const part of parts) rmSync(path + part);
  await waitFor('the fault of the file is reported', () => check()?.fault === fault);
  expect(check()).toMatchObject({ status: 'warn' });
  expect(rowOf(denylist, 2)?.value).toBe('session-2');
  expect(rowOf(denylist, 4)).toBeUndefined();
});

/** The file is checked every second, when the write-ahead log has been measured. */
const isLook = (event: string) => event === 'rescind_denylist_wal_bytes';

test('a VACUUM of another process is not reported as a fault', async () => {
  const { path, denylist, check, events } = opened();
  const rows = Array.from({ length: 2_000 }, (_, n) => cutoff({ value: `${n}`, expiresAt: 1_000 }, 4));
  denylist.commit({ state: stateAt(4), cutoffs: rows });
  const other = new Database(path);
  other.pragma('wal_checkpoint(TRUNCATE)');
  const before = statSync(path).size;
  const seen = events.filter(isLook).length;
  await waitFor('the size of the file is measured', () => events.filter(isLook).length >= seen + 2);
  denylist.prune([LOG], 2_000);
  other.exec('VACUUM');
  other.pragma('wal_checkpoint(TRUNCATE)');
  other.close();
  expect(statSync(path).size).toBeLessThan(before);
  const looks = events.filter(isLook).length;
  await waitFor('the file is examined twice', () => events.filter(isLook).length >= looks + 2);
  expect(check()).toMatchObject({ status: 'pass' });
  expect(rowOf(denylist, 2)?.value).toBe('session-2');
});
