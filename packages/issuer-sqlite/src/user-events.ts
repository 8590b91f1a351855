import type { StoreTransaction } from '@rescind/issuer/store';
import type { EpochMillis } from '@rescind/revocation';
import type Database from 'better-sqlite3';

type UserEvents = StoreTransaction['userEvents'];
type UserEventRow = Awaited<ReturnType<UserEvents['following']>>[number];

const COLUMNS = `seq, at, last_at AS lastAt, type, sub, sid, client_id AS clientId, code, reason, actor, txn, address,
  user_agent AS userAgent, device_name AS deviceName, count`;

/** The values of a list. Null: any. */
interface ListValues {
  readonly sub: string | null;
  readonly sid: string | null;
  readonly type: string | null;
  readonly since: EpochMillis;
  readonly until: EpochMillis;
  readonly at: EpochMillis;
  readonly seq: number;
  readonly limit: number;
}

/** A position before the first event of every list. */
const FIRST = { at: Number.MAX_SAFE_INTEGER, seq: Number.MAX_SAFE_INTEGER };

/** The events of a revocation that concerns every user: each list has them. */
const WIDE = `type = 'sessions_ended' AND sub IS NULL`;

/** What happened to users and their sessions. */
export function createUserEvents(database: Database.Database): UserEvents {
  const lists = createLists(database);
  const following = database.prepare<[number, number], UserEventRow>(
    `SELECT ${COLUMNS} FROM rescind_user_events WHERE seq > ? ORDER BY seq LIMIT ? + 0`,
  );
  // The row of the sequence outlives the rows of the table.
  const head = database
    .prepare<[], number>(`SELECT seq FROM sqlite_sequence WHERE name = 'rescind_user_events'`)
    .pluck();
  const lastBefore = database
    .prepare<[string, EpochMillis], number>(
      'SELECT seq FROM rescind_user_events WHERE type = ? AND at < ? ORDER BY at DESC, seq DESC LIMIT 1',
    )
    .pluck();
  const oldestAt = database.prepare<[], EpochMillis>('SELECT MIN(at) FROM rescind_user_events').pluck();
  const append = database.prepare(
    `INSERT INTO rescind_user_events
       (at, last_at, type, sub, sid, client_id, code, reason, actor, txn, address, user_agent, device_name, count)
     VALUES (@at, @lastAt, @type, @sub, @sid, @clientId, @code, @reason, @actor, @txn, @address, @userAgent,
       @deviceName, @count)`,
  );
  const raise = database.prepare(`UPDATE sqlite_sequence SET seq = MAX(seq, ?) WHERE name = 'rescind_user_events'`);
  // The sequence has no row before the first event.
  const begin = database.prepare(
    `INSERT INTO sqlite_sequence (name, seq) SELECT 'rescind_user_events', ?
     WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'rescind_user_events')`,
  );
  const prune = database.prepare(
    `DELETE FROM rescind_user_events
     WHERE seq IN (SELECT seq FROM rescind_user_events WHERE at < ? ORDER BY at, seq LIMIT ? + 0)`,
  );
  const forgetOrigins = database.prepare(
    `UPDATE rescind_user_events SET address = NULL, user_agent = NULL, device_name = NULL
     WHERE seq IN (SELECT seq FROM rescind_user_events
       WHERE sub = ? AND COALESCE(address, user_agent, device_name) IS NOT NULL LIMIT ? + 0)`,
  );

  return {
    async list({ sub, sid, type, since, until }, after = FIRST, limit) {
      const of = sid === undefined ? (sub === undefined ? 'any' : 'sub') : 'sid';
      return lists[of].all({
        ...{ sub: sub ?? null, sid: sid ?? null, type: type ?? null, limit, at: after.at, seq: after.seq },
        ...{ since: since ?? 0, until: until ?? Number.MAX_SAFE_INTEGER },
      });
    },
    following: async (after, limit) => following.all(after, limit),
    head: async () => head.get() ?? 0,
    lastBefore: async (type, before) => lastBefore.get(type, before),
    oldestAt: async () => oldestAt.get() ?? undefined,
    async append(event) {
      append.run(event);
    },
    async raiseHead(seq) {
      if (raise.run(seq).changes === 0) begin.run(seq);
    },
    prune: async (before, limit) => prune.run(before, limit).changes,
    forgetOrigins: async (sub, limit) => forgetOrigins.run(sub, limit).changes,
  };
}

type List = Pick<Database.Statement<[ListValues], UserEventRow>, 'all'>;

/** The lists by the index that they read. Each reads `limit` rows of it, unless it is filtered by a type too. */
function createLists(database: Database.Database): Readonly<Record<'sub' | 'sid' | 'any', List>> {
  const page = (where: string) =>
    `SELECT ${COLUMNS} FROM rescind_user_events
     WHERE ${where} AND at >= @since AND at < @until AND at <= @at AND (at < @at OR seq < @seq)
       AND (@type IS NULL OR type = @type)
     ORDER BY at DESC, seq DESC LIMIT @limit + 0`;
  const listing = (text: string): List => database.prepare<[ListValues], UserEventRow>(text);
  const withWide = (where: string) =>
    listing(
      `SELECT * FROM (SELECT * FROM (${page(where)}) UNION ALL SELECT * FROM (${page(WIDE)}))
       ORDER BY at DESC, seq DESC LIMIT @limit + 0`,
    );
  const any = listing(page('1'));
  const ofType = listing(
    `SELECT ${COLUMNS} FROM rescind_user_events
     WHERE type = @type AND at >= @since AND at < @until AND at <= @at AND (at < @at OR seq < @seq)
     ORDER BY at DESC, seq DESC LIMIT @limit + 0`,
  );
  return {
    sub: withWide('sub = @sub'),
    sid: withWide('sid = @sid AND (@sub IS NULL OR sub = @sub)'),
    any: { all: (values) => (values.type === null ? any : ofType).all(values) },
  };
}
