/**
 * Version 3: what administrators did. Rows are only ever added: SQLite itself refuses to change or remove one. (A REPLACE
 * would remove without being asked, so a seq that is there cannot be given again.)
 */
export const administration = `
CREATE TABLE admin_audit (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  operation TEXT NOT NULL,
  targets TEXT NOT NULL,
  reason TEXT,
  why TEXT,
  result TEXT NOT NULL,
  request_id TEXT NOT NULL,
  details TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;
CREATE INDEX admin_audit_who ON admin_audit (who, seq);
CREATE INDEX admin_audit_operation ON admin_audit (operation, seq);
CREATE TRIGGER admin_audit_keeps_rows BEFORE DELETE ON admin_audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER admin_audit_keeps_content BEFORE UPDATE ON admin_audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER admin_audit_replaces_nothing BEFORE INSERT ON admin_audit
WHEN EXISTS (SELECT 1 FROM admin_audit WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
`;
