import type { EpochMillis } from '@rescind/revocation';
import type Database from 'better-sqlite3';

/** A login on a device. */
export interface Session {
  readonly sid: string;
  readonly sub: string;
  readonly clientId: string;
  readonly audience: string | readonly string[];
  /** What was asked at the login; null: all the subject may have. */
  readonly scope: string | null;
  readonly deviceName: string | null;
  readonly amr: readonly string[];
  readonly credentialVersion: number;
  readonly authTime: EpochMillis;
  readonly absoluteExpiresAt: EpochMillis;
  readonly endedAt: EpochMillis | null;
}

interface SessionRow extends Omit<Session, 'audience' | 'amr'> {
  readonly audience: string;
  readonly amr: string;
}

/** Which sessions a cut-off ends: those of this issuer whose claim has this value; `iss`: all. */
export type SessionClaim = 'sid' | 'sub' | 'client_id' | 'iss';

export interface Sessions {
  insert(session: Session, greatestExp: EpochMillis): void;
  find(sid: string): Session | undefined;
  /** The open ones of a subject, but for one. */
  openSids(sub: string, exceptSid: string | null): string[];
  /** Ends the open ones that began at or before `begunUntil`. Answers how many there were. */
  end(claim: SessionClaim, value: string, at: EpochMillis, reason: string, begunUntil: EpochMillis): number;
  setCredentialVersion(sid: string, version: number): void;
  raiseGreatestExp(sid: string, exp: EpochMillis): void;
  /** Forgets, with their refresh tokens, those that were over before `before`, and whose tokens have expired. */
  prune(before: EpochMillis, limit: number): number;
}

export function createSessions(database: Database.Database): Sessions {
  const insert = database.prepare(
    `INSERT INTO rescind_sessions (sid, sub, client_id, audience, scope, device_name, amr, credential_version, auth_time,
       absolute_expires_at, greatest_exp)
     VALUES (@sid, @sub, @clientId, @audience, @scope, @deviceName, @amr, @credentialVersion, @authTime,
       @absoluteExpiresAt, @greatestExp)`,
  );
  const find = database.prepare<[string], SessionRow>(
    `SELECT sid, sub, client_id AS clientId, audience, scope, device_name AS deviceName, amr,
       credential_version AS credentialVersion, auth_time AS authTime, absolute_expires_at AS absoluteExpiresAt,
       ended_at AS endedAt
     FROM rescind_sessions WHERE sid = ?`,
  );
  const openSids = database
    .prepare<[string, string | null], string>(
      'SELECT sid FROM rescind_sessions WHERE sub = ? AND sid IS NOT ? AND ended_at IS NULL ORDER BY sid',
    )
    .pluck();
  const ending = (where: string) =>
    database.prepare(
      `UPDATE rescind_sessions SET ended_at = @at, end_reason = @reason
       WHERE ${where} AND auth_time <= @begunUntil AND ended_at IS NULL`,
    );
  const end = {
    sid: ending('sid = @value'),
    sub: ending('sub = @value'),
    client_id: ending('client_id = @value'),
    iss: ending('@value IS NOT NULL'),
  };
  const setCredentialVersion = database.prepare('UPDATE rescind_sessions SET credential_version = ? WHERE sid = ?');
  const raiseGreatestExp = database.prepare(
    'UPDATE rescind_sessions SET greatest_exp = MAX(greatest_exp, ?) WHERE sid = ?',
  );
  const pruning = (when: string) =>
    database.prepare(
      `DELETE FROM rescind_sessions WHERE sid IN (
         SELECT sid FROM rescind_sessions WHERE ${when} < @before AND greatest_exp < @before LIMIT @limit
       )`,
    );
  const prunings = [pruning('absolute_expires_at'), pruning('ended_at')];

  return {
    insert(session, greatestExp) {
      insert.run({
        ...session,
        audience: JSON.stringify(session.audience),
        amr: JSON.stringify(session.amr),
        greatestExp,
      });
    },
    find(sid) {
      const row = find.get(sid);
      return row && { ...row, audience: JSON.parse(row.audience), amr: JSON.parse(row.amr) };
    },
    openSids: (sub, exceptSid) => openSids.all(sub, exceptSid),
    end: (claim, value, at, reason, begunUntil) => end[claim].run({ value, at, reason, begunUntil }).changes,
    setCredentialVersion(sid, version) {
      setCredentialVersion.run(version, sid);
    },
    raiseGreatestExp(sid, exp) {
      raiseGreatestExp.run(exp, sid);
    },
    prune: (before, limit) => prunings.reduce((total, prune) => total + prune.run({ before, limit }).changes, 0),
  };
}
