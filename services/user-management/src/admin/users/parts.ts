import type { AccountChange, Accounts, AccountView } from '@rescind/accounts';
import type { Issuer } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import { z } from 'zod';
import { scopesOfArea } from '../../scopes.ts';
import type { ActInput, Desk } from '../desk.ts';
import { id } from '../schemas.ts';
import { requireWithin } from '../standing.ts';

/** What the operations about users are made with. */
export interface UserParts {
  readonly issuer: Issuer;
  readonly users: Accounts['administration'];
  readonly desk: Desk;
  /** All the scopes of a user; those that everybody has where the account names none. */
  scopesOf(sub: string): readonly string[];
}

export const TAG = 'Users';
export const { READ, WRITE } = scopesOfArea('admin:users');
export const params = z.strictObject({ sub: id });
export type Params = z.output<typeof params>;

export const targets = ({ params: { sub } }: { readonly params: Params }) => [`sub:${sub}`];

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
 * In the transaction of the change, that the administrator has every admin scope of the user is required, and the audit is
 * written.
 */
export function commandOf(
  {
    params: { sub },
    administrator,
    written,
  }: Pick<ActInput<Params, unknown, unknown>, 'params' | 'administrator' | 'written'>,
  scopesOf: UserParts['scopesOf'],
): UserCommand {
  return {
    sub,
    requireAllowed: () => requireWithin(administrator, scopesOf(sub)),
    withinTransaction: ({ revocation }) => written({ txn: revocation?.txn ?? null }),
  };
}

export const reasonOf = ({ reason }: { readonly reason?: string | undefined }) =>
  reason === undefined ? {} : { reason };

export function toChange({ account, revocation }: AccountChange) {
  return { user: account, revocation: revocation ?? null };
}
