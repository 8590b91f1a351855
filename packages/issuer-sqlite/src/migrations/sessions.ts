/**
 * Version 2: clients with policies, and what a session knows of its device. A session has one refresh token at a time, so
 * it is kept with the session; of those spent only enough is kept to know them again.
 */
export const sessions = `
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
