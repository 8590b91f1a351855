import { RequestRefused } from '@rescind/service';
import type { AccountClaims, ClaimValue } from './account.ts';

/** Claims that the issuer writes, or that mean something to who verifies a token: no account's to have. */
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

const NAME = /^[A-Za-z][\w:/.-]{0,63}$/;
/** RFC 6749 section 3.3. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/;
const MAX_TEXT_LENGTH = 256;
/** Of one list: a verifier asks for each of its elements. */
const MAX_ELEMENTS = 64;
/** Of all claims of one account, as JSON: the token must stay below what verifiers take (8 kB). */
const MAX_BYTES = 3_072;

/** The claims with these changes; null removes. @throws RequestRefused naming the claim and what would be right */
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
  if (!NAME.test(name)) throw refused('claims', 'must have names of up to 64 letters, digits, _ : / . -');
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

/** What an event about this claim could name: a cut-off must be possible. */
function isText(text: unknown): boolean {
  return typeof text === 'string' && text !== '' && text.length <= MAX_TEXT_LENGTH && text.isWellFormed();
}

const refused = (path: string, message: string) => new RequestRefused([{ path, message }]);
