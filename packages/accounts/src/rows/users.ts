import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Account, AccountState } from '../account.ts';
import { lookAlikeKeys, nameKey } from '../account.ts';

/** Columns of an account that may be changed; names are those of `Account`. */
export type UserPatch = Partial<
  Pick<Account, 'state' | 'stateReason' | 'resetReason' | 'scopes' | 'claims' | 'lastLoginAt' | 'password'>
>;

interface UpdateOptions {
  /** Whether the password or the second factor is another from now on. Default false. */
  readonly newCredential?: boolean;
  /** Nothing is changed where the account has another version. Default: not compared. */
  readonly ifCredentialVersion?: number;
}

/** The columns of a deleted account that remain until no link can restore it. */
export type DeletedAccount = Pick<Account, 'username' | 'password' | 'scopes' | 'claims' | 'lastLoginAt'>;

/** The table of accounts. Writes are inside transactions. */
export interface UserRows {
  /** Finds an account, tombstones included. */
  bySub(sub: string): Account | undefined;
  byName(username: string): Account | undefined;
  /** Whether the name, or one that looks like it, is in use. */
  isTaken(username: string): boolean;
  /** By `sub`, after `after`; without a state: all but tombstones. @param prefix the beginning of the name */
  list(after: string, limit: number, state: AccountState | undefined, prefix?: string): Account[];
  /** The `sub` of accounts with their own scopes, by `sub`. */
  withScopes(): string[];
  /** @throws RescindError `username_taken` */
  insert(account: Pick<Account, 'sub' | 'username' | 'password' | 'createdAt'>): void;
  /**
   * Changes the columns that `patch` names, and no other, of an account that is not deleted.
   * @returns its credential version then; undefined: nothing was changed
   */
  update(sub: string, patch: UserPatch, options?: UpdateOptions): number | undefined;
  /**
   * Makes the account a tombstone: its `sub` stays, and that it existed.
   * @param eraseAt until then it keeps its name, which no other account may have, and its scopes, which decide who may
   *   erase it earlier; null: it keeps neither
   */
  markDeleted(sub: string, eraseAt: EpochMillis | null): void;
  /** Restores an account that was deleted and is not erased; undefined: there is no such account. */
  undelete(sub: string, kept: DeletedAccount): Account | undefined;
  /** The `sub` of tombstones whose time to be erased has come. */
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

const PATCHED: Readonly<Record<keyof UserPatch, string>> = {
  state: 'state',
  stateReason: 'state_reason',
  resetReason: 'reset_reason',
  scopes: 'scopes',
  claims: 'claims',
  lastLoginAt: 'last_login_at',
  password: 'password',
};

export function createUserRows(sql: HostSql): UserRows {
  const bySub = sql.prepare<[string], Row>(`SELECT ${COLUMNS} FROM accounts WHERE sub = ?`);
  const byName = sql.prepare<[string], Row>(`SELECT ${COLUMNS} FROM accounts WHERE name_key = ?`);
  type Page = { after: string; limit: number; state: string | null };
  const page = (where: string) => `SELECT ${COLUMNS} FROM accounts
     WHERE sub > @after AND ${where} AND CASE WHEN @state IS NULL THEN state <> 'deleted' ELSE state = @state END
     ORDER BY sub LIMIT @limit + 0`;
  const list = sql.prepare<[Page], Row>(page('TRUE'));
  // The index of names is in this order: the names with a prefix lie between the two bounds.
  const listByPrefix = sql.prepare<[Page & { from: string; to: string }], Row>(
    page('name_key >= @from AND name_key < @to'),
  );
  const withScopes = sql.prepare<[], string>('SELECT sub FROM accounts WHERE scopes IS NOT NULL ORDER BY sub').pluck();
  const lookAlike = 'SELECT 1 FROM account_name_keys WHERE key IN (SELECT value FROM json_each(@keys))';
  const isTaken = sql.prepare<[{ keys: string }], 1>(`${lookAlike} LIMIT 1`).pluck();
  const insert = sql.prepare(
    `INSERT INTO accounts (sub, username, name_key, password, credential_version, created_at)
     SELECT @sub, @username, @nameKey, @password, 1, @createdAt WHERE NOT EXISTS (${lookAlike})
     ON CONFLICT DO NOTHING`,
  );
  const addKey = sql.prepare('INSERT OR IGNORE INTO account_name_keys (key, sub) VALUES (?, ?)');
  const removeKeys = sql.prepare('DELETE FROM account_name_keys WHERE sub = ?');
  const { updateOf } = createUpdates(sql);
  // A name has no colon, so no account can register a tombstone's key. The freed name can be registered again.
  const markDeleted = sql.prepare(
    `UPDATE accounts SET username = '', password = '', state = 'deleted', erase_at = @eraseAt,
       name_key = CASE WHEN @eraseAt IS NULL THEN 'deleted:' || sub ELSE name_key END,
       credential_version = credential_version + 1, state_reason = NULL, reset_reason = NULL,
       scopes = CASE WHEN @eraseAt IS NULL THEN NULL ELSE scopes END, claims = '{}', last_login_at = NULL
     WHERE sub = @sub`,
  );
  const undelete = sql.prepare(
    `UPDATE accounts SET username = @username, password = @password, state = 'active', erase_at = NULL,
       credential_version = credential_version + 1, scopes = @scopes, claims = @claims, last_login_at = @lastLoginAt
     WHERE sub = @sub AND state = 'deleted' AND erase_at IS NOT NULL`,
  );
  const erasable = sql
    .prepare<[number, number], string>('SELECT sub FROM accounts WHERE erase_at <= ? ORDER BY erase_at LIMIT ? + 0')
    .pluck();

  return {
    bySub: (sub) => toAccount(bySub.get(sub)),
    byName: (username) => toAccount(byName.get(nameKey(username))),
    list(after, limit, state, prefix) {
      const asked = { after, limit, state: state ?? null };
      const from = prefix === undefined ? '' : nameKey(prefix);
      const rows = from === '' ? list.all(asked) : listByPrefix.all({ ...asked, from, to: `${from}\u{10ffff}` });
      return rows.flatMap((row) => toAccount(row) ?? []);
    },
    withScopes: () => withScopes.all(),
    isTaken: (username) => isTaken.get({ keys: JSON.stringify(lookAlikeKeys(username)) }) !== undefined,
    insert(account) {
      const keys = lookAlikeKeys(account.username);
      const row = { ...account, nameKey: nameKey(account.username), keys: JSON.stringify(keys) };
      if (insert.run(row).changes !== 1) throw new RescindError('username_taken');
      for (const key of keys) addKey.run(key, account.sub);
    },
    update(sub, patch, options = {}) {
      const { newCredential = false, ifCredentialVersion = null } = options;
      return updateOf(patch).get({ ...toColumns(patch), sub, ifCredentialVersion, added: Number(newCredential) });
    },
    markDeleted(sub, eraseAt) {
      markDeleted.run({ sub, eraseAt });
      if (eraseAt === null) removeKeys.run(sub);
    },
    undelete(sub, { scopes, claims, ...kept }) {
      const row = { ...kept, ...toColumns({ scopes, claims }), sub };
      return undelete.run(row).changes === 1 ? toAccount(bySub.get(sub)) : undefined;
    },
    erasable: (now, limit) => erasable.all(now, limit),
  };
}

/** One prepared statement for each set of columns. */
function createUpdates(sql: HostSql) {
  const prepare = (columns: readonly (keyof UserPatch)[]) =>
    sql
      .prepare<[object], number>(
        `UPDATE accounts SET ${columns.map((name) => `${PATCHED[name]} = @${name}, `).join('')}
           credential_version = credential_version + @added
         WHERE sub = @sub AND state <> 'deleted'
           AND (@ifCredentialVersion IS NULL OR credential_version = @ifCredentialVersion)
         RETURNING credential_version`,
      )
      .pluck();
  const known = new Map<string, ReturnType<typeof prepare>>();
  return {
    updateOf(patch: UserPatch) {
      const columns = (Object.keys(PATCHED) as (keyof UserPatch)[]).filter((name) => patch[name] !== undefined);
      const key = columns.join();
      const update = known.get(key) ?? prepare(columns);
      known.set(key, update);
      return update;
    },
  };
}

/** The values of a patch as columns have them. */
function toColumns({ scopes, claims, ...rest }: UserPatch) {
  return {
    ...rest,
    ...(scopes === undefined ? {} : { scopes: scopes === null ? null : JSON.stringify(scopes) }),
    ...(claims === undefined ? {} : { claims: JSON.stringify(claims) }),
  };
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
