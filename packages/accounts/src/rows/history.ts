import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';
import type { Account, AccountClaims } from '../account.ts';
import type { Sealer } from '../sealer.ts';
import type { FactorRows, FactorState } from './factors.ts';
import type { DeletedAccount } from './users.ts';

/** Claims by which an owner is reached (OpenID Connect Core 1.0 section 5.1): a change of one is a change of the contact. */
export const CONTACT_CLAIMS = ['phone_number', 'email'] as const;

/** The state of an account at one time: everything that a request with its password can change. */
export interface PastState {
  readonly contact: AccountClaims;
  /** Null: there was no second factor, or none that was confirmed. */
  readonly factor: FactorState | null;
  /** The columns of an account that was deleted then. */
  readonly account: DeletedAccount | null;
}

/** States from before each change, for as long as a live link may undo it. Everything is inside transactions. */
export interface HistoryRows {
  /** The position of a link that is issued now. The link restores the first state after this position. */
  position(sub: string, now: EpochMillis): number;
  /** Stores the state of the account, before it is changed. */
  append(account: Account, at: EpochMillis): void;
  /** As `append`, for an account that is about to be deleted, with everything that is required to restore it. */
  appendDeleted(account: Account, at: EpochMillis): void;
  /** The states after a position, the oldest first. */
  after(sub: string, position: number): PastState[];
  /** Removes states that no live link can restore; of one account or of all. */
  prune(now: EpochMillis, sub?: string): void;
  remove(sub: string): void;
}

/**
 * States of one account at most, some 50 kB. Beyond, no state is added, and a link that is issued then goes back to the
 * last one there is: to an earlier state, never to a later one.
 */
const MAX_STATES = 64;

interface Sealed {
  readonly contact: AccountClaims;
  readonly factor: { readonly secret: string; readonly confirmedAt: EpochMillis; readonly lastStep: number } | null;
  readonly account: DeletedAccount | null;
}

/** The context of a sealed state; the `sub` follows. */
export const HISTORY_CONTEXT = 'history ';

export function createHistoryRows(sql: HostSql, sealer: Sealer, factors: Pick<FactorRows, 'state'>): HistoryRows {
  const greatest = sql.prepare<[], number>(`SELECT seq FROM sqlite_sequence WHERE name = 'account_history'`).pluck();
  const counted = sql.prepare<[string], { states: number; last: number | null }>(
    'SELECT count(*) AS states, max(seq) AS last FROM account_history WHERE sub = ?',
  );
  const insert = sql.prepare('INSERT INTO account_history (sub, at, sealed) VALUES (?, ?, ?)');
  const insertCode = sql.prepare('INSERT INTO account_history_codes (seq, sub, hash) VALUES (?, ?, ?)');
  const after = sql.prepare<[string, number], { seq: number; sealed: Buffer }>(
    'SELECT seq, sealed FROM account_history WHERE sub = ? AND seq > ? ORDER BY seq',
  );
  const codesOf = sql.prepare<[number], Buffer>('SELECT hash FROM account_history_codes WHERE seq = ?').pluck();
  // The condition of states that no link can restore: those before the oldest live link of their account.
  const needless = `(@sub IS NULL OR sub = @sub) AND NOT EXISTS (
    SELECT 1 FROM account_links l WHERE l.sub = account_history.sub AND l.purpose = 'not_me' AND l.expires_at > @now
      AND l.position < account_history.seq)`;
  const pruneCodes = sql.prepare(
    `DELETE FROM account_history_codes WHERE seq IN (SELECT seq FROM account_history WHERE ${needless})`,
  );
  const pruneStates = sql.prepare(`DELETE FROM account_history WHERE ${needless}`);
  const removeCodes = sql.prepare('DELETE FROM account_history_codes WHERE sub = ?');
  const remove = sql.prepare('DELETE FROM account_history WHERE sub = ?');

  const prune = (now: EpochMillis, sub?: string) => {
    pruneCodes.run({ now, sub: sub ?? null });
    pruneStates.run({ now, sub: sub ?? null });
  };

  const isFull = (sub: string, now: EpochMillis) => {
    const hasMost = () => (counted.get(sub)?.states ?? 0) >= MAX_STATES;
    if (!hasMost()) return false;
    prune(now, sub);
    return hasMost();
  };

  const keep = (account: Account, deleted: DeletedAccount | null, at: EpochMillis) => {
    const { sub, claims } = account;
    const { codes = [], ...factor } = factors.state(sub) ?? {};
    const contact = contactClaims(claims);
    const state: Sealed = { contact, factor: toSealed(factor), account: deleted };
    const { lastInsertRowid } = insert.run(sub, at, sealer.seal(JSON.stringify(state), HISTORY_CONTEXT + sub));
    for (const code of codes) insertCode.run(lastInsertRowid, sub, code);
  };

  return {
    position(sub, now) {
      const last = isFull(sub, now) ? counted.get(sub)?.last : null;
      return typeof last === 'number' ? last - 1 : (greatest.get() ?? 0);
    },
    append(account, at) {
      if (!isFull(account.sub, at)) keep(account, null, at);
    },
    appendDeleted(account, at) {
      const { username, password, scopes, claims, lastLoginAt } = account;
      keep(account, { username, password, scopes, claims, lastLoginAt }, at);
    },
    after: (sub, position) =>
      after.all(sub, position).map(({ seq, sealed }) => {
        const { contact, factor, account } = JSON.parse(sealer.open(sealed, HISTORY_CONTEXT + sub)) as Sealed;
        return { contact, factor: factor && { ...opened(factor), codes: codesOf.all(seq) }, account };
      }),
    prune,
    remove(sub) {
      removeCodes.run(sub);
      remove.run(sub);
    },
  };
}

/** The contact among the claims of an account. */
export function contactClaims(claims: AccountClaims): AccountClaims {
  return Object.fromEntries(
    CONTACT_CLAIMS.flatMap((name) => (claims[name] === undefined ? [] : [[name, claims[name]]])),
  );
}

function toSealed({ secret, confirmedAt, lastStep }: Partial<Omit<FactorState, 'codes'>>): Sealed['factor'] {
  if (secret === undefined || confirmedAt === undefined || lastStep === undefined) return null;
  return { secret: secret.toString('base64url'), confirmedAt, lastStep };
}

function opened({ secret, ...rest }: NonNullable<Sealed['factor']>) {
  return { ...rest, secret: Buffer.from(secret, 'base64url') };
}
