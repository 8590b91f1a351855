import { DatabaseSync } from 'node:sqlite';
import type { Denylist } from '@rescind/denylist';
import { openDenylist } from '@rescind/denylist';
import { describe, expect, test } from 'vitest';
import type { Open } from './support.ts';
import { cutoff, freshPath, LOG, leftByKill, mutated, REFUSED, refuseRows, stateAt } from './support.ts';

// Each mistake that a hasty builder of the denylist could make is made in a copy of its source, and the scenarios below have to
// notice it.

const kept = (path: string, open: Open, check: (denylist: Denylist) => void, maxMemoryEntries = 1_000) => {
  const denylist = open({ path, maxMemoryEntries });
  try {
    expect(denylist.health()[0]).not.toHaveProperty('replaced');
    check(denylist);
  } finally {
    denylist.close();
  }
};

const isSetAside = (path: string, open: Open, maxMemoryEntries: number) => {
  const denylist = open({ path, maxMemoryEntries });
  const [check] = denylist.health();
  denylist.close();
  expect(check).toHaveProperty('replaced');
};

const sessions = (count: number, from = 0) =>
  Array.from({ length: count }, (_, at) => cutoff({ value: `s${from + at}` }, from + at + 1));

function filled(open: Open, ...changes: Parameters<Denylist['commit']>[0][]): string {
  const path = freshPath();
  const denylist = open({ path });
  for (const change of changes) denylist.commit(change);
  denylist.close();
  return path;
}

/** The four sums of the rows of a file. */
function sumsOf(path: string): number[] {
  const file = new DatabaseSync(path, { readOnly: true });
  const { sums } = file.prepare("SELECT sums FROM digest WHERE name = 'rows'").get() as { sums: Uint8Array };
  file.close();
  return [0, 4, 8, 12].map((at) => Buffer.from(sums).readUInt32LE(at));
}

const SCENARIOS: Readonly<Record<string, (open: Open) => void>> = {
  'sums add up': (open) => {
    const [a, b] = [cutoff({ value: 'a' }), cutoff({ value: 'b' })];
    const [one, other, both] = [[a], [b], [a, b]].map((cutoffs) =>
      sumsOf(filled(open, { state: stateAt(1), cutoffs })),
    );
    expect(both).toEqual(one?.map((sum, at) => (sum + (other?.[at] ?? 0)) % 2 ** 32));
  },
  'a file left by a kill is intact': (open) => {
    const path = freshPath();
    const denylist = open({ path });
    denylist.commit({ state: stateAt(200), cutoffs: sessions(200) });
    const left = leftByKill(path, freshPath());
    denylist.close();
    kept(left, open, (again) => expect(again.count()).toBe(200));
  },
  'merged and pruned rows, states, events and documents leave an intact file': (open) => {
    const event = { log: LOG, epoch: '0001-a', seq: 1, jws: 'a.b.c', reason: 'version' };
    const path = freshPath();
    const denylist = open({ path });
    denylist.commit({ state: stateAt(1), cutoffs: sessions(3), quarantine: [event] });
    denylist.commit({
      state: stateAt(2),
      cutoffs: [cutoff({ value: 's1', expiresAt: 9_000 }, 9)],
      quarantine: [event],
    });
    for (const text of ['one', 'two']) denylist.write('keys', text);
    expect(denylist.prune([LOG], 5_000)).toBe(2);
    const accept = refuseRows(path);
    expect(() => denylist.commit({ state: stateAt(3), cutoffs: [cutoff({ value: REFUSED })] })).toThrow();
    accept();
    denylist.commit({ state: stateAt(4), cutoffs: [], release: [event] });
    denylist.close();
    for (const most of [0, 1_000]) kept(path, open, (again) => expect(again.count()).toBe(2), most);
  },
  'a changed or missing row is noticed, whether memory or the file answers': (open) => {
    for (const most of [0, 1_000]) {
      for (const sql of [
        "DELETE FROM cutoff WHERE value = 's1'",
        "UPDATE cutoff SET expires_at = 1 WHERE value = 's1'",
      ]) {
        const path = filled(open, { state: stateAt(3), cutoffs: sessions(3) });
        const file = new DatabaseSync(path);
        file.exec(sql);
        file.close();
        isSetAside(path, open, most);
      }
    }
  },
  'a changed state, event or document is noticed': (open) => {
    const event = { log: LOG, epoch: '0001-a', seq: 1, jws: 'a.b.c', reason: 'version' };
    for (const sql of [
      `UPDATE log SET state = replace(state, '"seq":3', '"seq":4')`,
      "UPDATE quarantine SET jws = 'a.b.d'",
      "UPDATE document SET text = 'other'",
    ]) {
      const path = freshPath();
      const denylist = open({ path });
      denylist.commit({ state: stateAt(3), cutoffs: [], quarantine: [event] });
      denylist.write('keys', 'one');
      denylist.close();
      const file = new DatabaseSync(path);
      file.exec(sql);
      file.close();
      isSetAside(path, open, 1_000);
    }
  },
  'pending rows are found first, in every mode': (open) => {
    for (const most of [0, 1_000]) {
      const path = filled(open, {
        state: stateAt(1),
        cutoffs: [cutoff({ claim: 'sub', value: 'u', issuedUntil: 10 })],
      });
      kept(
        path,
        open,
        (denylist) => {
          expect(denylist.row(LOG, 'sub', 'u')?.issuedUntil).toBe(10);
          const later = cutoff({ claim: 'sub', value: 'u', issuedUntil: 20 }, 2);
          denylist.enforce({ state: stateAt(2), cutoffs: [later, cutoff({ value: 's1' }, 2)] });
          expect([...denylist.names(LOG)].sort()).toEqual(['sid', 'sub']);
          expect(denylist.row(LOG, 'sub', 'u')?.issuedUntil).toBe(20);
          expect(denylist.row(LOG, 'sid', 's1')).toBeDefined();
          expect(denylist.load(LOG)?.seq).toBe(1);
        },
        most,
      );
    }
  },
};

test.each(Object.entries(SCENARIOS))('%s', (_, scenario) => scenario(openDenylist));

const MUTANTS: Readonly<Record<string, readonly [file: string, from: string, to: string]>> = {
  'an exclusive-or instead of a sum': [
    'digest.ts',
    '((sums.words[at] as number) + (digest[at] as number)) | 0',
    '(sums.words[at] as number) ^ (digest[at] as number)',
  ],
  'staged rows are not counted': ['scan.ts', 'length: TABLES', 'length: 0'],
  'a merged row is not subtracted': [
    'table.ts',
    'if (existing !== undefined) digest.subtract(digestOfRow(toStored(existing)));',
    '',
  ],
  'a pruned row is not subtracted': ['table.ts', 'for (const row of removed) digest.subtract(digestOfRow(row));', ''],
  'a changed state is not subtracted': ['log-states.ts', 'if (stored !== undefined) digest.subtract(stored);', ''],
  'a changed document is not subtracted': [
    'log-states.ts',
    "if (stored !== undefined) digest.subtract(digestOf('document', name, stored));",
    '',
  ],
  'a failed commit stays in the digests of states': ['denylist.ts', 'logStates.rolledBack();', ''],
  'an event is not subtracted': [
    'log-states.ts',
    'if (stored !== undefined) digest.subtract(digestOfEvent(stored));',
    '',
  ],
  'a failed commit stays in the digest': ['file-access.ts', 'digests.rolledBack();', ''],
  'the times of a row are not in its digest': ['digest.ts', '  putTimeAndSeq(into, expiresAt, seq);', ''],
  'the file is not compared': ['open.ts', 'version === VERSION ? compare(database, file) : undefined', 'void compare'],
  'a file above the ceiling of memory is not compared': ['inspect.ts', 'return agrees ?', 'return agrees || true ?'],
  'log states are not compared': ['digest.ts', ' && isSame(logs, scanned.logs)', ''],
  'names are those of the file': ['denylist.ts', '    names,\n', '    names: rowCounts.names,\n'],
  'memory excludes pending rows': [
    'denylist.ts',
    'const pendingRow = pending.find(iss, claim, value);',
    'const pendingRow = memory.excludes(iss, claim, value) ? undefined : pending.find(iss, claim, value);',
  ],
  'a cached row hides a pending one': [
    'denylist.ts',
    'return pendingRow === undefined ? rowOfFile(iss, claim, value) : withRowOfFile(pendingRow);',
    'return rowOfFile(iss, claim, value) ?? (pendingRow && withRowOfFile(pendingRow));',
  ],
};

describe('the scenarios detect the fault', () => {
  test.each(Object.entries(MUTANTS))('%s', async (_, mutant) => {
    const open = await mutated(...mutant);
    const noticed = Object.values(SCENARIOS).filter((scenario) => {
      try {
        scenario(open);
        return false;
      } catch {
        return true;
      }
    });
    expect(noticed.length).toBeGreaterThan(0);
  });
});
