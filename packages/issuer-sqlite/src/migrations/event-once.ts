import type Database from 'better-sqlite3';

/**
 * Version 7: the outbox has an event once, as its signed text, and the last word of its type, which was read out of that text for
 * each publication.
 */
export function eventOnce(database: Database.Database): void {
  // Of what a version before has signed: a row says what its text says.
  database.function('rescind_event_type', { deterministic: true }, (jws) => {
    const [, payload = ''] = String(jws).split('.');
    const [uri = ''] = Object.keys(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')).events);
    return uri.slice(uri.lastIndexOf('/') + 1);
  });
  database.exec(`
    ALTER TABLE rescind_outbox ADD COLUMN type TEXT NOT NULL DEFAULT '';
    UPDATE rescind_outbox SET type = rescind_event_type(jws);
    ALTER TABLE rescind_outbox DROP COLUMN revocation;
  `);
}
