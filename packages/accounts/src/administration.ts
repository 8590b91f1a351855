import { randomBytes } from 'node:crypto';
import type { RevocationRecord } from '@rescind/issuer';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { RequestRefused } from '@rescind/revocation/errors';
import type { Account, AccountClaims, AccountState, AccountView, ClaimValue } from './account.ts';
import { changedClaims, REASON, requireScopes, sameClaims, viewOf } from './account.ts';
import type { AccountContext, AccountTransaction } from './context.ts';
import { newSub, requireAccount, requireErasable } from './context.ts';
import { purgeAccount } from './deletion.ts';
import { notifyChange, notifyContactChange } from './notify.ts';
import { resetPassword } from './recovery.ts';
import type { UserPatch } from './rows/users.ts';

/** A command of an administrator about one account. */
export interface AccountCommand {
  readonly sub: string;
  /**
   * Runs in the transaction of the command, before the change, with the present account. An error that it throws refuses the command.
   * A check before the transaction would use a state that other transactions may have changed since.
   */
  requireAllowed?(before: AccountView): void | Promise<void>;
  /**
   * Runs in the transaction of the command, after the change, for instance to write the audit. It may be called again when
   * the transaction has to wait for the clock, so it should only write the database; if it throws nothing happens.
   */
  withinTransaction?(done: AccountChange): void | Promise<void>;
}

/** A command that prevents logins to an account. */
export interface RefusingCommand extends AccountCommand {
  /** A word such as `payment_overdue`, returned after the right password. Default: the state. Not in the event. */
  readonly reason?: string;
}

export interface AccountPage {
  /** Accounts with a `sub` after it. Default: from the first. */
  readonly after?: string;
  /** 1 to 1 000. */
  readonly limit: number;
  /** Default: all but deleted ones. */
  readonly state?: AccountState;
  /** The beginning of their names, in any case and normalization. Default: any name. */
  readonly prefix?: string;
}

/** The result of a command about an account. */
export interface AccountChange {
  /** As it is after the command. */
  readonly account: AccountView;
  /** Absent: there was nothing to cut off. */
  readonly revocation?: RevocationRecord;
}

/** An account that an administrator creates. */
export interface NewAccount {
  /** As of a registration. */
  readonly username: string;
  /** The claim `roles`. Default: none. */
  readonly roles?: readonly string[] | undefined;
  /** All the scopes the user may have; null: the default scopes of every user. Default null. */
  readonly scopes?: readonly string[] | null | undefined;
  /** Claims by name. Default: none. */
  readonly claims?: AccountClaims | undefined;
  /** How long the password may be set with the token: whole milliseconds up to 30 d. Default: as configured. */
  readonly ttlMs?: DurationMs | undefined;
  /** As of `AccountCommand`: what it throws refuses the command. */
  withinTransaction?(done: AccountChange): void | Promise<void>;
}

interface PasswordReset extends AccountChange {
  /** Valid once, for `OwnAccounts.setPassword`; returned once, stored as a hash. */
  readonly resetToken: string;
  readonly expiresAt: EpochMillis;
}

/**
 * What administrators do to accounts: the change, its cut-off and `withinTransaction` commit in one transaction. Each command
 * may be repeated: an account that already has the requested state is left as it is, without a cut-off.
 * Every command may throw RescindError `subject_unknown` (never there, or deleted), `clock_ahead`, `database_restored`,
 * `storage_unavailable`, `stopping`.
 */
export interface AccountAdministration {
  /** Deleted ones too. */
  find(sub: string): AccountView | undefined;
  findByName(username: string): AccountView | undefined;
  /** By `sub`. */
  list(page: AccountPage): AccountView[];
  /** The `sub` of each account with its own scopes: administrators are among them. */
  listScoped(): string[];
  /**
   * Creates an account without a password: its user sets one with the token, and login refuses the account until then.
   * @throws RescindError `username_taken`, `request_invalid`
   */
  create(account: NewAccount): Promise<PasswordReset>;
  /** Ends every session; refresh and login refuse from now on. */
  suspend(command: RefusingCommand): Promise<AccountChange>;
  /** As `suspend`, under another name: it is meant to be permanent. */
  ban(command: RefusingCommand): Promise<AccountChange>;
  /** Makes a suspended or banned account active again. Its earlier sessions and tokens stay revoked. */
  reinstate(command: AccountCommand): Promise<AccountChange>;
  /** Deletes: ends every session, erases everything personal, leaves a tombstone, frees the name. Also erases an account that its owner has deleted. */
  remove(command: AccountCommand): Promise<AccountChange>;
  /**
   * Ends every session; login refuses the account until another password has been set with the token. A second factor
   * stays. An earlier reset token becomes invalid.
   * @throws RescindError also `request_invalid` where `ttlMs` (default: as configured) is not whole milliseconds up to 30 d
   */
  resetPassword(command: RefusingCommand & { readonly ttlMs?: DurationMs }): Promise<PasswordReset>;
  /** The claim `roles`. Earlier tokens are denied, sessions continue. @throws RescindError also `request_invalid` */
  setRoles(command: AccountCommand & { readonly roles: readonly string[] }): Promise<AccountChange>;
  /**
   * All the scopes the user may have; null: the default scopes of every user. As `setRoles`. A scope that the user did not have
   * before invalidates an outstanding reset token, because the administrator who created it may lack that scope.
   */
  setScopes(command: AccountCommand & { readonly scopes: readonly string[] | null }): Promise<AccountChange>;
  /** Sets claims by name (`tenant`, `groups`, `phone_number`, …), removes those that are null. As `setRoles`. */
  setClaims(
    command: AccountCommand & { readonly claims: Readonly<Record<string, AccountClaims[string] | null>> },
  ): Promise<AccountChange>;
  /** Removes the second factor of a user who lost it, recovery codes included: every session ends, and the password alone is sufficient again. */
  removeSecondFactor(command: AccountCommand): Promise<AccountChange>;
}

type Done = RevocationRecord | undefined;
type Change = (account: Account, tx: AccountTransaction) => Done | Promise<Done>;

const REASON_WORD = /^[a-z][a-z0-9_]{0,63}$/;
const MAX_RESET_MS: DurationMs = 30 * 24 * 3_600_000;
const MAX_PAGE = 1_000;
const UNKNOWN_PASSWORD_BYTES = 32;

export function createAccountAdministration(context: AccountContext): AccountAdministration {
  const { rows, transact, telemetry } = context;
  const { users } = rows;

  const apply = (
    { sub, requireAllowed, withinTransaction }: AccountCommand,
    change: Change,
    require = requireAccount,
  ): Promise<AccountChange> =>
    transact(async (tx) => {
      const before = require(tx.users, sub);
      await requireAllowed?.(viewOf(before));
      const revocation = await change(before, tx);
      const account = viewOf(tx.users.bySub(sub) ?? before);
      const done = { account, ...(revocation === undefined ? {} : { revocation }) };
      await withinTransaction?.(done);
      return done;
    });

  const logged = async (event: string, what: string, applying: Promise<AccountChange>): Promise<AccountChange> => {
    const done = await applying;
    telemetry.log('info', event, { sub: done.account.sub, what });
    return done;
  };

  const stop = (state: AccountState, command: RefusingCommand) => {
    const stateReason = requireReason(command.reason) ?? state;
    const stopping = apply(command, async ({ sub, state: before }, tx) => {
      tx.users.update(sub, { state, stateReason });
      if (before === state) return undefined;
      await tx.issuer.recordEvent({ type: 'account_changed', sub, reason: state });
      return tx.issuer.endAllSessions({ sub, reason: state });
    });
    return logged('user_updated', state, stopping);
  };

  const changeClaims = (
    command: AccountCommand,
    reason: string,
    patchOf: (account: Account, tx: AccountTransaction) => UserPatch | undefined,
  ) => {
    const setting = apply(command, async (account, tx) => {
      const { sub } = account;
      const patch = patchOf(account, tx);
      if (patch === undefined) return undefined;
      notifyContactChange(context, tx, account, patch);
      tx.users.update(sub, patch);
      await tx.issuer.recordEvent({ type: 'account_changed', sub, reason });
      return tx.issuer.subjectChanged({ sub, kind: 'soft', reason });
    });
    return logged('privilege_permissions_changed', reason, setting);
  };

  const withClaims = (account: Account, changes: Readonly<Record<string, ClaimValue | null>>) => {
    const claims = changedClaims(account.claims, changes);
    return sameClaims(claims, account.claims) ? undefined : { claims };
  };

  return {
    find: (sub) => optionalView(users.bySub(sub)),
    findByName: (username) => optionalView(users.byName(username)),
    list: ({ after = '', limit, state, prefix }) =>
      users.list(after, Math.min(limit, MAX_PAGE), state, prefix).map(viewOf),
    listScoped: () => users.withScopes(),
    async create({ username, roles = [], scopes = null, claims: given = {}, ttlMs, withinTransaction }) {
      requireTtl(ttlMs);
      requireScopes(scopes ?? []);
      const claims = changedClaims({}, { ...given, ...(roles.length === 0 ? {} : { roles }) });
      // Before the costly hash; the insert checks it again.
      if (users.isTaken(username)) throw new RescindError('username_taken');
      // The hash of a random password that is not kept. The user sets a password with the token.
      const password = await context.passwords.hash(
        randomBytes(UNKNOWN_PASSWORD_BYTES).toString('base64url'),
        username,
      );
      const sub = newSub();
      const created = await transact(async (tx) => {
        const { now } = tx;
        tx.users.insert({ sub, username, password, createdAt: now });
        tx.users.update(sub, { scopes, claims, resetReason: REASON.passwordUnset });
        const expiresAt = now + (ttlMs ?? context.resetTtlMs);
        const resetToken = tx.oneTimeTokens.issue({ sub, purpose: 'password_reset', at: now, expiresAt });
        await tx.issuer.recordEvent({ type: 'account_created', sub });
        const done = { account: viewOf(requireAccount(tx.users, sub)) };
        await withinTransaction?.(done);
        return { ...done, resetToken, expiresAt };
      });
      telemetry.log('info', 'user_created', { sub });
      return created;
    },
    suspend: (command) => stop('suspended', command),
    ban: (command) => stop('banned', command),
    reinstate(command) {
      const reinstating = apply(command, async ({ sub, state }, tx) => {
        tx.users.update(sub, { state: 'active', stateReason: null });
        if (state !== 'active') await tx.issuer.recordEvent({ type: 'account_changed', sub, reason: 'reinstated' });
        return undefined;
      });
      return logged('user_updated', 'reinstated', reinstating);
    },
    remove(command) {
      const removing = apply(command, ({ sub }, tx) => purgeAccount(tx, sub), requireErasable);
      return logged('user_deleted', 'deleted', removing);
    },
    async resetPassword(command) {
      const { ttlMs } = command;
      const reason = requireReason(command.reason);
      requireTtl(ttlMs);
      const oneTimeToken = { resetToken: '', expiresAt: 0 };
      const resetting = apply(command, async (account, tx) => {
        const { revocation, ...made } = await resetPassword(context, tx, account.sub, { reason, ttlMs });
        notifyChange(context, tx, account, 'password');
        Object.assign(oneTimeToken, made);
        return revocation;
      });
      return { ...(await logged('user_updated', REASON.passwordReset, resetting)), ...oneTimeToken };
    },
    setRoles: (command) =>
      changeClaims(command, REASON.rolesChanged, (account) =>
        withClaims(account, { roles: command.roles.length === 0 ? null : command.roles }),
      ),
    setScopes(command) {
      const { scopes: next } = command;
      requireScopes(next ?? []);
      return changeClaims(command, REASON.scopesChanged, ({ sub, scopes }, tx) => {
        if (JSON.stringify(scopes) === JSON.stringify(next)) return undefined;
        // The administrator who received the reset token may have fewer scopes than the account has now.
        if (next?.some((scope) => !scopes?.includes(scope))) tx.oneTimeTokens.remove(sub, 'password_reset');
        return { scopes: next };
      });
    },
    setClaims: (command) =>
      changeClaims(command, REASON.claimsChanged, (account) => withClaims(account, command.claims)),
    removeSecondFactor(command) {
      const removing = apply(command, async (account, tx) => {
        const { sub, secondFactor } = account;
        if (secondFactor) notifyChange(context, tx, account, 'second_factor');
        tx.factors.remove(sub);
        if (!secondFactor) return undefined;
        tx.users.update(sub, {}, { newCredential: true });
        await tx.issuer.recordEvent({ type: 'account_changed', sub, reason: REASON.secondFactorChanged });
        return tx.issuer.endAllSessions({ sub, reason: REASON.secondFactorChanged });
      });
      return logged('user_updated', REASON.secondFactorChanged, removing);
    },
  };
}

function requireReason(reason: string | undefined): string | undefined {
  if (reason === undefined || REASON_WORD.test(reason)) return reason;
  throw new RequestRefused([{ path: 'reason', message: 'must be a word such as payment_overdue' }]);
}

function requireTtl(ttlMs: DurationMs | undefined): void {
  if (ttlMs === undefined || (Number.isSafeInteger(ttlMs) && ttlMs > 0 && ttlMs <= MAX_RESET_MS)) return;
  throw new RequestRefused([{ path: 'ttlMs', message: `must be whole milliseconds up to ${MAX_RESET_MS}` }]);
}

function optionalView(account: Account | undefined): AccountView | undefined {
  return account && viewOf(account);
}
