import type { SubjectRecord } from '@rescind/issuer';
import type { EpochMillis } from '@rescind/revocation';
import { ACCOUNT_SCOPE } from '../resource-servers.ts';

/** `deleted` is a tombstone: nothing personal is left in it, and its `sub` is never given again. */
export type AccountState = 'active' | 'suspended' | 'banned' | 'deleted';

/** What a claim of an access token may be. A list names every group, role, … that a cut-off may be about. */
export type ClaimValue = string | number | boolean | readonly string[];

/** Claims of a user's access tokens beside `scope`, such as `roles`, `groups`, `tenant`, `phone_number`. */
export type AccountClaims = Readonly<Record<string, ClaimValue>>;

/** One user. Nothing outside this table knows the name: everywhere else a user is `sub`, a random pseudonym. */
export interface Account {
  readonly sub: string;
  readonly username: string;
  /** A PHC string. */
  readonly password: string;
  /** Grows with each change of the password or the second factor. */
  readonly credentialVersion: number;
  readonly state: AccountState;
  /** Why it is not active: a word such as `suspended`; shown to who proved the password, and to nobody else. */
  readonly stateReason: string | null;
  /** The password has been reset, by whom or why: it is good for nothing until another has been set. */
  readonly resetReason: string | null;
  /** All the scopes the user may have; null: those that everybody has. */
  readonly scopes: readonly string[] | null;
  readonly claims: AccountClaims;
  readonly createdAt: EpochMillis;
  /** Null: never yet. */
  readonly lastLoginAt: EpochMillis | null;
  /** Whether a second factor is asked for. */
  readonly secondFactor: boolean;
  /** When a deleted account is erased; null: it is not deleted, or is erased. */
  readonly eraseAt: EpochMillis | null;
}

/** What may be shown of an account to an administrator. */
export type AccountView = Omit<Account, 'password' | 'credentialVersion' | 'eraseAt'>;

/** Reason words of what happens to accounts: in the event, in answers, in the log. */
export const REASON = {
  suspended: 'suspended',
  banned: 'banned',
  deleted: 'deleted',
  /** Deleted, and not erased yet. */
  deletionAsked: 'account_disabled',
  passwordChanged: 'password_changed',
  passwordReset: 'password_reset',
  rolesChanged: 'roles_changed',
  scopesChanged: 'scopes_changed',
  claimsChanged: 'claims_changed',
  phoneChanged: 'phone_changed',
  secondFactorChanged: 'second_factor_changed',
} as const;

/** Why an account may not log in now, if it may not. */
export function inactiveReason({ state, stateReason, resetReason }: Account): string | undefined {
  if (state !== 'active') return stateReason ?? state;
  return resetReason ?? undefined;
}

export function viewOf({
  password: _password,
  credentialVersion: _version,
  eraseAt: _eraseAt,
  ...view
}: Account): AccountView {
  return view;
}

/** What the issuer asks of a subject. */
export function subjectOf(account: Account | undefined, defaultScopes: readonly string[]): SubjectRecord | undefined {
  if (account === undefined) return undefined;
  const { scopes, claims, credentialVersion } = account;
  const allowed = [...(scopes ?? defaultScopes), ACCOUNT_SCOPE];
  const reason = inactiveReason(account);
  return {
    claims: { ...claims, scope: allowed.join(' ') },
    credentialVersion,
    active: reason === undefined,
    ...(reason === undefined ? {} : { reason }),
  };
}
