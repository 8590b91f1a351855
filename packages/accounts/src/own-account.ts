import type { AccessAnswer, StepUp, TokenAnswer } from '@rescind/issuer';
import type { ErrorCode } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { AccountView } from './account.ts';
import { changedClaims, REASON, viewOf } from './account.ts';
import type { AccountContext } from './context.ts';
import { newSub, requireAccount } from './context.ts';
import type { Credentials } from './credentials.ts';
import { verifyCredentials, verifyFactor, verifyPassword } from './credentials.ts';
import { deleteAccount } from './deletion.ts';
import type { NewLogin } from './login.ts';
import { beginLogin, originOf } from './login.ts';
import { notifyChange } from './notify.ts';
import { recoverAccount, setPassword } from './recovery.ts';
import { noteRefusal, recordRefusal } from './refusals.ts';
import type { DeviceAttributes } from './rows/devices.ts';

/** The session of an access token, with the scope and audience of the token. */
export interface TokenHolder {
  readonly sub: string;
  readonly sid: string;
  /** Space-separated; another token that the holder gets has no more. */
  readonly scope?: string | undefined;
  /** `aud` of the token, and of another one. */
  readonly audience: readonly string[];
}

/**
 * What people do with their own accounts. What verifies credentials throws RescindError `credentials_wrong`,
 * `credentials_changed`, `subject_inactive`, `second_factor_required`, `second_factor_wrong`, `totp_used`,
 * `recovery_code_used`, `busy`; what writes `database_restored`, `storage_unavailable`, `stopping`, `clock_ahead`.
 */
export interface OwnAccounts {
  /** @throws RescindError `username_taken`, `password_refused` */
  register(username: string, password: string): Promise<AccountView>;
  /** Begins a session. @throws RescindError as `IssuerTransaction.beginSession` */
  login(username: string, credentials: Credentials, login: NewLogin): Promise<TokenAnswer & { readonly sub: string }>;
  /** Records a login that was refused before it was tried, such as `rate_limited`, as an event of the user. */
  noteRefusedLogin(username: string, login: NewLogin, code: ErrorCode): void;
  /** What identifies a device that has logged in to the account of that name before; undefined: it has not. */
  knownDevice(username: string, traits: DeviceAttributes): string | undefined;
  /** Raises `auth_time` of the session; its earlier access tokens are denied. @throws RescindError `session_ended` */
  reauthenticate(holder: TokenHolder, credentials: Credentials): Promise<AccessAnswer>;
  /**
   * Stores another password and ends every session. The answered access token is of a new session that ends with it.
   * @throws RescindError `password_refused`
   */
  changePassword(sub: string, credentials: Credentials, next: string, login: NewLogin): Promise<AccessAnswer>;
  /** Sets the password after a reset. @returns the subject. @throws RescindError `link_invalid`, `password_refused` */
  setPassword(resetToken: string, next: string): Promise<{ readonly sub: string }>;
  /**
   * "This was not me": undoes what was changed since the oldest live link of the account, ends every session and resets the
   * password. @returns the subject. @throws RescindError `link_invalid`
   */
  notMe(token: string): Promise<{ readonly sub: string }>;
  /** @throws RescindError `subject_unknown` */
  view(sub: string): AccountView;
  /** Denies every older token of the user; the session continues with the returned access token. */
  changePhone(holder: TokenHolder, credentials: Credentials, phone: string | null): Promise<AccessAnswer>;
  /** Deletes the account; its owner can restore it for a while. */
  remove(sub: string, credentials: Credentials): Promise<void>;
}

export function createOwnAccounts(context: AccountContext): OwnAccounts {
  const { rows, transact, passwords, accessTokenTtlMs } = context;
  const { users, oneTimeTokens, devices } = rows;
  const find = (sub: string) => () => users.bySub(sub);
  const refusedLogin = (username: string, login: NewLogin) => {
    const { clientId, deviceName } = login;
    return {
      type: 'login_refused' as const,
      sub: users.byName(username)?.sub,
      clientId,
      deviceName,
      origin: originOf(login),
    };
  };

  return {
    async register(username, password) {
      // Before the costly hash; the insert checks it again.
      if (users.isTaken(username)) throw new RescindError('username_taken');
      const account = { sub: newSub(), username, password: await passwords.hash(password, username) };
      return await transact(async (tx) => {
        tx.users.insert({ ...account, createdAt: tx.now });
        await tx.issuer.recordEvent({ type: 'account_created', sub: account.sub });
        return viewOf(requireAccount(tx.users, account.sub));
      });
    },

    login(username, credentials, login) {
      const loggingIn = () =>
        verifyCredentials(
          context,
          () => users.byName(username),
          credentials,
          async (verified) => ({ ...(await beginLogin(context, verified, login)), sub: verified.account.sub }),
        );
      return recordRefusal(context, loggingIn, () => refusedLogin(username, login));
    },

    noteRefusedLogin(username, login, code) {
      noteRefusal(context, () => ({ ...refusedLogin(username, login), code }));
    },

    knownDevice(username, traits) {
      const account = users.byName(username);
      return account && devices.find(account.sub, traits)?.toString('base64url');
    },

    reauthenticate: (holder, credentials) =>
      verifyCredentials(context, find(holder.sub), credentials, ({ tx, account, authentication }) => {
        const { credentialVersion } = account;
        return tx.issuer.stepUp({ ...stepUpOf(holder), credentialVersion, ...authentication });
      }),

    async changePassword(sub, credentials, next, login) {
      const owner = await verifyPassword(context, users.bySub(sub), credentials.password);
      const password = await passwords.hash(next, owner.username);
      return verifyFactor(context, owner, credentials, async (verified) => {
        const { tx, account } = verified;
        const { credentialVersion } = account;
        const version = tx.users.update(sub, { password }, { newCredential: true }) ?? credentialVersion;
        await tx.issuer.recordEvent({ type: 'account_changed', sub, reason: REASON.passwordChanged });
        await tx.issuer.endAllSessions({ sub, reason: REASON.passwordChanged });
        notifyChange(context, tx, account, 'password');
        const policy = { refreshTokenTtlMs: accessTokenTtlMs, refreshIdleTtlMs: accessTokenTtlMs };
        const changed = { ...verified, account: { ...account, credentialVersion: version } };
        return beginLogin(context, changed, { ...login, policy });
      });
    },

    async setPassword(resetToken, next) {
      const oneTimeToken = oneTimeTokens.find(resetToken, 'password_reset', context.clock.now());
      const owner = oneTimeToken && users.bySub(oneTimeToken.sub);
      if (owner === undefined) throw new RescindError('link_invalid');
      const password = await passwords.hash(next, owner.username);
      return transact((tx) => setPassword(tx, resetToken, password));
    },

    notMe: (token) => transact((tx) => recoverAccount(context, tx, token)),

    view: (sub) => viewOf(requireAccount(users, sub)),

    changePhone: (holder, credentials, phone) =>
      verifyCredentials(context, find(holder.sub), credentials, async ({ tx, account, authentication }) => {
        const { sub, claims, credentialVersion } = account;
        notifyChange(context, tx, account, 'phone_number');
        tx.users.update(sub, { claims: changedClaims(claims, { phone_number: phone }) });
        await tx.issuer.recordEvent({ type: 'account_changed', sub, reason: REASON.phoneChanged });
        await tx.issuer.subjectChanged({ sub, kind: 'soft', reason: REASON.phoneChanged });
        return tx.issuer.stepUp({ ...stepUpOf(holder), credentialVersion, ...authentication });
      }),

    remove: (sub, credentials) =>
      verifyCredentials(context, find(sub), credentials, ({ tx, account }) => deleteAccount(context, tx, account)),
  };
}

/** The bounds of the next access token of a holder. */
export function stepUpOf({
  sub,
  sid,
  scope,
  audience: resource,
}: TokenHolder): Pick<StepUp, 'sub' | 'sid' | 'scope' | 'resource'> {
  return { sub, sid, resource, ...(scope === undefined ? {} : { scope }) };
}
