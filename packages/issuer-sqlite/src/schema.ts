import { RescindError } from '@rescind/revocation';
import type Database from 'better-sqlite3';
import { eventOnce } from './migrations/event-once.ts';
import { first } from './migrations/first.ts';
import { keyRotation } from './migrations/key-rotation.ts';
import { lastWords } from './migrations/last-words.ts';
import { otherIssuers } from './migrations/other-issuers.ts';
import { outboxKey } from './migrations/outbox-key.ts';
import { sessions } from './migrations/sessions.ts';

/**
 * Each entry takes a database from one version to the next, rows and all; never changed once released. The version is
 * kept in a table of ours: `user_version` belongs to the host, whose tables are in the same file.
 */
const MIGRATIONS: readonly (string | ((database: Database.Database) => void))[] = [
  ...[first, sessions, keyRotation, lastWords, otherIssuers, outboxKey],
  eventOnce,
];

/** @throws RescindError `database_newer` */
export function migrate(database: Database.Database, path: string): void {
  database
    .transaction(() => {
      database.exec('CREATE TABLE IF NOT EXISTS rescind_schema (version INTEGER NOT NULL) STRICT');
      const version = database.prepare<[], number>('SELECT version FROM rescind_schema').pluck().get() ?? 0;
      if (version > MIGRATIONS.length) {
        throw new RescindError('database_newer', {
          detail: `${path} has version ${version}, known is ${MIGRATIONS.length}`,
        });
      }
      if (version === MIGRATIONS.length) return;
      for (const migration of MIGRATIONS.slice(version)) {
        if (typeof migration === 'string') database.exec(migration);
        else migration(database);
      }
      database.exec('DELETE FROM rescind_schema');
      database.prepare('INSERT INTO rescind_schema (version) VALUES (?)').run(MIGRATIONS.length);
    })
    .immediate();
}
