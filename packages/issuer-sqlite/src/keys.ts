import type { KeyRow, Keys } from '@rescind/issuer/store';
import type Database from 'better-sqlite3';

const COLUMNS =
  'kid, purpose, alg, state, cause, created_at AS createdAt, activated_at AS activatedAt, retires_at AS retiresAt';
const ORDER = `CASE state WHEN 'active' THEN 1 WHEN 'next' THEN 2 WHEN 'former' THEN 3 ELSE 4 END, created_at, kid`;

export function createKeys(database: Database.Database): Keys {
  const insert = database.prepare(
    `INSERT INTO rescind_keys (kid, purpose, alg, state, cause, created_at, activated_at)
     VALUES (@kid, @purpose, @alg, @state, @cause, @createdAt, CASE @state WHEN 'active' THEN @createdAt END)`,
  );
  const rows = (clause: string) =>
    database.prepare<[string], KeyRow>(`SELECT ${COLUMNS} FROM rescind_keys WHERE ${clause}`);
  const find = rows('kid = ?');
  const next = rows(`purpose = ? AND state = 'next'`);
  const all = rows(`purpose = ? ORDER BY ${ORDER}`);
  const active = database
    .prepare<[string], string>(`SELECT kid FROM rescind_keys WHERE purpose = ? AND state = 'active'`)
    .pluck();
  const update = (assignments: string) => database.prepare(`UPDATE rescind_keys SET ${assignments} WHERE kid = @kid`);
  const activate = update(`state = 'active', activated_at = @at`);
  const retire = update(`state = 'former', retires_at = @retiresAt`);
  const revoke = update(`state = 'revoked', retires_at = NULL`);
  const remove = database.prepare('DELETE FROM rescind_keys WHERE kid = ?');

  return {
    async insert(key) {
      insert.run(key);
    },
    find: async (kid) => find.get(kid),
    active: async (purpose) => active.get(purpose),
    next: async (purpose) => next.get(purpose),
    all: async (purpose) => all.all(purpose),
    async activate(kid, at) {
      activate.run({ kid, at });
    },
    async retire(kid, retiresAt) {
      retire.run({ kid, retiresAt });
    },
    async revoke(kid) {
      revoke.run({ kid });
    },
    async delete(kid) {
      remove.run(kid);
    },
  };
}
