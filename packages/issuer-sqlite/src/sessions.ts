import type { Sessions } from '@rescind/issuer/store';
import type Database from 'better-sqlite3';
import { createSessionEnds } from './session-ends.ts';
import { createSessionList } from './session-list.ts';
import type { SessionRow } from './session-row.ts';
import { COLUMNS, toSession } from './session-row.ts';

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
  const raise = database.prepare('UPDATE rescind_meta SET greatest_exp = @exp WHERE greatest_exp < @exp');
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
    isSpent: async (sid, digest) => isSpent.get(sid, digest) !== undefined,
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
    async prove(proof) {
      prove.run({ ...proof, amr: JSON.stringify(proof.amr) });
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
