import type { Outbox, OutboxRow } from '@rescind/issuer/store';
import type Database from 'better-sqlite3';

const COLUMNS = 'seq, jti, txn, revocation, expires_at AS expiresAt, appended_at AS appendedAt';

export function createOutbox(database: Database.Database): Outbox {
  // A plain INSERT: one that is ignored on a conflict burns a seq.
  const append = database.prepare(
    `INSERT INTO rescind_outbox (jti, txn, jws, revocation, expires_at, appended_at)
     VALUES (@jti, @txn, @jws, @revocation, @expiresAt, @appendedAt)`,
  );
  const read = database.prepare<[number, number], { seq: number; jws: string }>(
    'SELECT seq, jws FROM rescind_outbox WHERE seq > ? ORDER BY seq LIMIT ?',
  );
  const idAt = database.prepare<[number], string>('SELECT jti FROM rescind_outbox WHERE seq = ?').pluck();
  const bottom = database.prepare<[], OutboxRow>(`SELECT ${COLUMNS} FROM rescind_outbox ORDER BY seq LIMIT 1`);
  const live = database.prepare<[number], OutboxRow>(
    `SELECT ${COLUMNS} FROM rescind_outbox WHERE expires_at > ? ORDER BY seq`,
  );
  const liveAfter = database.prepare<[number, number, number], OutboxRow>(
    `SELECT ${COLUMNS} FROM rescind_outbox WHERE expires_at > ? AND seq > ? ORDER BY seq LIMIT ?`,
  );
  const lowestLive = database
    .prepare<[number], number>('SELECT seq FROM rescind_outbox WHERE expires_at > ? ORDER BY seq LIMIT 1')
    .pluck();
  const ofTxn = database.prepare<[string], OutboxRow>(
    `SELECT ${COLUMNS} FROM rescind_outbox WHERE txn = ? ORDER BY seq`,
  );
  const txnsBefore = database.prepare<[number, number], { seq: number; txn: string }>(
    `SELECT seq, txn FROM rescind_outbox AS row
     WHERE seq < ? AND NOT EXISTS (SELECT 1 FROM rescind_outbox WHERE txn = row.txn AND seq > row.seq)
     ORDER BY seq DESC LIMIT ?`,
  );
  const remove = database.prepare('DELETE FROM rescind_outbox WHERE seq = ?');
  const count = database.prepare<[], number>('SELECT COUNT(*) FROM rescind_outbox').pluck();

  return {
    append: (row) => Number(append.run(row).lastInsertRowid),
    read: (after, limit) => read.all(after, limit),
    idAt: (seq) => idAt.get(seq),
    bottom: () => bottom.get(),
    live: (at) => live.all(at),
    liveAfter: (at, after, limit) => liveAfter.all(at, after, limit),
    lowestLive: (at) => lowestLive.get(at),
    ofTxn: (txn) => ofTxn.all(txn),
    txnsBefore: (seq, limit) => txnsBefore.all(seq, limit),
    delete(seq) {
      remove.run(seq);
    },
    clear() {
      database.exec(`DELETE FROM rescind_outbox; DELETE FROM sqlite_sequence WHERE name = 'rescind_outbox'`);
    },
    count: () => count.get() ?? 0,
  };
}
