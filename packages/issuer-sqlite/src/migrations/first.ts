/** What version 1 has. */
export const first = `
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
