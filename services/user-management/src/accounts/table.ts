import type { Issuer } from '@rescind/issuer';
import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

/** One user. Nothing outside this table knows the name: everywhere else a user is `sub`, a random pseudonym. */
export interface Account {
  readonly sub: string;
  readonly username: string;
  /** A PHC string. */
  readonly password: string;
  /** Grows with each change of the password. */
  readonly credentialVersion: number;
}

export interface AccountTable {
  bySub(sub: string): Account | undefined;
  byName(username: string): Account | undefined;
  /** Inside a transaction. @throws RescindError `username_taken` */
  insert(account: Account, at: EpochMillis): void;
  /** Inside a transaction: stores another password if the account is still at that version. @returns whether it was */
  replacePassword(account: Account, password: string, credentialVersion: number): boolean;
}

const COLUMNS = 'sub, username, password, credential_version AS credentialVersion';

/** The table of users, in the issuer's file: what changes a user and revokes commits in one transaction. */
export function createAccountTable(database: Issuer['database']): AccountTable {
  const bySub = database.prepare<[string], Account>(`SELECT ${COLUMNS} FROM accounts WHERE sub = ?`);
  const byName = database.prepare<[string], Account>(`SELECT ${COLUMNS} FROM accounts WHERE name_key = ?`);
  const insert = database.prepare<[string, string, string, string, number, number]>(
    'INSERT INTO accounts (sub, username, name_key, password, credential_version, created_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const replace = database.prepare<[string, number, string, number]>(
    'UPDATE accounts SET password = ?, credential_version = ? WHERE sub = ? AND credential_version = ?',
  );
  return {
    bySub: (sub) => bySub.get(sub),
    byName: (username) => byName.get(nameKey(username)),
    insert({ sub, username, password, credentialVersion }, at) {
      const { changes } = insert.run(sub, username, nameKey(username), password, credentialVersion, at);
      if (changes !== 1) throw new RescindError('username_taken');
    },
    replacePassword: ({ sub, credentialVersion }, password, next) =>
      replace.run(password, next, sub, credentialVersion).changes === 1,
  };
}

/** Two names that look the same are the same name. */
function nameKey(username: string): string {
  return username.normalize('NFKC').toLowerCase();
}
