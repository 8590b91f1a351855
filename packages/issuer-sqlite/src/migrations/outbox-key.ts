/** Version 6: events have the key (epoch, seq). SQLite changes no primary key, so the table is made anew. Until now it had rows of the present epoch only. */
export const outboxKey = `
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
