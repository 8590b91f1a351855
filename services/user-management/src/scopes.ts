/** The audience of user-management whose tokens alone have a scope. */
type OwnAudience = 'account' | 'admin';

interface Entry {
  readonly audience: OwnAudience;
  /** `everybody`: every user has it. `granted`: users and operators to whom it is given. */
  readonly holders: 'everybody' | 'granted';
  /** What it permits. With `writes` it has the halves `<name>:read` and `<name>:write`, of which the second includes the first. */
  readonly reads: string;
  readonly writes?: string;
}

/**
 * Every scope of user-management itself; those of services are whatever `DEFAULT_SCOPES` and administrators name. To add one is
 * to add it here: metadata, OpenAPI documents, resource servers, operators' files and the checks of administrators read this table,
 * and docs/administration.md is compared with it.
 */
const TABLE = {
  account: { audience: 'account', holders: 'everybody', reads: 'one’s own account and sessions' },
  'admin:revocations': {
    audience: 'admin',
    holders: 'granted',
    reads: 'revocations, previews, why a token is refused',
    writes: 'revokes by any claim, all tokens included',
  },
  'admin:users': {
    audience: 'admin',
    holders: 'granted',
    reads: 'accounts',
    writes: 'creates, suspends, bans, deletes, resets, roles and scopes',
  },
  'admin:sessions': { audience: 'admin', holders: 'granted', reads: 'sessions', writes: 'ends and renames them' },
  'admin:clients': {
    audience: 'admin',
    holders: 'granted',
    reads: 'applications, audiences, readers of the log',
    writes: 'registers, disables, removes, gives secrets',
  },
  'admin:keys': { audience: 'admin', holders: 'granted', reads: 'signing keys', writes: 'rotates and revokes them' },
  'admin:fleet': {
    audience: 'admin',
    holders: 'granted',
    reads: 'instances and how far they have applied the log',
    writes: 'forgets instances',
  },
  'admin:events': { audience: 'admin', holders: 'granted', reads: 'what happened to users and sessions', writes: '' },
  'admin:audit': { audience: 'admin', holders: 'granted', reads: 'the audit', writes: '' },
} as const satisfies Readonly<Record<string, Entry>>;

type Table = typeof TABLE;
/** An area with the scopes `<name>:read` and `<name>:write`. */
export type ScopeArea = { [N in keyof Table]: Table[N] extends { readonly writes: string } ? N : never }[keyof Table];
type OwnScope = keyof Table | `${ScopeArea}:${'read' | 'write'}`;

export interface Scope extends Pick<Entry, 'audience' | 'holders'> {
  readonly name: string;
  readonly description: string;
}

/** Each scope, the halves of a scope after it. */
export const SCOPES: readonly Scope[] = Object.entries<Entry>(TABLE).flatMap(([name, { reads, writes, ...of }]) => {
  if (writes === undefined) return [{ ...of, name, description: reads }];
  const both = writes === '' ? reads : `${reads}; ${writes}`;
  return [
    { ...of, name, description: both },
    { ...of, name: `${name}:read`, description: reads },
    { ...of, name: `${name}:write`, description: both },
  ];
});

/** For OpenAPI documents, by name. */
export const SCOPE_DESCRIPTIONS: Readonly<Record<string, string>> = Object.fromEntries(
  SCOPES.map(({ name, description }) => [name, description]),
);

const namesOf = (isMeant: (scope: Scope) => boolean) => SCOPES.filter(isMeant).map(({ name }) => name);

/** The scopes that every user has. */
export const EVERYBODYS_SCOPES: readonly string[] = namesOf(({ holders }) => holders === 'everybody');

/** The scopes of administrators, who cannot give a scope that they lack. */
export const GRANTABLE_SCOPES: ReadonlySet<string> = new Set(namesOf(({ holders }) => holders === 'granted'));

/** Future scopes of an area belong to its audience already, so that an older token never gains one. */
const RESERVED: Readonly<Record<OwnAudience, readonly string[]>> = { account: [], admin: ['admin:*'] };

/** What tokens for an audience alone have, as `ResourceServer.ownScopes`. */
export function ownScopesOf(audience: OwnAudience): string[] {
  const isReserved = (name: string) => RESERVED[audience].some((pattern) => name.startsWith(pattern.replace('*', '')));
  return [...RESERVED[audience], ...namesOf((scope) => scope.audience === audience && !isReserved(scope.name))];
}

/** The scopes that an operation requires; the compiler knows their names. */
export function requires(...scopes: readonly OwnScope[]): readonly string[] {
  return scopes;
}

/** What operations of an area require to read, and to write. */
export function scopesOfArea(area: ScopeArea): { readonly READ: readonly string[]; readonly WRITE: readonly string[] } {
  return { READ: [`${area}:read`], WRITE: [`${area}:write`] };
}

/** The scopes of an operation that are not held. */
export function missingScopes(held: ReadonlySet<string>, needed: readonly string[]): string[] {
  return needed.filter((scope) => !implying(scope).some((one) => held.has(one)));
}

/** The scopes of which each is enough for one. */
function implying(scope: string): string[] {
  const [, whole, half] = /^(.+):(read|write)$/.exec(scope) ?? [];
  if (whole === undefined) return [scope];
  return half === 'read' ? [scope, `${whole}:write`, whole] : [scope, whole];
}

/** A scope that has halves, as both of them. */
export function halvesOf(scope: string): string[] {
  const entry: Entry | undefined = Object.hasOwn(TABLE, scope) ? TABLE[scope as keyof Table] : undefined;
  return entry?.writes === undefined ? [scope] : [`${scope}:read`, `${scope}:write`];
}
