import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Denylist } from '@rescind/denylist';
import { openDenylist } from '@rescind/denylist';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { mayLimit, mayMount, smallDisk } from '../../support/small-disk.ts';
import { cutoff, freshPath, LOG, open, stateAt } from './support.ts';

// A row is enforced although the disk refuses it, and the position in the file is never beyond a missing row.

const ROWS = 40;
const HOLD = fileURLToPath(new URL('hold.ts', import.meta.url));

/** The report of a process on a faulty disk. */
interface Report {
  /** The code of the error that kept it from opening the file. */
  readonly refused?: string;
  readonly failures: number;
  /** The number of enforced rows that the denylist denies. */
  readonly denied: number;
}

function runOn(path: string, command: readonly string[]): Report {
  const [program = '', ...rest] = [...command, process.execPath, HOLD, path, 'fill', String(ROWS)];
  const { stdout, stderr } = spawnSync(program, rest, { encoding: 'utf8' });
  const line = stdout.trim().split('\n').at(-1);
  if (!line?.startsWith('{')) throw new Error(`it said ${stdout} ${stderr.slice(-2_000)}`);
  return JSON.parse(line);
}

/** Each row has a seq, and the position is the seq of the last. */
function expectConsistent(denylist: Denylist): void {
  const seq = denylist.load(LOG)?.seq ?? 0;
  expect(denylist.count()).toBe(seq);
  for (let at = 1; at <= seq; at += 1) expect(denylist.row(LOG, 'sid', `row-${at}`)?.seq).toBe(at);
}

function expectSafe(path: string, report: Report): void {
  if (report.refused === undefined) expect(report.denied).toBe(ROWS);
  else expect(report.refused).toMatch(/^denylist_un(readable|writable)$/);
  const denylist = openDenylist({ path });
  expect(denylist.health()[0]).not.toHaveProperty('replaced');
  expectConsistent(denylist);
  denylist.close();
}

describe.skipIf(!mayLimit)('a file that may not grow', () => {
  test('by any page: everything is denied, and the file is consistent', () => {
    let failed = 0;
    for (let pages = 1; pages <= 120; pages += 7) {
      const path = freshPath();
      const report = runOn(path, ['prlimit', `--fsize=${pages * 4_096 + 100}`]);
      if (report.failures > 0) failed += 1;
      expectSafe(path, report);
    }
    expect(failed).toBeGreaterThan(3);
  });
});

const mayTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;

describe.skipIf(!mayTrace)('a disk that fails', () => {
  const errors = ['EIO', 'ENOSPC', 'EROFS'];
  test.each(errors)('with %s from the N-th write on: everything is denied, and the file is consistent', (error) => {
    const made = freshPath();
    openDenylist({ path: made }).close();
    let failed = 0;
    for (const write of [1, 2, 3, 5, 8, 13, 21, 34, 55]) {
      const path = join(temporaryDirectory(), 'denylist.db');
      copyFileSync(made, path);
      const inject = ['-e', 'trace=pwrite64', '-e', `inject=pwrite64:error=${error}:when=${write}+`];
      const report = runOn(path, ['strace', '-f', '-qq', '-o', '/dev/null', ...inject]);
      if (report.failures > 0) failed += 1;
      expectSafe(path, report);
    }
    expect(failed).toBeGreaterThan(3);
  });

  test('at one write only: the next attempt stores everything', () => {
    const made = freshPath();
    openDenylist({ path: made }).close();
    for (const write of [4, 9, 20]) {
      const path = join(temporaryDirectory(), 'denylist.db');
      copyFileSync(made, path);
      const inject = ['-e', 'trace=pwrite64', '-e', `inject=pwrite64:error=EIO:when=${write}`];
      const report = runOn(path, ['strace', '-f', '-qq', '-o', '/dev/null', ...inject]);
      expectSafe(path, report);
      if (report.refused === undefined) expect(open(path).count()).toBe(ROWS);
    }
  });
});

describe.skipIf(!mayMount)('a file system that is full', () => {
  test('while the denylist is open, and at its next start', () => {
    const disk = smallDisk('4m');
    const path = join(disk.path, 'denylist.sqlite');
    const first = openDenylist({ path });
    first.commit({ state: stateAt(1), cutoffs: [cutoff({ value: 'row-1' }, 1)] });
    disk.fill();
    const full = expect.objectContaining({ code: 'denylist_unwritable', detail: `${path}: SQLITE_FULL` });
    // SQLite can write only into the space that its log already has.
    let seq = 1;
    const enforceNext = () => {
      seq += 1;
      first.enforce({ state: stateAt(seq), cutoffs: [cutoff({ value: `row-${seq}` }, seq)] });
      first.flush();
    };
    expect(() => {
      for (let row = 0; row < 3_000; row += 1) enforceNext();
    }).toThrow(full);
    expect(first.row(LOG, 'sid', `row-${seq}`)).toBeDefined();
    expect(first.health()[0]).toMatchObject({ status: 'warn', pendingRows: 1, error: 'SQLITE_FULL' });
    first.close();

    const second = openDenylist({ path });
    onTestFinished(() => second.close());
    expect(second.health()[0]).not.toHaveProperty('replaced');
    expectConsistent(second);
    const position = second.load(LOG)?.seq ?? 0;
    disk.free();
    const next = position + 1;
    second.commit({ state: stateAt(next), cutoffs: [cutoff({ value: `row-${next}` }, next)] });
    expectConsistent(second);
  });
});

test('the process that fills a file on an intact disk reports success', () => {
  const path = freshPath();
  expect(runOn(path, [])).toEqual({ failures: 0, denied: ROWS });
  expectConsistent(open(path));
});
