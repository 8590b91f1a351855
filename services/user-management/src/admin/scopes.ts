/** What an operator may be allowed to look at (`…:read`) and to change (`…:write`). */
const ADMIN_AREAS = ['revocations', 'users', 'sessions', 'clients', 'keys', 'audit'];

/** `admin:users` stands for both, and who may write may read. */
export const GRANTABLE_SCOPES: ReadonlySet<string> = new Set(
  ADMIN_AREAS.flatMap((area) => [`admin:${area}`, `admin:${area}:read`, `admin:${area}:write`]),
);

/** Which of the scopes that an operation needs are not held. */
export function missingScopes(held: ReadonlySet<string>, needed: readonly string[]): string[] {
  return needed.filter((scope) => !implying(scope).some((one) => held.has(one)));
}

function implying(scope: string): string[] {
  const [root, area, verb] = scope.split(':');
  const both = `${root}:${area}`;
  return verb === 'read' ? [scope, `${both}:write`, both] : [scope, both];
}
