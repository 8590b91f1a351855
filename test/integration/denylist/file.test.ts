import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { openDenylist } from '@rescind/denylist';
import type { Telemetry } from '@rescind/revocation';
import { createManualClock, silentTelemetry } from '@rescind/revocation';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { cutoff, freshPath, LOG, open, stateAt } from './support.ts';

const locked = expect.objectContaining({ code: 'denylist_locked' });

describe('the owner of a denylist', () => {
  test('a second owner in the same process is refused, by whichever path', () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'denylist.db');
    const first = open(path);
    symlinkSync(path, join(directory, 'link.db'));
    mkdirSync(join(directory, 'sub'));
    symlinkSync(directory, join(directory, 'sub', 'up'));
    for (const way of [path, join(directory, 'link.db'), join(directory, 'sub', 'up', 'denylist.db')]) {
      expect(() => openDenylist({ path: way })).toThrow(locked);
    }
    linkSync(path, join(directory, 'hard.db'));
    expect(() => openDenylist({ path: join(directory, 'hard.db') })).toThrow(locked);
    first.commit({ state: stateAt(1), cutoffs: [cutoff()] });
    expect(first.count()).toBe(1);
  });

  test('a closed denylist may be opened again', () => {
    const path = freshPath();
    openDenylist({ path }).close();
    open(path);
  });

  test('a second process is refused, and the lock of a killed one is gone', async () => {
    const path = freshPath();
    const holder = spawn(process.execPath, [fileURLToPath(new URL('hold.ts', import.meta.url)), path]);
    onTestFinished(() => void holder.kill('SIGKILL'));
    const [line] = await once(holder.stdout, 'data');
    expect(String(line)).toBe('open 0\n');
    expect(() => openDenylist({ path })).toThrow(locked);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    open(path);
  });

  test('a copy at another path opens beside the first, with its rows', () => {
    const path = freshPath();
    const first = openDenylist({ path });
    first.commit({ state: stateAt(4), cutoffs: [cutoff()] });
    first.close();
    const copy = join(temporaryDirectory(), 'copy.db');
    copyFileSync(path, copy);
    open(path);
    expect(open(copy).load(LOG)?.seq).toBe(4);
  });
});

test('only its owner may read the files', () => {
  const path = freshPath();
  const denylist = open(path);
  denylist.commit({ state: stateAt(1), cutoffs: [cutoff()] });
  for (const file of [path, `${path}-wal`, `${path}.lock`]) expect(statSync(file).mode & 0o077).toBe(0);
});

test('the directory is created', () => {
  const path = join(temporaryDirectory(), 'a', 'b', 'denylist.db');
  expect(open(path).count()).toBe(0);
});

test('a path where no file can exist is refused with a code', () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'file'), 'not a directory');
  const below = [join(directory, 'file', 'denylist.db'), ...(existsSync('/proc/self') ? ['/proc/rescind/a/b.db'] : [])];
  for (const path of below) {
    expect(() => openDenylist({ path })).toThrow(expect.objectContaining({ code: 'denylist_unreadable' }));
  }
});

test.each(['a directory', 'a pipe', 'a device'])('%s is refused by its kind', (kind) => {
  const path = kind === 'a device' ? '/dev/null' : join(temporaryDirectory(), 'denylist.db');
  if (kind === 'a directory') mkdirSync(path);
  if (kind === 'a pipe') execFileSync('mkfifo', [path]);
  expect(() => openDenylist({ path })).toThrow(
    expect.objectContaining({ code: 'configuration_invalid', detail: `${path} is ${kind}: give the path of a file` }),
  );
});

describe('versions', () => {
  test('ids that an earlier version wrote as text and as bare UUIDs are found', () => {
    const path = freshPath();
    const old = new DatabaseSync(path);
    old.exec(`
      CREATE TABLE word (id INTEGER PRIMARY KEY, text ANY NOT NULL UNIQUE) STRICT;
      CREATE TABLE cutoff (
        iss INTEGER NOT NULL, claim INTEGER NOT NULL, value ANY NOT NULL,
        issued_until INTEGER, expires_at INTEGER, session_until INTEGER,
        txn ANY NOT NULL, reason INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
        PRIMARY KEY (iss, claim, value)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE log (log TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE quarantine (
        log TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, jws TEXT NOT NULL, why TEXT NOT NULL,
        PRIMARY KEY (log, epoch, seq)
      ) STRICT;
      CREATE TABLE document (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;
      CREATE INDEX cutoff_expiry ON cutoff (iss, expires_at) WHERE expires_at IS NOT NULL;
      INSERT INTO word (text) VALUES ('${LOG}'), ('sid'), ('logout'), (x'0190c2d47a5e7abc8def0123456789ab');
      PRAGMA application_id = ${0x52444e59};
      PRAGMA user_version = 2;
    `);
    const uuid = '0190c2d4-7a5e-7abc-8def-0123456789ab';
    const bits = Buffer.from(uuid.replaceAll('-', ''), 'hex');
    const stored: [value: string, stored: string | Buffer][] = [
      [uuid, bits],
      [bits.toString('base64url'), bits.toString('base64url')],
      ['s1', 's1'],
      ['\ud800', Buffer.from([0, 0x00, 0xd8])],
      // As many bytes as a UUID with the byte before it.
      ['12345678'.replace('8', '\ud800'), Buffer.concat([Buffer.of(0), Buffer.from('1234567\ud800', 'utf16le')])],
    ];
    const insert = old.prepare('INSERT INTO cutoff VALUES (1, 2, ?, NULL, 2000, NULL, ?, 3, 4, 1)');
    for (const [, value] of stored) insert.run(value, value);
    old.close();

    for (let opening = 1; opening <= 2; opening++) {
      const denylist = openDenylist({ path });
      expect(denylist.count()).toBe(stored.length);
      for (const [value] of stored) {
        expect(denylist.row(LOG, 'sid', value)).toEqual({ ...cutoff({ value }), txn: value, epoch: uuid });
      }
      denylist.close();
    }
    const now = new DatabaseSync(path);
    expect(now.prepare("SELECT count(*) AS names FROM sqlite_schema WHERE name = 'cutoff_expiry'").get()).toEqual({
      names: 0,
    });
    expect(now.prepare('SELECT length(value) AS bytes FROM cutoff WHERE typeof(value) = ?').all('blob')).toHaveLength(
      4,
    );
    now.close();
  });

  test('a newer file is refused and left unchanged', () => {
    const path = freshPath();
    openDenylist({ path }).close();
    const newer = new DatabaseSync(path);
    newer.exec("PRAGMA user_version = 99; UPDATE digest SET entries = 99 WHERE name = 'version'");
    newer.close();
    const before = readFileSync(path);
    expect(() => openDenylist({ path })).toThrow(expect.objectContaining({ code: 'denylist_newer' }));
    expect(readFileSync(path)).toEqual(before);
  });

  test("another program's database is refused and left unchanged", () => {
    const path = freshPath();
    const other = new DatabaseSync(path);
    other.exec('CREATE TABLE account (name TEXT)');
    other.close();
    expect(() => openDenylist({ path })).toThrow(expect.objectContaining({ code: 'configuration_invalid' }));
    const still = new DatabaseSync(path, { readOnly: true });
    expect(still.prepare('SELECT count(*) AS rows FROM account').get()).toEqual({ rows: 0 });
    still.close();
  });
});

describe('a damaged file', () => {
  const damages: Record<string, (path: string) => void> = {
    'is no database': (path) => writeFileSync(path, 'These are the times that try men’s souls. '.repeat(50)),
    'was cut off': (path) => truncateSync(path, 4096),
    'has a broken page': (path) => {
      const bytes = readFileSync(path);
      bytes.fill(0xff, 4096, 12_288);
      writeFileSync(path, bytes);
    },
  };
  for (const [what, damage] of Object.entries(damages)) {
    test(`that ${what} is set aside, and an empty one started`, () => {
      const path = freshPath();
      const first = openDenylist({ path });
      const rows = Array.from({ length: 2_000 }, (_, index) => cutoff({ value: `session-${index}` }));
      first.commit({ state: stateAt(1), cutoffs: rows });
      first.close();
      damage(path);
      const damaged = readFileSync(path);

      const seen: string[] = [];
      const telemetry: Telemetry = {
        ...silentTelemetry,
        count: (metric) => void seen.push(metric),
        log: (level, event) => void seen.push(`${level} ${event}`),
      };
      const denylist = openDenylist({ path, telemetry, clock: createManualClock(Date.UTC(2026, 10, 23)) });
      onTestFinished(() => denylist.close());
      expect(seen).toEqual(['rescind_denylist_replaced_total', 'error denylist_replaced']);
      const name = 'denylist.db.damaged-20261123T000000000Z';
      expect(denylist.health()).toMatchObject([{ name: 'denylist', status: 'warn', entries: 0, replaced: name }]);
      expect(denylist.load(LOG)).toBeUndefined();
      expect(readFileSync(join(path, '..', name))).toEqual(damaged);
      denylist.commit({ state: stateAt(1), cutoffs: [cutoff()] });
    });
  }

  test('reports an intact file as intact', () => {
    const path = freshPath();
    openDenylist({ path }).close();
    openDenylist({ path }).close();
    expect(readdirSync(join(path, '..')).filter((name) => name.includes('damaged'))).toEqual([]);
  });
});

test('rows committed before the process was killed are there after a restart', async () => {
  const path = freshPath();
  const first = openDenylist({ path });
  first.commit({ state: stateAt(3), cutoffs: [cutoff()] });
  first.close();
  const holder = spawn(process.execPath, [fileURLToPath(new URL('hold.ts', import.meta.url)), path, 'commit']);
  onTestFinished(() => void holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const denylist = open(path);
  expect(denylist.row(LOG, 'sid', 's1')).toEqual(cutoff());
  expect(denylist.row(LOG, 'sid', 'killed')).toBeDefined();
  expect(denylist.load(LOG)?.seq).toBe(4);
});
