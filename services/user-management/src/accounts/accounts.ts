import { randomBytes } from 'node:crypto';
import type { Issuer, TokenAnswer } from '@rescind/issuer';
import type { Clock, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Passwords } from './passwords.ts';
import type { Account, AccountTable } from './table.ts';

interface NewLogin {
  readonly clientId: string;
  readonly scope?: string | undefined;
  readonly deviceName?: string | undefined;
}

export interface Accounts {
  /** @throws RescindError `username_taken`, `password_refused`, `busy` */
  register(username: string, password: string): Promise<Account>;
  /** Who has this name and password. @throws RescindError `credentials_wrong`, `busy` */
  prove(username: string, password: string): Promise<Account>;
  /** Begins a session of an account that has been proved. @throws RescindError as `Issuer.beginSession` */
  begin(account: Account, login: NewLogin): TokenAnswer;
  /**
   * Stores another password, ends every session and begins a new one, in one transaction.
   * @throws RescindError `credentials_wrong`, `password_refused`, `busy`
   */
  changePassword(sub: string, current: string, next: string, login: NewLogin): Promise<TokenAnswer>;
}

export interface AccountsOptions {
  readonly issuer: Issuer;
  readonly table: AccountTable;
  readonly passwords: Passwords;
  readonly audience: readonly string[];
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** A pseudonym: 128 random bits, nothing of the person in it. */
const newSub = () => randomBytes(16).toString('base64url');

export function createAccounts(options: AccountsOptions): Accounts {
  const { issuer, table, passwords, audience, clock, telemetry } = options;

  const sessionOf = (account: Account, { clientId, scope, deviceName }: NewLogin) => ({
    sub: account.sub,
    clientId,
    audience,
    credentialVersion: account.credentialVersion,
    amr: ['pwd'],
    ...(scope === undefined ? {} : { scope }),
    ...(deviceName === undefined ? {} : { deviceName }),
  });

  /** A hash of yesterday's cost is replaced while the password is at hand; if that fails it is the next login's. */
  const strengthen = async (account: Account, password: string) => {
    if (!passwords.isOutdated(account.password)) return;
    try {
      const hash = await passwords.hash(password, account.username);
      await issuer.transaction(() => table.replacePassword(account, hash, account.credentialVersion));
    } catch (error) {
      const code = error instanceof RescindError ? error.code : 'internal';
      telemetry.log('warn', 'password_not_rehashed', { sub: account.sub, code });
    }
  };

  const requirePassword = async (account: Account | undefined, password: string): Promise<Account> => {
    const right = await passwords.verify(password, account?.password);
    if (account === undefined || !right) throw new RescindError('credentials_wrong');
    return account;
  };

  return {
    async register(username, password) {
      // Before the costly hash; the insert asks again.
      if (table.byName(username) !== undefined) throw new RescindError('username_taken');
      const hash = await passwords.hash(password, username);
      const account: Account = { sub: newSub(), username, password: hash, credentialVersion: 1 };
      await issuer.transaction(() => table.insert(account, clock.now()));
      return account;
    },
    async prove(username, password) {
      const account = await requirePassword(table.byName(username), password);
      await strengthen(account, password);
      return account;
    },
    begin: (account, login) => issuer.beginSession(sessionOf(account, login)),
    async changePassword(sub, current, next, login) {
      const account = await requirePassword(table.bySub(sub), current);
      const hash = await passwords.hash(next, account.username);
      const changed: Account = { ...account, password: hash, credentialVersion: account.credentialVersion + 1 };
      return issuer.transaction((tx) => {
        // Another change was faster: what was proved here is the password of before.
        if (!table.replacePassword(account, hash, changed.credentialVersion))
          throw new RescindError('credentials_wrong');
        tx.endAllSessions({ sub, reason: 'password_changed' });
        return tx.beginSession(sessionOf(changed, login));
      });
    },
  };
}
