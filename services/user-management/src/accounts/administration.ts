import type { RevocationRecord } from '@rescind/issuer';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import type { AccountClaims, AccountState, AccountView } from './account.ts';

/** What an administrator does to one account. */
export interface Act {
  readonly sub: string;
  /**
   * Runs in the transaction of the act, after it, for instance to write who did it. It may be called again when the
   * transaction has to wait for the clock, so it should do nothing but write the database; if it throws nothing happens.
   */
  along?(done: AccountChange): void;
}

/** An act that keeps somebody from logging in. */
export interface Refusal extends Act {
  /** What who proves the password is told: a word such as `payment_overdue`. Default: the state. Not in the event. */
  readonly reason?: string;
}

export interface AccountChange {
  /** As it is after the act. */
  readonly account: AccountView;
  /** Absent: there was nothing to cut off. */
  readonly revocation?: RevocationRecord;
}

interface PasswordReset extends AccountChange {
  /** Good once, at `POST /password/reset`; shown once, kept as a hash. */
  readonly resetToken: string;
  readonly expiresAt: EpochMillis;
}

/**
 * What administrators do to accounts: the change, its cut-off and what goes along commit in one transaction. All of it
 * may be said twice: what is so already is left as it is, without a cut-off.
 * Every act may throw RescindError `subject_unknown` (never there, or deleted), `clock_ahead`, `database_restored`,
 * `stopping`.
 */
export interface AccountAdministration {
  /** Deleted ones too. */
  find(sub: string): AccountView | undefined;
  findByName(username: string): AccountView | undefined;
  /** By `sub`, those after `after`; `limit` 1 to 1000. Deleted ones only where `state` asks for them. */
  list(page: { readonly after?: string; readonly limit: number; readonly state?: AccountState }): AccountView[];
  /** The `sub` of everybody who has scopes of their own: administrators are among them. */
  listScoped(): string[];
  /** Ends every session; refresh and login refuse from now on. */
  suspend(act: Refusal): Promise<AccountChange>;
  /** As `suspend`, by another name: it is not meant to pass. */
  ban(act: Refusal): Promise<AccountChange>;
  /** Makes a suspended or banned account active again. Its old sessions and tokens stay dead. */
  reinstate(act: Act): Promise<AccountChange>;
  /** Deletes: ends every session, erases everything personal, leaves a tombstone, frees the name. Also what its owner has deleted. */
  remove(act: Act): Promise<AccountChange>;
  /**
   * Ends every session; the password is good for nothing until another has been set with the token. A second factor
   * stays. An earlier reset token dies.
   * @throws RescindError also `request_invalid` where `ttlMs` (default: as configured) is not whole milliseconds up to 30 d
   */
  resetPassword(act: Refusal & { readonly ttlMs?: DurationMs }): Promise<PasswordReset>;
  /** The claim `roles`. Old tokens die, sessions go on. @throws RescindError also `request_invalid` */
  setRoles(act: Act & { readonly roles: readonly string[] }): Promise<AccountChange>;
  /**
   * All the scopes the user may have; null: those that everybody has. As `setRoles`. With a scope more than before an
   * outstanding reset token dies: who made it may have fewer scopes.
   */
  setScopes(act: Act & { readonly scopes: readonly string[] | null }): Promise<AccountChange>;
  /** Sets claims by name (`tenant`, `groups`, `phone_number`, …), removes those that are null. As `setRoles`. */
  setClaims(
    act: Act & { readonly claims: Readonly<Record<string, AccountClaims[string] | null>> },
  ): Promise<AccountChange>;
  /** For who lost it, recovery codes included: every session ends, the password alone is enough again. */
  removeSecondFactor(act: Act): Promise<AccountChange>;
}
