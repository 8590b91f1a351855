import type { Outbox, OutboxRow } from '@rescind/issuer/store';
import type Database from 'better-sqlite3';

export const COLUMNS = 'epoch, seq, jti, txn, type, jws, expires_at AS expiresAt, appended_at AS appendedAt';
/** One statement reads which epoch it is, and its rows. */
export const PRESENT = 'epoch = (SELECT epoch FROM rescind_meta)';

export function createOutbox(database: Database.Database): Outbox {
  const append = database.prepare(
    `INSERT INTO rescind_outbox (epoch, seq, jti, txn, type, jws, expires_at, appended_at)
     VALUES (@epoch, @seq, @jti, @txn, @type, @jws, @expiresAt, @appendedAt)`,
  );
  const bottom = database.prepare<[], OutboxRow>(
    `SELECT ${COLUMNS} FROM rescind_outbox WHERE ${PRESENT} ORDER BY seq LIMIT 1`,
  );
  const liveAfter = database.prepare<[number, number, number], OutboxRow>(
    `SELECT ${COLUMNS} FROM rescind_outbox WHERE ${PRESENT} AND expires_at > ? AND seq > ? ORDER BY seq LIMIT ?`,
  );
  const lowestLive = database
    .prepare<[number], number>(
      `SELECT seq FROM rescind_outbox WHERE ${PRESENT} AND expires_at > ? ORDER BY seq LIMIT 1`,
    )
    .pluck();
  const ofTxn = database.prepare<[string], OutboxRow>(
    `SELECT ${COLUMNS} FROM rescind_outbox WHERE txn = ? AND ${PRESENT} ORDER BY seq`,
  );
  const txnsBefore = database.prepare<[number, number], { seq: number; txn: string }>(
    `SELECT seq, txn FROM rescind_outbox AS row
     WHERE ${PRESENT} AND seq < ?
       AND NOT EXISTS (SELECT 1 FROM rescind_outbox WHERE txn = row.txn AND epoch = row.epoch AND seq > row.seq)
     ORDER BY seq DESC LIMIT ?`,
  );
  const remove = database.prepare(`DELETE FROM rescind_outbox WHERE ${PRESENT} AND seq = ?`);
  const removeOthers = database.prepare(`DELETE FROM rescind_outbox WHERE NOT ${PRESENT}`);

  return {
    async append(row) {
      append.run(row);
    },
    bottom: async () => bottom.get(),
    liveAfter: async (at, after, limit) => liveAfter.all(at, after, limit),
    lowestLive: async (at) => lowestLive.get(at),
    ofTxn: async (txn) => ofTxn.all(txn),
    txnsBefore: async (seq, limit) => txnsBefore.all(seq, limit),
    async delete(seq) {
      remove.run(seq);
    },
    async deleteOtherEpochs() {
      removeOthers.run();
    },
  };
}
