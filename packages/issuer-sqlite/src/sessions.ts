import type { Session, SessionClaim, Sessions } from '@rescind/issuer/store';
import type { EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import type Database from 'better-sqlite3';

/** A row of `rescind_sessions`, as `COLUMNS` selects it. */
interface SessionRow extends Omit<Session, 'audience' | 'amr' | 'policy'> {
  readonly audience: string;
  readonly amr: string;
  readonly policy: string | null;
}

const COLUMNS = `sid, sub, client_id AS clientId, audience, scope, device_name AS deviceName, device_id AS deviceId, address,
  user_agent AS userAgent, storage, amr, acr, policy, credential_version AS credentialVersion, created_at AS createdAt,
  auth_time AS authTime, last_used_at AS lastUsedAt, idle_expires_at AS idleExpiresAt,
  absolute_expires_at AS absoluteExpiresAt, reauthentication_reason AS reauthenticationReason, ended_at AS endedAt,
  end_reason AS endReason, selector, verifier_hash AS verifierHash, former_hash AS formerHash, rotated_at AS rotatedAt,
  sealed, newest_jti AS newestJti, newest_exp AS newestExp, newest_scope AS newestScope, renewed_jti AS renewedJti,
  renewed_at AS renewedAt`;

function toSession(row: SessionRow): Session {
  return {
    ...row,
    audience: JSON.parse(row.audience),
    amr: JSON.parse(row.amr),
    policy: row.policy === null ? null : JSON.parse(row.policy),
  };
}

export function createSessions(database: Database.Database): Sessions {
  const insert = database.prepare(
    `INSERT INTO rescind_sessions (sid, sub, client_id, audience, scope, device_name, device_id, address, user_agent,
       storage, amr, acr, policy, credential_version, created_at, auth_time, last_used_at, idle_expires_at,
       absolute_expires_at, selector, verifier_hash, greatest_exp)
     VALUES (@sid, @sub, @clientId, @audience, @scope, @deviceName, @deviceId, @address, @userAgent, @storage, @amr, @acr,
       @policy, @credentialVersion, @createdAt, @authTime, @lastUsedAt, @idleExpiresAt, @absoluteExpiresAt, @selector,
       @verifierHash, @createdAt)`,
  );
  const finding = (where: string) =>
    database.prepare<[string], SessionRow>(`SELECT ${COLUMNS} FROM rescind_sessions WHERE ${where}`);
  const find = finding('sid = ?');
  const findBySelector = finding('selector = ?');
  const findByFormerSelector = finding('sid = (SELECT sid FROM rescind_former_selectors WHERE selector = ?)');
  const isUsed = database.prepare<[string, Buffer], number>('SELECT 1 FROM rescind_spent WHERE sid = ? AND digest = ?');
  const renew = database.prepare(
    `UPDATE rescind_sessions SET renewed_jti = @presentedJti, renewed_at = @at
     WHERE sid = @sid AND newest_jti = @presentedJti AND ended_at IS NULL`,
  );
  const spend = database.prepare('INSERT INTO rescind_spent (sid, digest) VALUES (?, ?)');
  const minting = `last_used_at = @at, idle_expires_at = @idleExpiresAt, newest_jti = @jti, newest_exp = @exp,
    newest_scope = @scope, greatest_exp = MAX(greatest_exp, @exp)`;
  const mint = database.prepare(`UPDATE rescind_sessions SET ${minting} WHERE sid = @sid`);
  const rotate = database.prepare(
    `UPDATE rescind_sessions SET ${minting}, verifier_hash = @nextHash, former_hash = @formerHash, rotated_at = @at,
       sealed = @sealed
     WHERE sid = @sid AND verifier_hash = @formerHash AND ended_at IS NULL`,
  );
  const raise = database.prepare('UPDATE rescind_meta SET greatest_exp = @exp WHERE greatest_exp < @exp');
  const reauthenticate = database.prepare(
    `UPDATE rescind_sessions SET auth_time = @at, amr = @amr, acr = @acr, credential_version = @credentialVersion,
       reauthentication_reason = NULL
     WHERE sid = @sid`,
  );
  const setCredentialVersion = database.prepare('UPDATE rescind_sessions SET credential_version = ? WHERE sid = ?');
  const rename = database.prepare('UPDATE rescind_sessions SET device_name = ? WHERE sid = ?');
  const demanding = (column: 'sid' | 'sub') =>
    database.prepare(
      `UPDATE rescind_sessions SET reauthentication_reason = ? WHERE ${column} = ? AND ended_at IS NULL`,
    );
  const demands = { sid: demanding('sid'), sub: demanding('sub') };

  const subjectOfNewest = database
    .prepare<[string], string>('SELECT sub FROM rescind_sessions WHERE newest_jti = ?')
    .pluck();

  return {
    ...createSessionEnds(database),
    list: createSessionList(database),
    subjectOfNewest: async (jti) => subjectOfNewest.get(jti),
    async insert(session) {
      insert.run({
        ...session,
        audience: JSON.stringify(session.audience),
        amr: JSON.stringify(session.amr),
        policy: session.policy === null ? null : JSON.stringify(session.policy),
      });
    },
    find: async (sid) => orNone(find.get(sid)),
    findBySelector: async (selector) => orNone(findBySelector.get(selector)),
    findByFormerSelector: async (selector) => orNone(findByFormerSelector.get(selector)),
    isUsed: async (sid, digest) => isUsed.get(sid, digest) !== undefined,
    async rotate(minted, rotation) {
      if (rotate.run({ ...minted, ...rotation }).changes !== 1) return false;
      raise.run(minted);
      spend.run(minted.sid, rotation.formerDigest);
      return true;
    },
    async renew({ presentedDigest, ...renewal }) {
      if (renew.run(renewal).changes !== 1) return false;
      spend.run(renewal.sid, presentedDigest);
      return true;
    },
    async mint(minted) {
      raise.run(minted);
      mint.run(minted);
    },
    async reauthenticate(reauthentication) {
      reauthenticate.run({ ...reauthentication, amr: JSON.stringify(reauthentication.amr) });
    },
    async setCredentialVersion(sid, version) {
      setCredentialVersion.run(version, sid);
    },
    async rename(sid, deviceName) {
      rename.run(deviceName, sid);
    },
    requireReauthentication: async (by, value, reason) => demands[by].run(reason, value).changes,
  };
}

const orNone = (row: SessionRow | undefined) => row && toSession(row);

/** A position before the first session of every list. */
const FIRST = { createdAt: Number.MAX_SAFE_INTEGER, sid: '' };

function createSessionList(database: Database.Database): Sessions['list'] {
  const listing = (where: string, ended: boolean) =>
    database.prepare<unknown[], SessionRow>(
      `SELECT ${COLUMNS} FROM rescind_sessions
         WHERE ${where} (created_at, sid) < (@createdAt, @after)
           ${ended ? '' : 'AND ended_at IS NULL AND idle_expires_at > @at AND absolute_expires_at > @at'}
         ORDER BY created_at DESC, sid DESC LIMIT @limit + 0`,
    );
  const both = (where: string) => ({ open: listing(where, false), all: listing(where, true) });
  const ofAll = both('');
  const bySub = both('sub = @sub AND');
  const byClient = both('client_id = @clientId AND');
  const bySubAndClient = both('sub = @sub AND client_id = @clientId AND');

  return async ({ sub, clientId, ended, after = FIRST, limit, at }) => {
    const lists = sub === undefined ? (clientId === undefined ? ofAll : byClient) : bySub;
    const list = sub !== undefined && clientId !== undefined ? bySubAndClient : lists;
    const values = { sub, clientId, createdAt: after.createdAt, after: after.sid, limit, at };
    return (ended ? list.all : list.open).all(values).map(toSession);
  };
}

const BY: Readonly<Record<SessionClaim, string>> = {
  sid: 'sid = @value',
  sub: 'sub = @value',
  client_id: 'client_id = @value',
  iss: '@value IS NOT NULL',
};
const LIVE = `ended_at IS NULL
  AND (idle_expires_at > @at AND absolute_expires_at > @at OR greatest_exp > @at - ${CLOCK_TOLERANCE_MS})`;

type SessionEnds = Pick<Sessions, 'liveSids' | 'listSids' | 'end' | 'count' | 'live' | 'lapsed' | 'sweep'>;

/** How sessions end, and are forgotten. */
function createSessionEnds(database: Database.Database): SessionEnds {
  const forEach = <T>(make: (where: string) => T): Readonly<Record<SessionClaim, T>> => ({
    sid: make(BY.sid),
    sub: make(BY.sub),
    client_id: make(BY.client_id),
    iss: make(BY.iss),
  });
  const end = forEach((where) =>
    database.prepare(
      `UPDATE rescind_sessions SET ended_at = @at, end_reason = @reason
       WHERE ${where} AND created_at <= @begunUntil AND ${LIVE}`,
    ),
  );
  type Which = [{ readonly value: string; readonly at: EpochMillis }];
  const count = forEach((where) =>
    database.prepare<Which, { sessions: number; subjects: number }>(
      `SELECT COUNT(*) AS sessions, COUNT(DISTINCT sub) AS subjects FROM rescind_sessions WHERE ${where} AND ${LIVE}`,
    ),
  );
  type Page = [{ readonly value: string; readonly at: EpochMillis; readonly after: string; readonly limit: number }];
  const live = forEach((where) =>
    database.prepare<Page, SessionRow>(
      `SELECT ${COLUMNS} FROM rescind_sessions WHERE ${where} AND sid > @after AND ${LIVE} ORDER BY sid LIMIT @limit + 0`,
    ),
  );
  /** As `live` by `sid`, in a sixth of the time: by position, without an order. Each logout runs it. */
  const liveSession = database.prepare<[string, EpochMillis, EpochMillis, EpochMillis], SessionRow>(
    `SELECT ${COLUMNS} FROM rescind_sessions WHERE sid = ? AND ${LIVE.replaceAll('@at', '?')}`,
  );
  const liveSids = database
    .prepare<[{ sub: string; exceptSid: string | null; at: EpochMillis }], string>(
      `SELECT sid FROM rescind_sessions WHERE sub = @sub AND sid IS NOT @exceptSid AND ${LIVE} ORDER BY sid`,
    )
    .pluck();
  const kept = forEach((where) =>
    database
      .prepare<[{ value: string; limit: number }], string>(
        `SELECT sid FROM rescind_sessions WHERE ${where} AND greatest_exp > 0 ORDER BY sid LIMIT @limit + 0`,
      )
      .pluck(),
  );
  const piece = database.prepare<[string, number], { last: string | null; rows: number }>(
    `SELECT MAX(sid) AS last, COUNT(*) AS rows
     FROM (SELECT sid FROM rescind_sessions WHERE sid > ? ORDER BY sid LIMIT ? + 0)`,
  );
  const forgotten = `sid > @after AND sid <= @last AND greatest_exp < @before
       AND (ended_at < @before OR idle_expires_at < @before OR absolute_expires_at < @before)`;
  const forget = database.prepare(`DELETE FROM rescind_sessions WHERE ${forgotten}`);
  const lapsed = database.prepare<[{ after: string; last: string; before: EpochMillis }], SessionRow>(
    `SELECT ${COLUMNS} FROM rescind_sessions WHERE ${forgotten} AND ended_at IS NULL ORDER BY sid`,
  );
  const wipe = database.prepare(
    `UPDATE rescind_sessions SET sealed = NULL
     WHERE sid > @after AND sid <= @last AND sealed IS NOT NULL AND rotated_at < @before`,
  );

  return {
    liveSids: async (sub, exceptSid, at) => liveSids.all({ sub, exceptSid, at }),
    listSids: async (claim, value, limit) => kept[claim].all({ value, limit }),
    end: async (claim, value, at, reason, begunUntil) => end[claim].run({ value, at, reason, begunUntil }).changes,
    count: async (claim, value, at) => count[claim].get({ value, at }) ?? { sessions: 0, subjects: 0 },
    async live(claim, value, at, after, limit) {
      if (claim !== 'sid') return live[claim].all({ value, at, after, limit }).map(toSession);
      const session = value > after && limit > 0 ? liveSession.get(value, at, at, at) : undefined;
      return session === undefined ? [] : [toSession(session)];
    },
    async lapsed(after, rows, before) {
      const { last } = piece.get(after, rows) ?? { last: null };
      return last === null ? [] : lapsed.all({ after, last, before }).map(toSession);
    },
    async sweep(after, rows, overBefore, sealedBefore) {
      const { last, rows: found } = piece.get(after, rows) ?? { last: null, rows: 0 };
      if (last === null) return '';
      forget.run({ after, last, before: overBefore });
      wipe.run({ after, last, before: sealedBefore });
      return found < rows ? '' : last;
    },
  };
}
