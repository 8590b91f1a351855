/**
 * The outcome of an operation. `ok` must hold for ever; `refused` had no effect; `unknown` may have had one, now or later: no
 * response arrived, or one that states nothing.
 */
export type Outcome = 'ok' | 'refused' | 'unknown';

/** When something was revoked, in monotonic ms of the driver. */
interface Ending {
  /** The earliest request that may revoke it; null: there is none. */
  attemptedAt: number | null;
  /** The earliest response that acknowledged it; null: there is none. */
  acknowledgedAt: number | null;
}

/** A user that the driver has registered. */
export interface UserEntry {
  readonly name: string;
  readonly password: string;
  readonly sessions: SessionEntry[];
  /** Whether the workload ends none of its sessions. */
  readonly stays: boolean;
  /** Whether no operation uses it any more: one with an unknown outcome may still take effect, or a restore has removed it. */
  retired: boolean;
}

/** A session, from the acknowledged login on. */
export interface SessionEntry extends Ending {
  readonly user: UserEntry;
  readonly tokens: TokenEntry[];
  /** The refresh token that no request has used yet; null: unknown, since a response was lost. */
  refresh: string | null;
  /** Refresh tokens that were exchanged, with the time of the request. */
  readonly used: { readonly text: string; readonly at: number }[];
  /** Whether a restored backup may lack it. */
  lost: boolean;
}

/** An access token that the issuer has returned. */
export interface TokenEntry extends Ending {
  readonly id: number;
  readonly text: string;
  readonly session: SessionEntry;
  /** When its response arrived. */
  readonly issuedAt: number;
}

/** What the driver knows about every operation. Times are monotonic ms of the driver. */
export interface Ledger {
  readonly users: readonly UserEntry[];
  readonly tokens: readonly TokenEntry[];
  /** Counts an operation. */
  count(operation: string, outcome: Outcome): void;
  /** The operations by name and outcome. */
  readonly operations: Readonly<Record<string, Readonly<Record<Outcome, number>>>>;
  register(name: string, password: string, stays?: boolean): UserEntry;
  login(user: UserEntry, access: string, refresh: string, at: number): SessionEntry;
  refreshed(session: SessionEntry, used: string, sentAt: number, access: string, refresh: string, at: number): void;
  /** A request that may end these sessions, or revoke this token, has been sent. */
  attempted(entries: readonly (SessionEntry | TokenEntry)[], at: number): void;
  acknowledged(entries: readonly (SessionEntry | TokenEntry)[], at: number): void;
  /** Every token so far may be refused, and every session so far may be lost, because a backup is restored. */
  restored(at: number): void;
  /** How often a backup was restored. */
  readonly restores: number;
  /** Forgets tokens that were issued before this time: they are about to expire. */
  forget(before: number): void;
}

export function createLedger(): Ledger {
  let users: UserEntry[] = [];
  let tokens: TokenEntry[] = [];
  let nextId = 1;
  let restores = 0;
  const operations: Record<string, Record<Outcome, number>> = {};
  const addToken = (session: SessionEntry, text: string, at: number) => {
    const token = { id: nextId, text, session, issuedAt: at, attemptedAt: null, acknowledgedAt: null };
    nextId += 1;
    session.tokens.push(token);
    tokens.push(token);
  };
  const attempted: Ledger['attempted'] = (entries, at) => {
    for (const entry of entries) entry.attemptedAt ??= at;
  };
  return {
    get users() {
      return users;
    },
    get tokens() {
      return tokens;
    },
    operations,
    count(operation, outcome) {
      const counts = operations[operation] ?? { ok: 0, refused: 0, unknown: 0 };
      counts[outcome] += 1;
      operations[operation] = counts;
    },
    register(name, password, stays = false) {
      const user = { name, password, sessions: [], stays, retired: false };
      users.push(user);
      return user;
    },
    login(user, access, refresh, at) {
      const ending = { attemptedAt: null, acknowledgedAt: null };
      const session: SessionEntry = { user, tokens: [], refresh, used: [], lost: false, ...ending };
      user.sessions.push(session);
      addToken(session, access, at);
      return session;
    },
    refreshed(session, used, sentAt, access, refresh, at) {
      session.used.push({ text: used, at: sentAt });
      session.refresh = refresh;
      addToken(session, access, at);
    },
    attempted,
    acknowledged(entries, at) {
      attempted(entries, at);
      for (const entry of entries) entry.acknowledgedAt ??= at;
    },
    get restores() {
      return restores;
    },
    restored(at) {
      restores += 1;
      for (const user of users) {
        user.retired = true;
        attempted(user.sessions, at);
        for (const session of user.sessions) session.lost = true;
      }
    },
    forget(before) {
      tokens = tokens.filter(({ issuedAt }) => issuedAt >= before);
      const kept = new Set(tokens.map(({ session }) => session.user));
      users = users.filter((user) => !user.retired || kept.has(user));
    },
  };
}

/** When a token was first attempted to be revoked, by itself or with its session; null: never. */
export const attemptOf = (token: TokenEntry): number | null => earliest(token.attemptedAt, token.session.attemptedAt);

/** When the revocation of a token was first acknowledged, of itself or of its session; null: never. */
export const acknowledgementOf = (token: TokenEntry): number | null =>
  earliest(token.acknowledgedAt, token.session.acknowledgedAt);

function earliest(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}
