import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Account, AccountState } from './account.ts';
import type { DeletedAccount } from './history.ts';
import { createTakenNames, nameKey } from './names.ts';

/** What of an account may be changed; names are those of `Account`. */
export type AccountPatch = Partial<
  Pick<
    Account,
    'state' | 'stateReason' | 'resetReason' | 'scopes' | 'claims' | 'lastLoginAt' | 'password' | 'credentialVersion'
  >
>;

export interface AccountTable {
  /** Tombstones too. */
  bySub(sub: string): Account | undefined;
  byName(username: string): Account | undefined;
  /** Whether nobody else may have this name: there is one that looks like it. */
  isTaken(username: string): boolean;
  /** By `sub`, after `after`; without a state: all but tombstones. */
  list(after: string, limit: number, state: AccountState | undefined): Account[];
  /** Those who have scopes of their own, by `sub`. */
  scoped(): string[];
  /** Inside a transaction. @throws RescindError `username_taken` */
  insert(account: Pick<Account, 'sub' | 'username' | 'password' | 'createdAt'>): void;
  /**
   * Inside a transaction: changes what is given of an account that is not deleted.
   * @param provedVersion the credential somebody proved: if it is another by now nothing happens
   * @returns whether it was changed
   */
  update(sub: string, patch: AccountPatch, provedVersion?: number): boolean;
  /**
   * Inside a transaction: leaves of it its `sub`, and that it was there.
   * @param eraseAt until then it keeps its name, which nobody else may have, and its scopes, by which it is known who may
   *   erase it earlier; null: it keeps neither
   */
  bury(sub: string, eraseAt: EpochMillis | null): void;
  /** Inside a transaction: makes active again what was buried and is not erased; undefined: it is neither. */
  exhume(sub: string, kept: DeletedAccount): Account | undefined;
  /** Those whose time to be erased has come. */
  erasable(now: EpochMillis, limit: number): string[];
}

interface Row extends Omit<Account, 'scopes' | 'claims' | 'secondFactor'> {
  readonly scopes: string | null;
  readonly claims: string;
  readonly secondFactor: number;
}

const COLUMNS = `sub, username, password, credential_version AS credentialVersion, state, state_reason AS stateReason,
  reset_reason AS resetReason, scopes, claims, created_at AS createdAt, last_login_at AS lastLoginAt,
  erase_at AS eraseAt,
  EXISTS (SELECT 1 FROM account_second_factors f WHERE f.sub = accounts.sub AND f.confirmed_at IS NOT NULL)
    AS secondFactor`;

/** The table of users, in the issuer's file: what changes a user and revokes commits in one transaction. */
export function createAccountTable(sql: HostSql): AccountTable {
  const names = createTakenNames(sql);
  const bySub = sql.prepare<[string], Row>(`SELECT ${COLUMNS} FROM accounts WHERE sub = ?`);
  const byName = sql.prepare<[string], Row>(`SELECT ${COLUMNS} FROM accounts WHERE name_key = ?`);
  const list = sql.prepare<[{ after: string; limit: number; state: string | null }], Row>(
    `SELECT ${COLUMNS} FROM accounts
     WHERE sub > @after AND CASE WHEN @state IS NULL THEN state <> 'deleted' ELSE state = @state END
     ORDER BY sub LIMIT @limit`,
  );
  const scoped = sql.prepare<[], string>('SELECT sub FROM accounts WHERE scopes IS NOT NULL ORDER BY sub').pluck();
  const insert = sql.prepare<[string, string, string, string, number]>(
    `INSERT INTO accounts (sub, username, name_key, password, credential_version, created_at)
     VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT DO NOTHING`,
  );
  const update = sql.prepare(
    `UPDATE accounts SET password = @password, credential_version = @credentialVersion, state = @state,
       state_reason = @stateReason, reset_reason = @resetReason, scopes = @scopes, claims = @claims,
       last_login_at = @lastLoginAt
     WHERE sub = @sub`,
  );
  // A name of ours has no colon: nobody can take a tombstone's key, and everybody the name that it frees.
  const bury = sql.prepare(
    `UPDATE accounts SET username = '', password = '', state = 'deleted', erase_at = @eraseAt,
       name_key = CASE WHEN @eraseAt IS NULL THEN 'deleted:' || sub ELSE name_key END,
       credential_version = credential_version + 1, state_reason = NULL, reset_reason = NULL,
       scopes = CASE WHEN @eraseAt IS NULL THEN NULL ELSE scopes END, claims = '{}', last_login_at = NULL
     WHERE sub = @sub`,
  );
  const exhume = sql.prepare(
    `UPDATE accounts SET username = @username, password = @password, state = 'active', erase_at = NULL,
       credential_version = credential_version + 1, scopes = @scopes, claims = @claims, last_login_at = @lastLoginAt
     WHERE sub = @sub AND state = 'deleted' AND erase_at IS NOT NULL`,
  );
  const erasable = sql
    .prepare<[number, number], string>('SELECT sub FROM accounts WHERE erase_at <= ? ORDER BY erase_at LIMIT ?')
    .pluck();

  return {
    bySub: (sub) => toAccount(bySub.get(sub)),
    byName: (username) => toAccount(byName.get(nameKey(username))),
    list: (after, limit, state) =>
      list.all({ after, limit, state: state ?? null }).flatMap((row) => toAccount(row) ?? []),
    scoped: () => scoped.all(),
    isTaken: (username) => names.isTaken(username),
    insert({ sub, username, password, createdAt }) {
      if (names.isTaken(username)) throw new RescindError('username_taken');
      const { changes } = insert.run(sub, username, nameKey(username), password, createdAt);
      if (changes !== 1) throw new RescindError('username_taken');
      names.add(sub, username);
    },
    update(sub, patch, provedVersion) {
      const account = toAccount(bySub.get(sub));
      if (account === undefined || account.state === 'deleted') return false;
      if (provedVersion !== undefined && provedVersion !== account.credentialVersion) return false;
      const { password, credentialVersion, state, stateReason, resetReason, scopes, claims, lastLoginAt } = {
        ...account,
        ...patch,
      };
      update.run({
        ...{ sub, password, credentialVersion, state, stateReason, resetReason, lastLoginAt },
        scopes: jsonOrNull(scopes),
        claims: JSON.stringify(claims),
      });
      return true;
    },
    bury(sub, eraseAt) {
      bury.run({ sub, eraseAt });
      if (eraseAt === null) names.remove(sub);
    },
    exhume(sub, { scopes, claims, ...kept }) {
      const row = { ...kept, sub, scopes: jsonOrNull(scopes), claims: JSON.stringify(claims) };
      return exhume.run(row).changes === 1 ? toAccount(bySub.get(sub)) : undefined;
    },
    erasable: (now, limit) => erasable.all(now, limit),
  };
}

function jsonOrNull(value: readonly string[] | null): string | null {
  return value === null ? null : JSON.stringify(value);
}

function toAccount(row: Row | undefined): Account | undefined {
  if (row === undefined) return undefined;
  return {
    ...row,
    scopes: row.scopes === null ? null : JSON.parse(row.scopes),
    claims: JSON.parse(row.claims),
    secondFactor: row.secondFactor === 1,
  };
}
