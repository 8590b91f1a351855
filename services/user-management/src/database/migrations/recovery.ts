/**
 * Version 4: what "this was not me" goes back to. `account_history` has a state from before each change that a live link
 * may undo; `position` of a link is where in it the link was issued. Links of before go back to the first state from now on.
 * `account_recovery_codes.used_at`: a code that was used stays known as used, and is told from a wrong one.
 */
export const recovery = `
CREATE TABLE account_history (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  sub TEXT NOT NULL REFERENCES accounts (sub),
  at INTEGER NOT NULL,
  sealed BLOB NOT NULL
) STRICT;
CREATE INDEX account_history_sub ON account_history (sub, seq);
CREATE TABLE account_history_codes (
  seq INTEGER NOT NULL REFERENCES account_history (seq),
  sub TEXT NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (seq, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_history_codes_hash ON account_history_codes (sub, hash);

ALTER TABLE account_links ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account_links ADD COLUMN recovers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN erase_at INTEGER;
CREATE INDEX accounts_erase ON accounts (erase_at) WHERE erase_at IS NOT NULL;
ALTER TABLE account_recovery_codes ADD COLUMN used_at INTEGER;
`;
