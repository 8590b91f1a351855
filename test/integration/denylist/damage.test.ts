import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Denylist } from '@rescind/denylist';
import { openDenylist } from '@rescind/denylist';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { cutoff, everything, freshPath, LOG, leftByKill, open, stateAt } from './support.ts';

// The position in a file means that every earlier row is in it. Whatever happens to its bytes, the file is either set aside, or returns
// the same rows as before.

const STATE = stateAt(400, { logTime: 1_000, suspect: 'quarantined' });
const QUARANTINED = { log: LOG, epoch: '0001-a', seq: 7, jws: 'a.b.c', reason: 'version' };
const KEYS = '{"keys":[{"kid":"k1"}]}';

/** Ids of every kind, rows in order and rows that are staged. */
function fill(denylist: Denylist): void {
  const rows = (from: number, count: number): CutOffRow[] =>
    Array.from({ length: count }, (_, index) => {
      const number = from + index;
      const bytes = Buffer.from(String(number).padStart(16, '0')).reverse();
      if (number % 3 === 0) return cutoff({ value: bytes.toString('base64url') }, number + 1);
      if (number % 3 === 1) return cutoff({ claim: 'jti', value: `token-${number}`, endsSession: false }, number + 1);
      return cutoff({ claim: 'sub', value: `user-${number}`, issuedUntil: number * 1_000 }, number + 1);
    });
  denylist.commit({ state: stateAt(150), cutoffs: rows(0, 150), quarantine: [QUARANTINED] });
  for (let beat = 0; beat < 16; beat += 1) denylist.commit({ state: stateAt(150), cutoffs: [] });
  denylist.commit({ state: STATE, cutoffs: rows(150, 250) });
  denylist.write('keys', KEYS);
}

/** Every row and every document of a denylist. */
function answers(denylist: Denylist) {
  const rows = Array.from({ length: 400 }, (_, number) => {
    const value = Buffer.from(String(number).padStart(16, '0')).reverse().toString('base64url');
    return [
      denylist.row(LOG, 'sid', value),
      denylist.row(LOG, 'jti', `token-${number}`),
      denylist.row(LOG, 'sub', `user-${number}`),
    ];
  });
  const texts = [denylist.read('keys'), denylist.quarantined(LOG), denylist.load(LOG)];
  return { rows, texts, names: [...denylist.names(LOG)].sort(), count: denylist.countByClaim() };
}

const isReplaced = (denylist: Denylist) => denylist.health()[0]?.replaced !== undefined;

/** Opens a file and returns its content, or that it was set aside and replaced by an empty one. */
function outcomeOf(path: string, maxMemoryEntries?: number) {
  const denylist = openDenylist({ path, ...(maxMemoryEntries !== undefined && { maxMemoryEntries }) });
  try {
    if (!isReplaced(denylist)) return answers(denylist);
    expect([denylist.load(LOG), denylist.count(), denylist.quarantined(LOG)]).toEqual([undefined, 0, []]);
    return 'set aside';
  } finally {
    denylist.close();
  }
}

const directory = mkdtempSync(join(tmpdir(), 'rescind-damage-'));
afterAll(() => rmSync(directory, { recursive: true }));
let files = 0;
const nextPath = () => join(directory, `${++files}.db`);

/** A file that was closed, one that a kill left, and what both answer. */
const closed = nextPath();
const killed = nextPath();
let before: ReturnType<typeof answers>;
beforeAll(() => {
  const whole = nextPath();
  const denylist = openDenylist({ path: whole });
  fill(denylist);
  before = answers(denylist);
  leftByKill(whole, killed);
  denylist.close();
  copyFileSync(whole, closed);
});

test('an intact file is never set aside', () => {
  expect(Object.keys(before.count).sort()).toEqual(['jti', 'sid', 'sub']);
  const again = nextPath();
  leftByKill(killed, again);
  for (const most of [undefined, 0]) expect(outcomeOf(again, most)).toEqual(before);
  expect(outcomeOf(closed)).toEqual(before);
});

function flipped(source: string, bit: number, parts = ['']): string {
  const path = nextPath();
  for (const part of parts) if (existsSync(source + part)) copyFileSync(source + part, path + part);
  const bytes = readFileSync(path);
  const at = (bit >> 3) % bytes.length;
  bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
  writeFileSync(path, bytes);
  return path;
}

describe('one flipped bit', () => {
  const expectSafe = (path: string, most?: number) => {
    const outcome = outcomeOf(path, most);
    if (outcome !== 'set aside') expect(outcome).toEqual(before);
  };

  test.each([0, 1, 2, 3])('in the header or the first page (byte %s of 4)', (rest) => {
    for (let byte = rest; byte < 108; byte += 4) {
      for (let bit = 0; bit < 8; bit += 1) expectSafe(flipped(closed, byte * 8 + bit));
    }
  });

  test.each([undefined, 0])('anywhere in a closed file (memory: %s)', (most) => {
    fc.assert(
      fc.property(fc.nat(readFileSync(closed).length * 8 - 1), (bit) => expectSafe(flipped(closed, bit), most)),
      { numRuns: 300 },
    );
  });

  test('in the bytes of a row: the file is set aside, whether memory or the file answers', () => {
    const bytes = readFileSync(closed);
    for (const text of ['user-', 'token-', 'txn-', 'a.b.c', KEYS.slice(2, 8), 'logout']) {
      const at = bytes.lastIndexOf(text);
      expect(at).toBeGreaterThan(0);
      for (const most of [undefined, 0]) expect(outcomeOf(flipped(closed, at * 8), most)).toBe('set aside');
    }
  });
});

describe('a copy of a live file', () => {
  /** Rows are added between two copies, so that their pages differ. */
  function twoTimes() {
    const path = freshPath();
    const denylist = openDenylist({ path });
    onTestFinished(() => denylist.close());
    const id = (number: number) => Buffer.from(String(number).padStart(16, '0')).reverse().toString('base64url');
    const rows = (from: number) =>
      Array.from({ length: 2_000 }, (_, at) => cutoff({ value: id(from + at) }, from + at));
    const step = (from: number) => {
      denylist.commit({ state: stateAt(from), cutoffs: rows(from) });
      for (let beat = 0; beat < 16; beat += 1) denylist.commit({ state: stateAt(from), cutoffs: [] });
    };
    const checkpoint = () => {
      const file = new Database(path);
      file.pragma('wal_checkpoint(RESTART)');
      file.close();
    };
    step(0);
    checkpoint();
    step(2_000);
    const early = leftByKill(path, freshPath());
    checkpoint();
    step(4_000);
    const late = leftByKill(path, freshPath());
    return { path, denylist, early, late, id };
  }

  /** Expects all rows before the position of a file, whichever copy the position is from. */
  function expectConsistent(path: string, id: (number: number) => string): void {
    const denylist = open(path);
    const rows = (denylist.load(LOG)?.seq ?? -2_000) + 2_000;
    expect(denylist.count()).toBe(rows);
    for (let number = 0; number < rows; number += 1) expect(denylist.row(LOG, 'sid', id(number))).toBeDefined();
    denylist.close();
  }

  const copies: Record<string, (from: { early: string; late: string }, to: string) => void> = {
    'without its log': ({ late }, to) => cpSync(late, to),
    'of the log alone': ({ late }, to) => cpSync(`${late}-wal`, `${to}-wal`),
    'with the earlier file and the present log': ({ early, late }, to) => {
      cpSync(early, to);
      cpSync(`${late}-wal`, `${to}-wal`);
    },
    'with the present file and the earlier log': ({ early, late }, to) => {
      cpSync(late, to);
      cpSync(`${early}-wal`, `${to}-wal`);
    },
    'with every other page from the earlier file': ({ early, late }, to) => {
      const [old, now] = [readFileSync(early), readFileSync(late)];
      for (let page = 1; page * 4096 < old.length; page += 2)
        old.copy(now, page * 4096, page * 4096, (page + 1) * 4096);
      writeFileSync(to, now);
      cpSync(`${late}-wal`, `${to}-wal`);
    },
    'whose log was cut off': ({ late }, to) => {
      leftByKill(late, to);
      truncateSync(`${to}-wal`, Math.floor(readFileSync(`${to}-wal`).length / 2));
    },
  };
  test.each(Object.entries(copies))('%s holds every row of its position, or is set aside', (_, copy) => {
    const { early, late, id } = twoTimes();
    const torn = freshPath();
    copy({ early, late }, torn);
    expectConsistent(torn, id);
  });
});

test('a file that is truncated anywhere is set aside', () => {
  const { length } = readFileSync(closed);
  for (let bytes = 4_096; bytes < length; bytes += 4_096 * 7 + 13) {
    const path = nextPath();
    copyFileSync(closed, path);
    truncateSync(path, bytes);
    expect(outcomeOf(path)).toBe('set aside');
  }
});

test('an empty file is a new one', () => {
  const path = nextPath();
  writeFileSync(path, '');
  const denylist = open(path);
  expect([denylist.count(), isReplaced(denylist), everything(denylist).rows]).toEqual([0, false, []]);
});
