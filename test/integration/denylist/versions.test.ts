import { readFileSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { openDenylist } from '@rescind/denylist';
import { describe, expect, test } from 'vitest';
import { cutoff, freshPath, LOG, open, stateAt } from './support.ts';

// The files of earlier versions, written as those versions wrote them: SQL that is never changed.

const UUID = '0190c2d4-7a5e-7abc-8def-0123456789ab';
const UUID_BITS = Buffer.from(UUID.replaceAll('-', ''), 'hex');
const ROW_COLUMNS = `iss INTEGER NOT NULL, claim INTEGER NOT NULL, value ANY NOT NULL,
     issued_until INTEGER, expires_at INTEGER, session_until INTEGER,
     txn ANY NOT NULL, reason INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL`;
const TABLES = `CREATE TABLE word (id INTEGER PRIMARY KEY, text ANY NOT NULL UNIQUE) STRICT;
   CREATE TABLE cutoff (
     ${ROW_COLUMNS},
     PRIMARY KEY (iss, claim, value)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE log (log TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE quarantine (
     log TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, jws TEXT NOT NULL, why TEXT NOT NULL,
     PRIMARY KEY (log, epoch, seq)
   ) STRICT;
   CREATE TABLE document (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;`;
const INDEX = 'CREATE INDEX cutoff_expiry ON cutoff (iss, expires_at) WHERE expires_at IS NOT NULL;';
const STAGED = Array.from(
  { length: 16 },
  (_, number) => `CREATE TABLE staged_${number} (
     id INTEGER PRIMARY KEY, ${ROW_COLUMNS}
   ) STRICT;`,
).join('');
const DIGEST =
  'CREATE TABLE digest (name TEXT PRIMARY KEY, sums BLOB NOT NULL, entries INTEGER NOT NULL) STRICT, WITHOUT ROWID;';

const SCHEMAS: Readonly<Record<number, string>> = {
  1: TABLES,
  2: TABLES + INDEX,
  3: TABLES,
  4: TABLES + STAGED,
  5: TABLES + STAGED + DIGEST,
  6: `${withOrigins(TABLES + STAGED) + DIGEST}
   CREATE TABLE origin (
     id INTEGER PRIMARY KEY, reason INTEGER NOT NULL, epoch INTEGER NOT NULL, UNIQUE (reason, epoch)
   ) STRICT;`,
};

function withOrigins(tables: string): string {
  return tables.replaceAll('reason INTEGER NOT NULL, epoch INTEGER NOT NULL', 'origin INTEGER NOT NULL');
}

/** The sums that versions 5 and 6 computed for the content below. */
const SUMS_OF_5 = { rows: '28BEEBCE2885B1D2B14BBDBA38434DA7', logs: 'C990A74D1188F4DE6B777EF15ECA3A8D' };

const STATE = {
  ...{ log: LOG, epoch: '0001-a', seq: 5, id: 'event-5', head: 5, floor: 1, logTime: 0, wholeAt: 0, savedAt: 0 },
  ...{ suspect: null, proof: null, hint: null },
};
const EVENT = { log: LOG, epoch: '0001-a', seq: 7, jws: 'a.b.c', reason: 'version' };
/** Of two epochs and two reasons; the third is staged where there are staging tables. */
const ROWS = [
  cutoff(),
  { ...cutoff({ value: UUID, expiresAt: 3_000 }, 2), reason: 'password_changed' },
  { ...cutoff({ claim: 'sub', value: 'user-1', issuedUntil: 1_500 }, 3), epoch: '0002-b' },
  { ...cutoff({ value: UUID_BITS.toString('base64url') }, 4), epoch: '0002-b' },
];

/** Versions 1 and 2 wrote a UUID as its bare 16 bytes, and base64url as text. */
function valueIn(version: number, value: string): string | Buffer {
  if (value === UUID) return version < 3 ? UUID_BITS : Buffer.concat([Buffer.of(1), UUID_BITS]);
  return value === UUID_BITS.toString('base64url') && version >= 3 ? UUID_BITS : value;
}

function fileOf(version: number): string {
  const path = freshPath();
  const file = new DatabaseSync(path);
  file.exec(`
    ${SCHEMAS[version]}
    INSERT INTO word (text) VALUES ('${LOG}'), ('sid'), ('logout'), ('0001-a'), ('password_changed'), ('sub'), ('0002-b');
    PRAGMA application_id = ${0x52444e59};
    PRAGMA user_version = ${version};
  `);
  const numbers: Readonly<Record<string, number>> = {
    sid: 2,
    logout: 3,
    '0001-a': 4,
    password_changed: 5,
    sub: 6,
    '0002-b': 7,
  };
  ROWS.forEach(({ claim, value, txn, reason, epoch, seq, ...times }, index) => {
    const [until, expiresAt, session] = [times.issuedUntil, times.expiresAt, times.sessionUntil].map((time) =>
      Number.isSafeInteger(time) && time < Number.MAX_SAFE_INTEGER ? time : null,
    );
    const row = [
      1,
      numbers[claim],
      valueIn(version, value),
      until,
      expiresAt,
      session,
      txn,
      ...(version < 6 ? [numbers[reason], numbers[epoch]] : [originIn(file, numbers[reason], numbers[epoch])]),
      seq,
    ];
    const isStaged = index === 2 && version >= 4;
    const places = row.map(() => '?').join();
    if (isStaged) file.prepare(`INSERT INTO staged_5 VALUES (1, ${places})`).run(...(row as never[]));
    else file.prepare(`INSERT INTO cutoff VALUES (${places})`).run(...(row as never[]));
  });
  file.prepare('INSERT INTO log VALUES (?, ?)').run(LOG, JSON.stringify(STATE));
  file.prepare('INSERT INTO quarantine VALUES (?, ?, ?, ?, ?)').run(...Object.values(EVENT));
  file.prepare("INSERT INTO document VALUES ('keys', 'a set')").run();
  if (version >= 5) {
    const digest = file.prepare('INSERT INTO digest VALUES (?, ?, ?)');
    digest.run('rows', Buffer.from(SUMS_OF_5.rows, 'hex'), ROWS.length);
    digest.run('logs', Buffer.from(SUMS_OF_5.logs, 'hex'), 3);
    digest.run('version', Buffer.alloc(16), version);
  }
  file.close();
  return path;
}

function originIn(file: DatabaseSync, reason = 0, epoch = 0): number {
  const known = file.prepare('SELECT id FROM origin WHERE reason = ? AND epoch = ?').get(reason, epoch);
  if (known !== undefined) return Number(known.id);
  return Number(file.prepare('INSERT INTO origin (reason, epoch) VALUES (?, ?)').run(reason, epoch).lastInsertRowid);
}

/** Expects the whole content after this version has opened the file. */
function expectAll(path: string, maxMemoryEntries?: number): void {
  const denylist = openDenylist({ path, ...(maxMemoryEntries !== undefined && { maxMemoryEntries }) });
  try {
    expect(denylist.health()[0]).not.toHaveProperty('replaced');
    expect(denylist.count()).toBe(ROWS.length);
    for (const row of ROWS) expect(denylist.row(LOG, row.claim, row.value)).toEqual(row);
    expect(denylist.load(LOG)).toEqual(STATE);
    expect(denylist.quarantined(LOG)).toEqual([EVENT]);
    expect(denylist.read('keys')).toBe('a set');
  } finally {
    denylist.close();
  }
}

const VERSIONS = Object.keys(SCHEMAS).map(Number);
const CURRENT = 7;

function read(path: string, sql: string): unknown[] {
  const file = new DatabaseSync(path, { readOnly: true });
  try {
    return file.prepare(sql).all();
  } finally {
    file.close();
  }
}

describe.each(VERSIONS)('a file of version %s', (version) => {
  test('is migrated to this version with all rows, once', () => {
    const path = fileOf(version);
    for (let opening = 1; opening <= 2; opening += 1) expectAll(path);
    expectAll(path, 0);
    expect(read(path, 'PRAGMA user_version')).toEqual([{ user_version: CURRENT }]);
    const digests = read(path, 'SELECT name, hex(sums) AS sums, entries FROM digest ORDER BY name');
    expect(digests).toEqual([
      { name: 'logs', sums: SUMS_OF_5.logs, entries: 3 },
      { name: 'rows', sums: SUMS_OF_5.rows, entries: ROWS.length },
      { name: 'version', sums: '0'.repeat(32), entries: CURRENT },
    ]);
  });

  test('has the tables of a new file after the migration', () => {
    const [path, fresh] = [fileOf(version), freshPath()];
    for (const file of [path, fresh]) openDenylist({ path: file }).close();
    const tables = (file: string) =>
      read(file, 'SELECT type, name, sql FROM sqlite_schema ORDER BY type, name').map((row) =>
        JSON.stringify(row).replaceAll(/(?:\\n|\s)+/g, ' '),
      );
    expect(tables(path)).toEqual(tables(fresh));
  });

  test('has no free pages after the migration, and accepts new rows', () => {
    const path = fileOf(version);
    const file = new DatabaseSync(path);
    const origin = version < 6 ? '3, 4' : '1';
    const many = file.prepare(`INSERT INTO cutoff VALUES (1, 2, ?, NULL, 2000, NULL, 'txn-1', ${origin}, 1)`);
    file.exec('BEGIN');
    for (let number = 0; number < 3_000; number += 1) many.run(`session-${number}`);
    file.exec('COMMIT');
    // Files of version 5 have digests, which these rows are not in.
    if (version >= 5) file.exec("DELETE FROM cutoff WHERE value LIKE 'session-%'");
    file.close();
    const before = statSync(path).size;
    const denylist = openDenylist({ path });
    denylist.commit({ state: stateAt(6), cutoffs: [cutoff({ value: 'after' }, 6)] });
    denylist.close();
    expect(read(path, 'PRAGMA freelist_count')).toEqual([{ freelist_count: 0 }]);
    expect(statSync(path).size).toBeLessThanOrEqual(before + 24 * 4_096);
    const again = open(path);
    expect(again.row(LOG, 'sid', 'after')).toEqual(cutoff({ value: 'after' }, 6));
    expect(again.row(LOG, 'sid', UUID)).toEqual(ROWS[1]);
  });
});

test.each([
  ['a row that is missing', "DELETE FROM cutoff WHERE value = 's1'"],
  ['a row that is missing where rows wait', 'DELETE FROM staged_5'],
  ['a row of another reason', "UPDATE cutoff SET reason = 6 WHERE value = 's1'"],
  ['a row of a word that there is not', "UPDATE cutoff SET epoch = 99 WHERE value = 's1'"],
  ['another state of the log', "UPDATE log SET state = replace(state, '5', '6')"],
])('a file of version 5 with %s is set aside unchanged', (_, sql) => {
  const path = fileOf(5);
  const file = new DatabaseSync(path);
  file.exec(sql);
  file.close();
  const rows = (of: string) => read(of, 'SELECT count(*) AS rows FROM cutoff');
  const before = rows(path);
  const denylist = open(path);
  expect(denylist.count()).toBe(0);
  const name = denylist.health()[0]?.replaced;
  const aside = path.replace('denylist.db', String(name));
  expect([rows(aside), read(aside, 'PRAGMA user_version')]).toEqual([before, [{ user_version: 5 }]]);
  expect(() => readFileSync(aside)).not.toThrow();
});
