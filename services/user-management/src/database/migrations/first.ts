/** What version 1 has. */
export const first = `
CREATE TABLE accounts (
  sub TEXT PRIMARY KEY,
  username TEXT NOT NULL,
  name_key TEXT NOT NULL UNIQUE,
  password TEXT NOT NULL,
  credential_version INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
`;
