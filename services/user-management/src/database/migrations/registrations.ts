/** Version 6: what administrators register beside the configuration. Of a secret there is its SHA-256 alone. */
export const registrations = `
CREATE TABLE service_audiences (
  audience TEXT PRIMARY KEY,
  added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE feed_clients (
  client_id TEXT PRIMARY KEY,
  secret_hashes TEXT NOT NULL,
  added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE applied_clients (
  client_id TEXT PRIMARY KEY,
  bounds TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;
