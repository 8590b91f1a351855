import type { Session, Sessions } from '@rescind/issuer/store';
import type Database from 'better-sqlite3';
import { createSessionEnds } from './session-ends.ts';

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
  const isSpent = database.prepare<[string, Buffer], number>(
    'SELECT 1 FROM rescind_spent WHERE sid = ? AND digest = ?',
  );
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
  const prove = database.prepare(
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
    subjectOfNewest: (jti) => subjectOfNewest.get(jti),
    insert(session) {
      insert.run({
        ...session,
        audience: JSON.stringify(session.audience),
        amr: JSON.stringify(session.amr),
        policy: session.policy === null ? null : JSON.stringify(session.policy),
      });
    },
    find: (sid) => toSession(find.get(sid)),
    findBySelector: (selector) => toSession(findBySelector.get(selector)),
    findByFormerSelector: (selector) => toSession(findByFormerSelector.get(selector)),
    isSpent: (sid, digest) => isSpent.get(sid, digest) !== undefined,
    rotate(minted, rotation) {
      if (rotate.run({ ...minted, ...rotation }).changes !== 1) return false;
      spend.run(minted.sid, rotation.formerDigest);
      return true;
    },
    renew: (renewal) => renew.run(renewal).changes === 1,
    spend(sid, digest) {
      spend.run(sid, digest);
    },
    mint(minted) {
      mint.run(minted);
    },
    prove(proof) {
      prove.run({ ...proof, amr: JSON.stringify(proof.amr) });
    },
    setCredentialVersion(sid, version) {
      setCredentialVersion.run(version, sid);
    },
    rename(sid, deviceName) {
      rename.run(deviceName, sid);
    },
    requireReauthentication: (by, value, reason) => demands[by].run(reason, value).changes,
  };
}

function toSession(row: SessionRow | undefined): Session | undefined {
  return (
    row && {
      ...row,
      audience: JSON.parse(row.audience),
      amr: JSON.parse(row.amr),
      policy: row.policy === null ? null : JSON.parse(row.policy),
    }
  );
}
