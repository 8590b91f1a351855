/**
 * Version 2: states, claims, second factors, links and known devices of accounts, and notices on their way.
 * Who had an account before may have logged in before: a new device of theirs is one.
 */
export const accounts = `
ALTER TABLE accounts ADD COLUMN state TEXT NOT NULL DEFAULT 'active'
  CHECK (state IN ('active', 'suspended', 'banned', 'deleted'));
ALTER TABLE accounts ADD COLUMN state_reason TEXT;
ALTER TABLE accounts ADD COLUMN reset_reason TEXT;
ALTER TABLE accounts ADD COLUMN scopes TEXT;
ALTER TABLE accounts ADD COLUMN claims TEXT NOT NULL DEFAULT '{}';
ALTER TABLE accounts ADD COLUMN last_login_at INTEGER;
UPDATE accounts SET last_login_at = created_at;

CREATE TABLE account_second_factors (
  sub TEXT PRIMARY KEY REFERENCES accounts (sub),
  secret BLOB NOT NULL,
  confirmed_at INTEGER,
  last_step INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE account_recovery_codes (
  sub TEXT NOT NULL REFERENCES accounts (sub),
  hash BLOB NOT NULL,
  PRIMARY KEY (sub, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE account_links (
  hash BLOB PRIMARY KEY,
  sub TEXT NOT NULL REFERENCES accounts (sub),
  purpose TEXT NOT NULL CHECK (purpose IN ('password_reset', 'not_me')),
  issued_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX account_links_sub ON account_links (sub);
CREATE INDEX account_links_expiry ON account_links (expires_at);

CREATE TABLE account_devices (
  sub TEXT NOT NULL REFERENCES accounts (sub),
  fingerprint BLOB NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (sub, fingerprint)
) STRICT, WITHOUT ROWID;

CREATE TABLE notices (
  id TEXT PRIMARY KEY,
  sub TEXT NOT NULL,
  type TEXT NOT NULL,
  sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  dead_at INTEGER
) STRICT;
CREATE INDEX notices_next ON notices (next_at) WHERE dead_at IS NULL;
CREATE INDEX notices_sub ON notices (sub);
`;
