import type { ClosingEvents, CommittedLog, LogIdentity, Outbox, OutboxRow } from '@rescind/issuer/store';
import type Database from 'better-sqlite3';

const COLUMNS = 'epoch, seq, jti, txn, type, jws, expires_at AS expiresAt, appended_at AS appendedAt';
/** The condition for rows of the present epoch: one statement reads the epoch and its rows. */
const PRESENT = 'epoch = (SELECT epoch FROM rescind_meta)';

export function createOutbox(database: Database.Database): Outbox {
  const append = database.prepare(
    `INSERT INTO rescind_outbox (epoch, seq, jti, txn, type, jws, expires_at, appended_at)
     VALUES (@epoch, @seq, @jti, @txn, @type, @jws, @expiresAt, @appendedAt)`,
  );
  const lowest = database.prepare<[], OutboxRow>(
    `SELECT ${COLUMNS} FROM rescind_outbox WHERE ${PRESENT} ORDER BY seq LIMIT 1`,
  );
  const liveAfter = database.prepare<[number, number, number], OutboxRow>(
    `SELECT ${COLUMNS} FROM rescind_outbox WHERE ${PRESENT} AND expires_at > ? AND seq > ? ORDER BY seq LIMIT ? + 0`,
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
     ORDER BY seq DESC LIMIT ? + 0`,
  );
  const remove = database.prepare(`DELETE FROM rescind_outbox WHERE ${PRESENT} AND seq = ?`);
  const removeOthers = database.prepare(`DELETE FROM rescind_outbox WHERE NOT ${PRESENT}`);

  return {
    async append(row) {
      append.run(row);
    },
    lowest: async () => lowest.get(),
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

export function createClosingEvents(database: Database.Database): ClosingEvents {
  const insert = database.prepare('INSERT OR REPLACE INTO rescind_last_words (epoch, jws) VALUES (@epoch, @jws)');
  const markSent = database.prepare('UPDATE rescind_last_words SET sent = 1 WHERE epoch = ?');
  return {
    async add(event) {
      insert.run(event);
    },
    async markSent(epoch) {
      markSent.run(epoch);
    },
  };
}

/**
 * Reads by the writer while no transaction is open on it: its cache has the pages of the last commit, which the other connection reads
 * again from the file, right after a commit, when its events are to be published.
 * @param reader a connection that no transaction is ever open on
 */
export function createCommittedLog(reader: Database.Database, writer: Database.Database): CommittedLog {
  const [byReader, byWriter] = [prepareReads(reader), prepareReads(writer)];
  const reads = () => (writer.inTransaction ? byReader : byWriter);
  return {
    identity: () => reads().identity.get(),
    read: (after, limit) =>
      reads()
        .read.all(after, limit)
        .map(([seq, type, jws]) => ({ seq, type, jws })),
    idAt: (seq) => reads().idAt.get(seq),
    lowest: () => reads().lowest.get(),
    eventKid: () => reads().eventKid.get(),
    timeSince: () => reads().timeSince.get() ?? null,
    greatestExp: () => reads().greatestExp.get() ?? 0,
    sentSeq: (epoch) => reads().sentSeq.get(epoch) ?? 0,
    closingEvent: (epoch) => reads().closingEvent.get(epoch),
    unsentClosingEvents: () => reads().unsent.all(),
  };
}

function prepareReads(database: Database.Database) {
  return {
    identity: database.prepare<[], LogIdentity>(
      'SELECT epoch, head, last, floor FROM rescind_meta WHERE epoch IS NOT NULL',
    ),
    // Raw: better-sqlite3 compiles a function for the objects of each result, which takes longer than to read one event.
    read: database
      .prepare<[number, number], [seq: number, type: string, jws: string]>(
        `SELECT seq, type, jws FROM rescind_outbox WHERE ${PRESENT} AND seq > ? ORDER BY seq LIMIT ? + 0`,
      )
      .raw(),
    idAt: database.prepare<[number], string>(`SELECT jti FROM rescind_outbox WHERE ${PRESENT} AND seq = ?`).pluck(),
    lowest: database.prepare<[], OutboxRow>(
      `SELECT ${COLUMNS} FROM rescind_outbox WHERE ${PRESENT} ORDER BY seq LIMIT 1`,
    ),
    eventKid: database
      .prepare<[], string>(`SELECT kid FROM rescind_keys WHERE purpose = 'event' AND state = 'active'`)
      .pluck(),
    timeSince: database.prepare<[], string | null>('SELECT time_since FROM rescind_meta').pluck(),
    greatestExp: database.prepare<[], number>('SELECT greatest_exp FROM rescind_meta').pluck(),
    sentSeq: database.prepare<[string], number>('SELECT sent_seq FROM rescind_meta WHERE sent_epoch = ?').pluck(),
    closingEvent: database.prepare<[string], string>('SELECT jws FROM rescind_last_words WHERE epoch = ?').pluck(),
    unsent: database.prepare<[], { epoch: string; jws: string }>(
      'SELECT epoch, jws FROM rescind_last_words WHERE sent = 0 ORDER BY epoch',
    ),
  };
}
