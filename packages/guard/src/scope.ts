import { option } from '@rescind/revocation/options';

/** The check of one scope: what RFC 6749 section 3.3 allows. */
export const scopeOption = option.text(
  'a scope of visible ASCII without space, " and \\ (RFC 6749 section 3.3)',
  /^[\x21\x23-\x5b\x5d-\x7e]+$/,
);

/** Whether a token has all of these scopes: `scope` is text with spaces (RFC 9068 section 2.2.3), or a list. */
export function hasScopes(payload: Readonly<Record<string, unknown>>, scopes: readonly string[]): boolean {
  const { scope } = payload;
  const held: readonly unknown[] = typeof scope === 'string' ? scope.split(' ') : Array.isArray(scope) ? scope : [];
  return scopes.every((one) => held.includes(one));
}
