import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Issuer, SubjectRecord } from '@rescind/issuer';
import type { HostSql } from '@rescind/issuer-sqlite';

/** The team's own table, as it was before it issued tokens. One column was added: `credential_version`. */
export const TABLE = `
CREATE TABLE IF NOT EXISTS users (
  id TEXT PRIMARY KEY,
  email TEXT NOT NULL UNIQUE,
  password BLOB NOT NULL,
  salt BLOB NOT NULL,
  role TEXT NOT NULL DEFAULT 'customer',
  suspended INTEGER NOT NULL DEFAULT 0,
  credential_version INTEGER NOT NULL DEFAULT 1
) STRICT;
`;

export interface User {
  readonly id: string;
  readonly email: string;
  readonly password: Buffer;
  readonly salt: Buffer;
  readonly role: string;
  readonly suspended: number;
  readonly credential_version: number;
}

export interface Users {
  add(email: string, password: string): Promise<User>;
  /** The user with this address and password. */
  verify(email: string, password: string): Promise<User | undefined>;
  byId(id: string): User | undefined;
  /** Call these three inside `issuer.transaction`, together with their cut-offs. */
  setPassword(id: string, hashed: HashedPassword): void;
  setRole(id: string, role: string): void;
  suspend(id: string): void;
}

export interface HashedPassword {
  readonly password: Buffer;
  readonly salt: Buffer;
}

const KEY_BYTES = 32;
const hash = promisify<string, Buffer, number, Buffer>(scrypt);

/** Slow on purpose, and therefore outside of any transaction. */
export async function hashPassword(password: string, salt = randomBytes(16)): Promise<HashedPassword> {
  return { password: await hash(password, salt, KEY_BYTES), salt };
}

export function createUsers(sql: HostSql, { transaction }: Pick<Issuer, 'transaction'>): Users {
  const insert = sql.prepare('INSERT INTO users (id, email, password, salt) VALUES (?, ?, ?, ?)');
  const byId = sql.prepare<[string], User>('SELECT * FROM users WHERE id = ?');
  const byEmail = sql.prepare<[string], User>('SELECT * FROM users WHERE email = ?');
  const setPassword = sql.prepare(
    'UPDATE users SET password = ?, salt = ?, credential_version = credential_version + 1 WHERE id = ?',
  );
  const setRole = sql.prepare('UPDATE users SET role = ? WHERE id = ?');
  const suspend = sql.prepare('UPDATE users SET suspended = 1 WHERE id = ?');
  const dummy = { password: randomBytes(KEY_BYTES), salt: randomBytes(16) };

  return {
    async add(email, password) {
      const hashed = await hashPassword(password);
      const id = randomBytes(12).toString('base64url');
      await transaction(() => insert.run(id, email, hashed.password, hashed.salt));
      return byId.get(id) as User;
    },
    async verify(email, password) {
      const user = byEmail.get(email);
      // An unknown address takes the same time.
      const { password: expected, salt } = user ?? dummy;
      const given = await hashPassword(password, Buffer.from(salt));
      return timingSafeEqual(given.password, expected) ? user : undefined;
    },
    byId: (id) => byId.get(id),
    setPassword(id, hashed) {
      setPassword.run(hashed.password, hashed.salt, id);
    },
    setRole(id, role) {
      setRole.run(role, id);
    },
    suspend(id) {
      suspend.run(id);
    },
  };
}

/** The record of a user for the issuer, which reads it inside each transaction that mints. */
export function toSubject(user: User | undefined): SubjectRecord | undefined {
  return (
    user && {
      claims: { scope: user.role === 'admin' ? 'orders orders:write' : 'orders', role: user.role },
      credentialVersion: user.credential_version,
      active: user.suspended === 0,
      ...(user.suspended === 0 ? {} : { reason: 'suspended' }),
    }
  );
}
