/** RFC 6749 section 3.3: what a scope may be made of. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** @throws TypeError for what is no scope */
export function requireScopeNames(scopes: readonly string[]): void {
  for (const scope of scopes) {
    if (typeof scope !== 'string' || !SCOPE.test(scope)) {
      throw new TypeError('a scope must be visible ASCII without space, " and \\ (RFC 6749 section 3.3)');
    }
  }
}

/** Whether a token has all of these scopes: `scope` is text with spaces (RFC 9068 section 2.2.3), or a list. */
export function hasScopes(payload: Readonly<Record<string, unknown>>, scopes: readonly string[]): boolean {
  const { scope } = payload;
  const held: readonly unknown[] = typeof scope === 'string' ? scope.split(' ') : Array.isArray(scope) ? scope : [];
  return scopes.every((one) => held.includes(one));
}
