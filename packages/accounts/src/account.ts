import type { SubjectRecord } from '@rescind/issuer';
import type { EpochMillis } from '@rescind/revocation';
import { RequestRefused } from '@rescind/revocation/errors';
import { scopeToken } from '@rescind/revocation/http';
import unhomoglyph from 'unhomoglyph';

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
  /** Why it is not active: a word such as `suspended`. It is returned only after the right password. */
  readonly stateReason: string | null;
  /** Why the password was reset; null: it was not. Until another is set, login refuses the account. */
  readonly resetReason: string | null;
  /** All the scopes the user may have; null: the default ones. */
  readonly scopes: readonly string[] | null;
  readonly claims: AccountClaims;
  readonly createdAt: EpochMillis;
  /** Null: never yet. */
  readonly lastLoginAt: EpochMillis | null;
  /** Whether login requires a second factor. */
  readonly secondFactor: boolean;
  /** When a deleted account is erased; null: it is not deleted, or is erased. */
  readonly eraseAt: EpochMillis | null;
}

/** An account as an administrator and its owner may see it: no password hash. */
export type AccountView = Omit<Account, 'password' | 'credentialVersion' | 'eraseAt'>;

/** Reason words for changes of accounts, in events, responses and the log. */
export const REASON = {
  suspended: 'suspended',
  banned: 'banned',
  deleted: 'deleted',
  /** Its owner has deleted the account, which is not erased yet. */
  deletionAsked: 'account_disabled',
  passwordChanged: 'password_changed',
  passwordReset: 'password_reset',
  rolesChanged: 'roles_changed',
  scopesChanged: 'scopes_changed',
  claimsChanged: 'claims_changed',
  phoneChanged: 'phone_changed',
  /** An administrator has created the account, and its user has set no password yet. */
  passwordUnset: 'password_not_set',
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

/** Scopes that accounts have without being given them. */
export interface CommonScopes {
  /** The scopes of an account that has none of its own. */
  readonly defaults: readonly string[];
  /** Those that every account has beside its own or the defaults. */
  readonly always: readonly string[];
}

/** The record of an account for `IssuerOptions.subject`. */
export function subjectOf(account: Account | undefined, common: CommonScopes): SubjectRecord | undefined {
  if (account === undefined) return undefined;
  const { scopes, claims, credentialVersion } = account;
  const allowed = [...(scopes ?? common.defaults), ...common.always];
  const reason = inactiveReason(account);
  return {
    claims: { ...claims, scope: allowed.join(' ') },
    credentialVersion,
    active: reason === undefined,
    ...(reason === undefined ? {} : { reason }),
  };
}

/** Claims that the issuer writes, or that verifiers give a meaning to: no account may have them. */
const RESERVED: ReadonlySet<string> = new Set([
  ...[
    'iss',
    'sub',
    'aud',
    'exp',
    'nbf',
    'iat',
    'iat_ms',
    'jti',
    'sid',
    'client_id',
    'scope',
    'auth_time',
    'amr',
    'acr',
  ],
  ...['azp', 'cnf', 'act', 'may_act', 'nonce', 'kid', 'typ', 'events', 'sub_id', 'txn', 'active', 'token_type'],
  ...['__proto__', 'constructor', 'prototype'],
]);

const CLAIM_NAME = /^[A-Za-z][\w:/.-]{0,63}$/;
/** RFC 6749 section 3.3. */
const SCOPE = scopeToken(128);
const MAX_TEXT_LENGTH = 256;
/** Of one list: a verifier looks up each of its elements. */
const MAX_ELEMENTS = 64;
/** Of all claims of one account, as JSON: the token must stay below what verifiers take (8 kB). */
const MAX_BYTES = 3_072;

/** The claims with these changes; null removes one. @throws RequestRefused that names the claim and what would be right */
export function changedClaims(
  claims: AccountClaims,
  changes: Readonly<Record<string, ClaimValue | null>>,
): AccountClaims {
  for (const [name, value] of Object.entries(changes)) requireClaim(name, value);
  const kept = Object.entries({ ...claims, ...changes }).filter(([, value]) => value !== null);
  const changed = Object.fromEntries(kept) as Record<string, ClaimValue>;
  if (Buffer.byteLength(JSON.stringify(changed)) > MAX_BYTES) {
    throw refused('claims', `must be at most ${MAX_BYTES} bytes of JSON, all together`);
  }
  return changed;
}

/** @throws RequestRefused */
export function requireScopes(scopes: readonly string[]): void {
  if (scopes.length > MAX_ELEMENTS) throw refused('scopes', `must be at most ${MAX_ELEMENTS}`);
  if (!scopes.every((scope) => SCOPE.test(scope))) throw refused('scopes', 'must be scopes (RFC 6749 section 3.3)');
}

/** Whether two have the same claims with the same values. */
export function sameClaims(one: AccountClaims, other: AccountClaims): boolean {
  const sorted = (claims: AccountClaims) => JSON.stringify(Object.entries(claims).sort(([a], [b]) => (a < b ? -1 : 1)));
  return sorted(one) === sorted(other);
}

function requireClaim(name: string, value: ClaimValue | null): void {
  if (RESERVED.has(name)) throw refused('claims', 'must not name a claim that the issuer writes');
  if (!CLAIM_NAME.test(name)) throw refused('claims', 'must have names of up to 64 letters, digits, _ : / . -');
  if (value !== null && !isValue(value)) {
    throw refused(
      `claims.${name}`,
      `must be text of 1 to ${MAX_TEXT_LENGTH} characters, a finite number, a boolean, or a list of at most ${MAX_ELEMENTS} texts`,
    );
  }
}

function isValue(value: ClaimValue): boolean {
  if (typeof value === 'string') return isText(value);
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value === 'boolean') return true;
  return value.length <= MAX_ELEMENTS && value.every(isText);
}

/** Whether an event could name this text as the value of a claim, so that a cut-off by it is possible. */
function isText(text: unknown): boolean {
  return typeof text === 'string' && text !== '' && text.length <= MAX_TEXT_LENGTH && text.isWellFormed();
}

const refused = (path: string, message: string) => new RequestRefused([{ path, message }]);

/** Invisible characters (UAX 44, Default_Ignorable_Code_Point): fillers, selectors, joiners, and controls of direction. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu;

/** Whether a name has an invisible character. */
export function hasInvisible(name: string): boolean {
  return name.search(INVISIBLE) >= 0;
}

/** The key by which a name is found: equal for all spellings of one name. */
export function nameKey(username: string): string {
  return username.normalize('NFKC').toLowerCase();
}

/**
 * The keys by which names look alike: two names that share one do. Skeletons as UTS 39 section 4 defines them,
 * of the name in one case, and of the name as it is written and then in one case: `Ian` looks like `lan`, and `ian` does not.
 */
export function lookAlikeKeys(username: string): string[] {
  const name = username.normalize('NFKC');
  return [...new Set([skeleton(folded(name)), folded(skeleton(name))])];
}

/** UTS 39 section 4, `skeleton`: data of confusables.txt. */
function skeleton(name: string): string {
  return unhomoglyph(name.normalize('NFD').replaceAll(INVISIBLE, '')).normalize('NFD');
}

/** Converts a name to one case, character by character, so that no character depends on its position, as a final sigma would. */
function folded(name: string): string {
  return [...name].map((character) => character.toUpperCase().toLowerCase()).join('');
}
