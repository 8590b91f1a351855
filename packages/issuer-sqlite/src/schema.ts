import { RescindError } from '@rescind/revocation';
import type Database from 'better-sqlite3';

/** The tables of version 1. */
const first = `
CREATE TABLE rescind_meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  issuer TEXT,
  epoch TEXT,
  head INTEGER NOT NULL DEFAULT 0,
  last TEXT,
  floor INTEGER NOT NULL DEFAULT 1,
  clock_floor INTEGER NOT NULL DEFAULT 0,
  greatest_exp INTEGER NOT NULL DEFAULT 0,
  sent_epoch TEXT NOT NULL DEFAULT '',
  sent_seq INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO rescind_meta (id) VALUES (1);

CREATE TABLE rescind_keys (
  kid TEXT PRIMARY KEY,
  purpose TEXT NOT NULL CHECK (purpose IN ('token', 'event')),
  state TEXT NOT NULL CHECK (state IN ('active', 'former', 'revoked')),
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX rescind_keys_active ON rescind_keys (purpose) WHERE state = 'active';

CREATE TABLE rescind_sessions (
  sid TEXT PRIMARY KEY,
  sub TEXT NOT NULL,
  client_id TEXT NOT NULL,
  audience TEXT NOT NULL,
  scope TEXT,
  device_name TEXT,
  amr TEXT NOT NULL,
  credential_version INTEGER NOT NULL,
  auth_time INTEGER NOT NULL,
  absolute_expires_at INTEGER NOT NULL,
  greatest_exp INTEGER NOT NULL,
  ended_at INTEGER,
  end_reason TEXT
) STRICT;
CREATE INDEX rescind_sessions_sub ON rescind_sessions (sub);
CREATE INDEX rescind_sessions_client ON rescind_sessions (client_id);
CREATE INDEX rescind_sessions_expiry ON rescind_sessions (absolute_expires_at);
CREATE INDEX rescind_sessions_ended ON rescind_sessions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE rescind_refresh_tokens (
  selector TEXT PRIMARY KEY,
  verifier_hash BLOB NOT NULL,
  sid TEXT NOT NULL REFERENCES rescind_sessions (sid) ON DELETE CASCADE,
  idle_expires_at INTEGER NOT NULL,
  used_at INTEGER,
  successor TEXT,
  sealed BLOB
) STRICT;
CREATE INDEX rescind_refresh_tokens_sid ON rescind_refresh_tokens (sid);
CREATE UNIQUE INDEX rescind_refresh_tokens_successor ON rescind_refresh_tokens (successor);
CREATE INDEX rescind_refresh_tokens_sealed ON rescind_refresh_tokens (used_at) WHERE sealed IS NOT NULL;

CREATE TABLE rescind_revocations (
  iss TEXT NOT NULL,
  claim TEXT NOT NULL,
  value TEXT NOT NULL,
  issued_until INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  session_until INTEGER NOT NULL,
  txn TEXT NOT NULL,
  reason TEXT NOT NULL,
  epoch TEXT NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (iss, claim, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX rescind_revocations_expiry ON rescind_revocations (expires_at);

CREATE TABLE rescind_outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  jti TEXT NOT NULL UNIQUE,
  txn TEXT NOT NULL,
  jws TEXT NOT NULL,
  revocation TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  appended_at INTEGER NOT NULL
) STRICT;
`;

/**
 * Version 2: clients with policies, and the device of a session. A session has one refresh token at a time, so
 * it is kept with the session; of each used token only a digest is kept, by which its reuse is detected.
 */
const sessions = `
CREATE TABLE rescind_clients (
  client_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  auth_method TEXT NOT NULL CHECK (auth_method IN ('none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt')),
  secret_hashes TEXT NOT NULL DEFAULT '[]',
  jwks TEXT,
  may_introspect INTEGER NOT NULL DEFAULT 0,
  scope TEXT,
  audience TEXT,
  policy TEXT NOT NULL DEFAULT '{}',
  disabled INTEGER NOT NULL DEFAULT 0
) STRICT;
-- Whoever had sessions before there was a registry was a public client.
INSERT INTO rescind_clients (client_id, name, auth_method)
  SELECT DISTINCT client_id, client_id, 'none' FROM rescind_sessions WHERE client_id <> 'web';

CREATE TABLE rescind_client_assertions (
  client_id TEXT NOT NULL,
  digest BLOB NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (client_id, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX rescind_client_assertions_expiry ON rescind_client_assertions (expires_at);

ALTER TABLE rescind_sessions ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rescind_sessions ADD COLUMN last_used_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rescind_sessions ADD COLUMN idle_expires_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rescind_sessions ADD COLUMN device_id TEXT;
ALTER TABLE rescind_sessions ADD COLUMN address TEXT;
ALTER TABLE rescind_sessions ADD COLUMN user_agent TEXT;
ALTER TABLE rescind_sessions ADD COLUMN storage TEXT NOT NULL DEFAULT 'body' CHECK (storage IN ('body', 'cookie'));
ALTER TABLE rescind_sessions ADD COLUMN acr TEXT;
ALTER TABLE rescind_sessions ADD COLUMN policy TEXT;
ALTER TABLE rescind_sessions ADD COLUMN reauthentication_reason TEXT;
-- The refresh token: its selector never changes; the former one may be retried while what is sealed is there.
ALTER TABLE rescind_sessions ADD COLUMN selector TEXT;
ALTER TABLE rescind_sessions ADD COLUMN verifier_hash BLOB;
ALTER TABLE rescind_sessions ADD COLUMN former_hash BLOB;
ALTER TABLE rescind_sessions ADD COLUMN rotated_at INTEGER;
ALTER TABLE rescind_sessions ADD COLUMN sealed BLOB;
-- The newest access token, which alone may buy another, and the one that bought it.
ALTER TABLE rescind_sessions ADD COLUMN newest_jti TEXT;
ALTER TABLE rescind_sessions ADD COLUMN newest_exp INTEGER;
ALTER TABLE rescind_sessions ADD COLUMN newest_scope TEXT;
ALTER TABLE rescind_sessions ADD COLUMN renewed_jti TEXT;
ALTER TABLE rescind_sessions ADD COLUMN renewed_at INTEGER;

UPDATE rescind_sessions SET
  created_at = auth_time,
  last_used_at = MAX(auth_time,
    COALESCE((SELECT MAX(used_at) FROM rescind_refresh_tokens AS token WHERE token.sid = rescind_sessions.sid), 0)),
  idle_expires_at =
    COALESCE((SELECT MAX(idle_expires_at) FROM rescind_refresh_tokens AS token WHERE token.sid = rescind_sessions.sid), 0),
  (selector, verifier_hash) = (
    SELECT selector, verifier_hash FROM rescind_refresh_tokens AS token
    WHERE token.sid = rescind_sessions.sid AND used_at IS NULL
  );
-- What version 1 sealed stays closed: whoever lost an answer just then logs in again.
UPDATE rescind_sessions SET (former_hash, rotated_at) = (
  SELECT verifier_hash, used_at FROM rescind_refresh_tokens AS token
  WHERE token.successor = rescind_sessions.selector
);

-- What a session has spent: 16 bytes of the SHA-256 of a refresh token's verifier, or of an access token's jti.
CREATE TABLE rescind_spent (
  sid TEXT NOT NULL REFERENCES rescind_sessions (sid) ON DELETE CASCADE,
  digest BLOB NOT NULL,
  PRIMARY KEY (sid, digest)
) STRICT, WITHOUT ROWID;
INSERT INTO rescind_spent (sid, digest)
  SELECT sid, substr(verifier_hash, 1, 16) FROM rescind_refresh_tokens WHERE used_at IS NOT NULL;

-- Tokens of version 1 had a selector each.
CREATE TABLE rescind_former_selectors (
  selector TEXT PRIMARY KEY,
  sid TEXT NOT NULL REFERENCES rescind_sessions (sid) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO rescind_former_selectors (selector, sid)
  SELECT selector, sid FROM rescind_refresh_tokens WHERE used_at IS NOT NULL;
CREATE INDEX rescind_former_selectors_sid ON rescind_former_selectors (sid);
DROP TABLE rescind_refresh_tokens;

CREATE UNIQUE INDEX rescind_sessions_selector ON rescind_sessions (selector);
DROP INDEX rescind_sessions_sub;
CREATE INDEX rescind_sessions_sub ON rescind_sessions (sub, created_at, sid);
DROP INDEX rescind_sessions_client;
CREATE INDEX rescind_sessions_client ON rescind_sessions (client_id, created_at, sid);
CREATE INDEX rescind_sessions_created ON rescind_sessions (created_at, sid);
-- Housekeeping goes through the table a piece at a time: no index has to be kept of times that each use moves.
DROP INDEX rescind_sessions_expiry;
DROP INDEX rescind_sessions_ended;

CREATE INDEX rescind_outbox_txn ON rescind_outbox (txn, seq);
`;

/** Version 3: keys that are published before they sign. SQLite cannot change a CHECK, so the table is created again. */
const keyRotation = `
CREATE TABLE rescind_keys_3 (
  kid TEXT PRIMARY KEY,
  purpose TEXT NOT NULL CHECK (purpose IN ('token', 'event')),
  alg TEXT NOT NULL CHECK (alg IN ('RS256', 'ES256')),
  state TEXT NOT NULL CHECK (state IN ('next', 'active', 'former', 'revoked')),
  cause TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  activated_at INTEGER,
  retires_at INTEGER
) STRICT;
INSERT INTO rescind_keys_3 (kid, purpose, alg, state, cause, created_at, activated_at)
  SELECT kid, purpose, 'RS256', state, 'start', created_at, created_at FROM rescind_keys;
DROP TABLE rescind_keys;
ALTER TABLE rescind_keys_3 RENAME TO rescind_keys;
CREATE UNIQUE INDEX rescind_keys_active ON rescind_keys (purpose) WHERE state = 'active';
CREATE UNIQUE INDEX rescind_keys_next ON rescind_keys (purpose) WHERE state = 'next';
`;

/** Version 4: since which epoch the times of the log are right, and the last event of each epoch that ended because its key was revoked. Opening an epoch clears the outbox. */
const closingEvents = `
CREATE TABLE rescind_last_words (
  epoch TEXT PRIMARY KEY,
  jws TEXT NOT NULL,
  sent INTEGER NOT NULL DEFAULT 0
) STRICT;
ALTER TABLE rescind_meta ADD COLUMN time_since TEXT;
`;

/** Version 5: every other issuer whose tokens the log ever cut off, also when the rows have been removed. */
const otherIssuers = `
CREATE TABLE rescind_other_issuers (iss TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
INSERT INTO rescind_other_issuers (iss)
  SELECT DISTINCT iss FROM rescind_revocations WHERE iss <> (SELECT issuer FROM rescind_meta);
`;

/** Version 6: events have the key (epoch, seq). SQLite cannot change a primary key, so the table is created again. Earlier versions have rows of the present epoch only. */
const outboxKey = `
CREATE TABLE rescind_outbox_6 (
  epoch TEXT NOT NULL,
  seq INTEGER NOT NULL,
  jti TEXT NOT NULL UNIQUE,
  txn TEXT NOT NULL,
  jws TEXT NOT NULL,
  revocation TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  appended_at INTEGER NOT NULL,
  PRIMARY KEY (epoch, seq)
) STRICT;
INSERT INTO rescind_outbox_6 (epoch, seq, jti, txn, jws, revocation, expires_at, appended_at)
  SELECT (SELECT epoch FROM rescind_meta), seq, jti, txn, jws, revocation, expires_at, appended_at
  FROM rescind_outbox ORDER BY seq;
DROP TABLE rescind_outbox;
ALTER TABLE rescind_outbox_6 RENAME TO rescind_outbox;
CREATE INDEX rescind_outbox_txn ON rescind_outbox (txn, epoch, seq);
`;

/**
 * Version 7: the outbox has an event once, as its signed text, and the last segment of its type, which was parsed from that text for
 * each publication.
 */
function eventOnce(database: Database.Database): void {
  // Reads the type out of the text that an earlier version signed.
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

/** Version 8: the instances that report how far they have applied the log. `age_ms` may be a fraction. */
const instances = `
CREATE TABLE rescind_instances (
  id TEXT PRIMARY KEY,
  client_id TEXT NOT NULL,
  name TEXT NOT NULL,
  version TEXT,
  transport TEXT,
  suspect TEXT,
  epoch TEXT NOT NULL,
  seq INTEGER NOT NULL,
  age_ms REAL,
  reported_at INTEGER NOT NULL,
  leases TEXT NOT NULL,
  steps TEXT NOT NULL,
  forgotten INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;

/** Version 9: what happened to users and their sessions. Each index ends with the rowid, which is `seq`. */
const userEvents = `
CREATE TABLE rescind_user_events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  type TEXT NOT NULL,
  sub TEXT,
  sid TEXT,
  client_id TEXT,
  code TEXT,
  reason TEXT,
  actor TEXT,
  txn TEXT,
  address TEXT,
  user_agent TEXT,
  device_name TEXT,
  count INTEGER NOT NULL
) STRICT;
CREATE INDEX rescind_user_events_at ON rescind_user_events (at);
CREATE INDEX rescind_user_events_sub ON rescind_user_events (sub, at) WHERE sub IS NOT NULL;
CREATE INDEX rescind_user_events_sid ON rescind_user_events (sid, at) WHERE sid IS NOT NULL;
CREATE INDEX rescind_user_events_type ON rescind_user_events (type, at);
CREATE INDEX rescind_user_events_wide ON rescind_user_events (at) WHERE type = 'sessions_ended' AND sub IS NULL;
`;

/**
 * Each entry takes a database from one version to the next, rows and all; never changed once released. The version is
 * kept in a table of the issuer: `user_version` belongs to the host, whose tables are in the same file.
 */
const MIGRATIONS: readonly (string | ((database: Database.Database) => void))[] = [
  ...[first, sessions, keyRotation, closingEvents, otherIssuers, outboxKey],
  eventOnce,
  instances,
  userEvents,
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
