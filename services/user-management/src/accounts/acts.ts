import type { IssuerTransaction, RevocationRecord } from '@rescind/issuer';
import type { DurationMs } from '@rescind/revocation';
import { RequestRefused } from '@rescind/service';
import type { Account, AccountState } from './account.ts';
import { REASON, viewOf } from './account.ts';
import type { AccountAdministration, AccountChange, Act, Refusal } from './administration.ts';
import { changedClaims, requireScopes, sameClaims } from './claims.ts';
import { purgeAccount } from './deletion.ts';
import { resetPassword } from './reset.ts';
import type { AccountRoom } from './room.ts';
import { requireAccount, requireErasable } from './room.ts';
import type { AccountPatch } from './table.ts';
import { tellChange, tellContactChange } from './telling.ts';

type Work = (account: Account, tx: IssuerTransaction) => RevocationRecord | undefined;

const REASON_WORD = /^[a-z][a-z0-9_]{0,63}$/;
const MAX_RESET_MS: DurationMs = 30 * 24 * 3_600_000;
const MAX_PAGE = 1_000;

export function createAccountAdministration(room: AccountRoom): AccountAdministration {
  const { issuer, table, factors, links, clock, telemetry } = room;

  const carryOut = async ({ sub, along }: Act, work: Work, find = requireAccount): Promise<AccountChange> =>
    await issuer.transaction((tx) => {
      const before = find(table, sub);
      const revocation = work(before, tx);
      const account = viewOf(table.bySub(sub) ?? before);
      const done = { account, ...(revocation === undefined ? {} : { revocation }) };
      along?.(done);
      return done;
    });

  const said = async (event: string, what: string, doing: Promise<AccountChange>): Promise<AccountChange> => {
    const done = await doing;
    telemetry.log('info', event, { sub: done.account.sub, what });
    return done;
  };

  const stop = (state: AccountState, act: Refusal) => {
    const reason = requireReason(act.reason) ?? state;
    const stopping = carryOut(act, (account, tx) => {
      table.update(account.sub, { state, stateReason: reason });
      return account.state === state ? undefined : tx.endAllSessions({ sub: account.sub, reason: state });
    });
    return said('user_updated', state, stopping);
  };

  const setClaims = (act: Act, what: string, patchOf: (account: Account) => AccountPatch | undefined) => {
    const setting = carryOut(act, (account, tx) => {
      const patch = patchOf(account);
      if (patch === undefined) return undefined;
      tellContactChange(room, account, patch);
      table.update(account.sub, patch);
      return tx.revoke({ claim: 'sub', value: account.sub, endsSession: false, reason: what });
    });
    return said('privilege_permissions_changed', what, setting);
  };

  const withClaims = (account: Account, changes: Parameters<typeof changedClaims>[1]): AccountPatch | undefined => {
    const claims = changedClaims(account.claims, changes);
    return sameClaims(claims, account.claims) ? undefined : { claims };
  };

  return {
    find: (sub) => mapped(table.bySub(sub), viewOf),
    findByName: (username) => mapped(table.byName(username), viewOf),
    list: ({ after = '', limit, state }) => table.list(after, Math.min(limit, MAX_PAGE), state).map(viewOf),
    listScoped: () => table.scoped(),
    suspend: (act) => stop('suspended', act),
    ban: (act) => stop('banned', act),
    reinstate: (act) =>
      said(
        'user_updated',
        'reinstated',
        carryOut(act, ({ sub }) => {
          table.update(sub, { state: 'active', stateReason: null });
          return undefined;
        }),
      ),
    remove: (act) =>
      said(
        'user_deleted',
        'deleted',
        carryOut(act, ({ sub }, tx) => purgeAccount(room, tx, sub), requireErasable),
      ),
    async resetPassword(act) {
      const { ttlMs } = act;
      const reason = requireReason(act.reason);
      requireTtl(ttlMs);
      const link = { resetToken: '', expiresAt: 0 };
      const done = await carryOut(act, (account, tx) => {
        const { revocation, ...made } = resetPassword(room, tx, account, { reason, ttlMs });
        tellChange(room, account, 'password', clock.now());
        Object.assign(link, made);
        return revocation;
      });
      telemetry.log('info', 'user_updated', { sub: act.sub, what: REASON.passwordReset });
      return { ...done, ...link };
    },
    setRoles: (act) =>
      setClaims(act, REASON.rolesChanged, (account) =>
        withClaims(account, { roles: act.roles.length === 0 ? null : act.roles }),
      ),
    setScopes(act) {
      requireScopes(act.scopes ?? []);
      return setClaims(act, REASON.scopesChanged, ({ sub, scopes }) => {
        if (JSON.stringify(scopes) === JSON.stringify(act.scopes)) return undefined;
        // Whoever was answered the token of a reset may have fewer scopes than the account has from now on.
        if (act.scopes?.some((scope) => !scopes?.includes(scope))) links.forget(sub, 'password_reset');
        return { scopes: act.scopes };
      });
    },
    setClaims: (act) => setClaims(act, REASON.claimsChanged, (account) => withClaims(account, act.claims)),
    removeSecondFactor: (act) =>
      said(
        'user_updated',
        REASON.secondFactorChanged,
        carryOut(act, (account, tx) => {
          const { sub, credentialVersion, secondFactor } = account;
          if (secondFactor) tellChange(room, account, 'second_factor', clock.now());
          factors.remove(sub);
          if (!secondFactor) return undefined;
          table.update(sub, { credentialVersion: credentialVersion + 1 });
          return tx.endAllSessions({ sub, reason: REASON.secondFactorChanged });
        }),
      ),
  };
}

function requireReason(reason: string | undefined): string | undefined {
  if (reason === undefined || REASON_WORD.test(reason)) return reason;
  throw new RequestRefused([{ path: 'reason', message: 'must be a word such as payment_overdue' }]);
}

function requireTtl(ttlMs: DurationMs | undefined): void {
  if (ttlMs === undefined || (Number.isSafeInteger(ttlMs) && ttlMs > 0 && ttlMs <= MAX_RESET_MS)) return;
  throw new RequestRefused([{ path: 'ttlMs', message: `must be whole milliseconds up to ${MAX_RESET_MS}` }]);
}

function mapped<T, R>(value: T | undefined, map: (value: T) => R): R | undefined {
  return value === undefined ? undefined : map(value);
}
