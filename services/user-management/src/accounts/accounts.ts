import { randomBytes } from 'node:crypto';
import type { AccessAnswer, StepUp, TokenAnswer } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import type { Account, AccountView } from './account.ts';
import { REASON, viewOf } from './account.ts';
import { changedClaims } from './claims.ts';
import { deleteAccount } from './deletion.ts';
import type { DeviceTraits } from './devices.ts';
import type { NewLogin } from './entering.ts';
import { enter } from './entering.ts';
import type { Credentials } from './proving.ts';
import { proving, requirePassword, within } from './proving.ts';
import { recoverAccount } from './recovery.ts';
import type { AccountRoom } from './room.ts';
import { requireAccount } from './room.ts';
import { tellChange } from './telling.ts';

/** Whose access token it is, and what it may. */
export interface Holder {
  readonly sub: string;
  readonly sid: string;
  /** Space-separated; another token that the holder is given has no more. */
  readonly scope: string | undefined;
  /** `aud` of the token, and of another one. */
  readonly audience: readonly string[];
}

/**
 * What people do with their own accounts. What takes credentials throws RescindError `credentials_wrong`,
 * `subject_inactive`, `second_factor_required`, `second_factor_wrong`, `busy`; what writes `database_restored`,
 * `stopping`, `clock_ahead`.
 */
export interface Accounts {
  /** @throws RescindError `username_taken`, `password_refused` */
  register(username: string, password: string): Promise<Account>;
  /** Begins a session. @throws RescindError as `IssuerTransaction.beginSession` */
  login(username: string, credentials: Credentials, login: NewLogin): Promise<TokenAnswer & { readonly sub: string }>;
  /** By what a device is told from others, if it has logged in to the account of that name before. */
  knownDevice(username: string, traits: DeviceTraits): string | undefined;
  /** Raises `auth_time` of the session; its older access tokens die. @throws RescindError `session_ended` */
  reauthenticate(holder: Holder, credentials: Credentials): Promise<AccessAnswer>;
  /**
   * Stores another password and ends every session. The access token answered is of a new session that ends with it.
   * @throws RescindError `password_refused`
   */
  changePassword(sub: string, credentials: Credentials, next: string, login: NewLogin): Promise<AccessAnswer>;
  /** Sets the password anew. @returns whose. @throws RescindError `link_invalid`, `password_refused` */
  setPassword(resetToken: string, next: string): Promise<{ readonly sub: string }>;
  /** Somebody else logged in: as `recoverAccount`. @throws RescindError `link_invalid` */
  notMe(token: string): Promise<{ readonly sub: string }>;
  /** @throws RescindError `subject_unknown` */
  view(sub: string): AccountView;
  /** Every older token of the user dies; the session goes on with the access token answered. */
  changePhone(holder: Holder, credentials: Credentials, phone: string | null): Promise<AccessAnswer>;
  /** Deletes the account; its owner can have it back for a while. */
  remove(sub: string, credentials: Credentials): Promise<void>;
}

/** A pseudonym: 128 random bits, nothing of the person in it. */
const newSub = () => randomBytes(16).toString('base64url');

export function createAccounts(room: AccountRoom): Accounts {
  const { issuer, table, passwords, links, clock } = room;

  return {
    async register(username, password) {
      // Before the costly hash; the insert asks again.
      if (table.isTaken(username)) throw new RescindError('username_taken');
      const account = { sub: newSub(), username, password: await passwords.hash(password, username) };
      await issuer.transaction(() => table.insert({ ...account, createdAt: clock.now() }));
      return requireAccount(table, account.sub);
    },

    login: (username, credentials, login) =>
      proving(
        room,
        () => table.byName(username),
        credentials,
        (proved) => ({ ...enter(room, proved, login), sub: proved.account.sub }),
      ),

    knownDevice(username, traits) {
      const account = table.byName(username);
      return account && room.devices.find(account.sub, traits)?.toString('base64url');
    },

    reauthenticate: (holder, credentials) =>
      proving(
        room,
        () => table.bySub(holder.sub),
        credentials,
        ({ tx, account: { credentialVersion }, authentication }) =>
          tx.stepUp({ ...stepUpOf(holder), credentialVersion, ...authentication }),
      ),

    async changePassword(sub, credentials, next, login) {
      const owner = await requirePassword(room, table.bySub(sub), credentials.password);
      const hash = await passwords.hash(next, owner.username);
      return within(room, owner, credentials, (proved) => {
        const { tx, account } = proved;
        const credentialVersion = account.credentialVersion + 1;
        table.update(sub, { password: hash, credentialVersion });
        tx.endAllSessions({ sub, reason: REASON.passwordChanged });
        tellChange(room, account, 'password', clock.now());
        const lifetime = { refreshTokenTtlMs: room.accessTokenTtlMs, refreshIdleTtlMs: room.accessTokenTtlMs };
        return enter(room, { ...proved, account: { ...account, credentialVersion } }, { ...login, policy: lifetime });
      });
    },

    async setPassword(resetToken, next) {
      const link = links.find(resetToken, 'password_reset', clock.now());
      const owner = link && table.bySub(link.sub);
      if (owner === undefined) throw new RescindError('link_invalid');
      const hash = await passwords.hash(next, owner.username);
      return issuer.transaction(() => {
        const taken = links.take(resetToken, 'password_reset', clock.now());
        if (taken === undefined) throw new RescindError('link_invalid');
        // The owner has the account again: what was before is over.
        if (taken.recovers) {
          links.forgetRecovered(taken);
          room.history.prune(clock.now(), taken.sub);
        }
        const { credentialVersion } = requireAccount(table, owner.sub);
        // Its sessions ended with the reset, and none could begin since.
        table.update(owner.sub, { password: hash, credentialVersion: credentialVersion + 1, resetReason: null });
        return { sub: owner.sub };
      });
    },

    notMe: (token) => issuer.transaction((tx) => recoverAccount(room, tx, token)),

    view: (sub) => viewOf(requireAccount(table, sub)),

    changePhone: (holder, credentials, phone) =>
      proving(
        room,
        () => table.bySub(holder.sub),
        credentials,
        ({ tx, account, authentication }) => {
          const { sub, claims, credentialVersion } = account;
          tellChange(room, account, 'phone_number', clock.now());
          table.update(sub, { claims: changedClaims(claims, { phone_number: phone }) });
          tx.revoke({ claim: 'sub', value: sub, endsSession: false, reason: REASON.phoneChanged });
          return tx.stepUp({ ...stepUpOf(holder), credentialVersion, ...authentication });
        },
      ),

    remove: (sub, credentials) =>
      proving(
        room,
        () => table.bySub(sub),
        credentials,
        ({ tx, account }) => deleteAccount(room, tx, account),
      ),
  };
}

/** What the next access token of a holder is bounded by. */
export function stepUpOf({
  sub,
  sid,
  scope,
  audience: resource,
}: Holder): Pick<StepUp, 'sub' | 'sid' | 'scope' | 'resource'> {
  return { sub, sid, resource, ...(scope === undefined ? {} : { scope }) };
}
