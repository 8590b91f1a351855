/** Version 3: keys that are published before they sign. SQLite changes no CHECK, so the table is made anew. */
export const keyRotation = `
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
