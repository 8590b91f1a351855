import type { SessionClaim, Sessions } from '@rescind/issuer/store';
import type { EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import type Database from 'better-sqlite3';
import type { SessionRow } from './session-row.ts';
import { COLUMNS, toSession } from './session-row.ts';

const BY: Readonly<Record<SessionClaim, string>> = {
  sid: 'sid = @value',
  sub: 'sub = @value',
  client_id: 'client_id = @value',
  iss: '@value IS NOT NULL',
};
const LIVE = `ended_at IS NULL
  AND (idle_expires_at > @at AND absolute_expires_at > @at OR greatest_exp > @at - ${CLOCK_TOLERANCE_MS})`;

type SessionEnds = Pick<Sessions, 'liveSids' | 'keptSids' | 'end' | 'count' | 'live' | 'sweep'>;

/** How sessions end, and are forgotten. */
export function createSessionEnds(database: Database.Database): SessionEnds {
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
      `SELECT ${COLUMNS} FROM rescind_sessions WHERE ${where} AND sid > @after AND ${LIVE} ORDER BY sid LIMIT @limit`,
    ),
  );
  const liveSids = database
    .prepare<[{ sub: string; exceptSid: string | null; at: EpochMillis }], string>(
      `SELECT sid FROM rescind_sessions WHERE sub = @sub AND sid IS NOT @exceptSid AND ${LIVE} ORDER BY sid`,
    )
    .pluck();
  const kept = forEach((where) =>
    database
      .prepare<[{ value: string; most: number }], string>(
        `SELECT sid FROM rescind_sessions WHERE ${where} AND greatest_exp > 0 ORDER BY sid LIMIT @most`,
      )
      .pluck(),
  );
  const piece = database.prepare<[string, number], { last: string | null; rows: number }>(
    `SELECT MAX(sid) AS last, COUNT(*) AS rows
     FROM (SELECT sid FROM rescind_sessions WHERE sid > ? ORDER BY sid LIMIT ?)`,
  );
  const forget = database.prepare(
    `DELETE FROM rescind_sessions WHERE sid > @after AND sid <= @last AND greatest_exp < @before
       AND (ended_at < @before OR idle_expires_at < @before OR absolute_expires_at < @before)`,
  );
  const wipe = database.prepare(
    `UPDATE rescind_sessions SET sealed = NULL
     WHERE sid > @after AND sid <= @last AND sealed IS NOT NULL AND rotated_at < @before`,
  );

  return {
    liveSids: async (sub, exceptSid, at) => liveSids.all({ sub, exceptSid, at }),
    keptSids: async (claim, value, most) => kept[claim].all({ value, most }),
    end: async (claim, value, at, reason, begunUntil) => end[claim].run({ value, at, reason, begunUntil }).changes,
    count: async (claim, value, at) => count[claim].get({ value, at }) ?? { sessions: 0, subjects: 0 },
    live: async (claim, value, at, after, limit) => live[claim].all({ value, at, after, limit }).map(toSession),
    async sweep(after, rows, overBefore, sealedBefore) {
      const { last, rows: found } = piece.get(after, rows) ?? { last: null, rows: 0 };
      if (last === null) return '';
      forget.run({ after, last, before: overBefore });
      wipe.run({ after, last, before: sealedBefore });
      return found < rows ? '' : last;
    },
  };
}
