import type { AccountChange, Accounts, AccountView } from '@rescind/accounts';
import type { Issuer } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import { scopeToken } from '@rescind/revocation/http';
import { z } from 'zod';
import { newUsername } from '../account-endpoints/schemas.ts';
import { requireWithin } from './administrators.ts';
import type { AdminArea, AdminRouter, CommandInput } from './router.ts';
import { bodyWithReason, id, millis, reason, revoked, why } from './schemas.ts';

/** The dependencies of the operations of users. */
export interface UserContext {
  readonly issuer: Issuer;
  readonly users: Accounts['administration'];
  readonly router: AdminRouter;
  /** All scopes of a user; the default ones if the account has none. */
  scopesOf(sub: string): readonly string[];
}

const params = z.strictObject({ sub: id });
export type Params = z.output<typeof params>;

/** The areas of all users, and of one. */
export function userAreas(router: AdminRouter): { readonly all: AdminArea; readonly one: AdminArea<Params> } {
  const all = router.area({ tag: 'Users', scopes: 'admin:users', path: '/admin/users' });
  return { all, one: all.item({ path: '/{sub}', params, targets: (of) => [`sub:${of.params.sub}`] }) };
}

/** @throws RescindError `subject_unknown` */
export function requireUser(users: Pick<Accounts['administration'], 'find'>, sub: string): AccountView {
  const account = users.find(sub);
  if (account === undefined) throw new RescindError('subject_unknown');
  return account;
}

export interface UserCommand {
  readonly sub: string;
  requireAllowed(): void;
  withinTransaction(done: AccountChange): Promise<void>;
}

/**
 * The part of a command that runs in the transaction of the change: it requires every admin scope of the user, and writes the audit.
 */
export function commandOf(
  {
    params: { sub },
    administrator,
    writeAudit,
  }: Pick<CommandInput<Params, unknown, unknown>, 'params' | 'administrator' | 'writeAudit'>,
  scopesOf: UserContext['scopesOf'],
): UserCommand {
  return {
    sub,
    requireAllowed: () => requireWithin(administrator, scopesOf(sub)),
    withinTransaction: ({ revocation }) => writeAudit({ txn: revocation?.txn ?? null }),
  };
}

export const reasonOf = ({ reason }: { readonly reason?: string | undefined }) =>
  reason === undefined ? {} : { reason };

export function toChange({ account, revocation }: AccountChange) {
  return { user: account, revocation: revocation ?? null };
}

const state = z.enum(['active', 'suspended', 'banned', 'deleted']);
const scopeWord = z.string().regex(scopeToken(128), 'must be a scope (RFC 6749 section 3.3)');
const claimName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_:/.-]{0,63}$/, 'must be a name of 1 to 64 letters, digits, _ : / . -');
const roleList = z.array(z.string().min(1).max(128)).max(64);
const scopeList = z.array(scopeWord).max(64);
const claimText = z.string().min(1).max(256);
const claimValue = z.union([claimText, z.number(), z.boolean(), z.array(claimText).max(64)]);

export const user = z
  .strictObject({
    sub: z.string(),
    username: z.string().describe('Empty when the account is deleted'),
    state,
    stateReason: z.string().nullable(),
    resetReason: z.string().nullable(),
    scopes: z.array(z.string()).nullable().describe('All scopes of the user; null: the default scopes'),
    claims: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])),
    createdAt: millis,
    lastLoginAt: millis.nullable(),
    secondFactor: z.boolean(),
  })
  .meta({ id: 'User' });

/** `state` filters; `username` selects one name, in any spelling; `prefix` the names that begin so. */
export const userFilter = {
  state: state.optional(),
  username: z.string().min(1).max(64).optional(),
  prefix: z.string().min(1).max(64).optional(),
};

export const changed = z.strictObject({ user, revocation: revoked });
export const resetAnswer = z.strictObject({
  user,
  revocation: revoked,
  resetToken: z.string().describe('Valid once, at POST /password/reset; shown once'),
  expiresAt: millis,
});

export const createBody = z.strictObject({
  username: newUsername,
  roles: roleList.optional(),
  scopes: scopeList.nullable().optional().describe('Default, and null: the default scopes'),
  claims: z.record(claimName, claimValue).optional(),
  why,
});
export const createAnswer = z.strictObject({
  user,
  resetToken: z.string().describe('Sets the password, once, at POST /password/reset; shown once'),
  expiresAt: millis,
});

export const rolesBody = z.strictObject({ roles: roleList, why });
export const scopesBody = z.strictObject({
  scopes: scopeList.nullable().describe('null: the default scopes'),
  why,
});
export const claimsBody = z.strictObject({
  claims: z.record(claimName, claimValue.nullable()).describe('null removes a claim'),
  why,
});
export const logOutBody = bodyWithReason('logged_out_by_administrator');
export const demandBody = z.strictObject({ reason, why });
