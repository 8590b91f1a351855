import { setTimeout as delay } from 'node:timers/promises';
import type { FleetResponse, Tokens } from '@rescind/dev-fleet';
import { bearer, codeOf, request } from '@rescind/dev-fleet';
import { basicAuthorization } from '@rescind/revocation/http';
import { createRandom } from '../simulation/model/random.ts';
import type { Ledger, SessionEntry, TokenEntry, UserEntry } from './ledger.ts';
import type { Oracle } from './oracle.ts';
import type { World } from './world.ts';

/** The operations that a lane draws from. Each must succeed at least once in a run. */
export const OPERATIONS = [
  'register',
  'login',
  'refresh',
  'refresh-twice',
  'reuse',
  'logout',
  'logout-everywhere',
  'revoke-token',
  'revoke-by-administrator',
  'refresh-after-end',
] as const;

type Operation = (typeof OPERATIONS)[number];

export interface WorkloadOptions {
  readonly world: World;
  readonly ledger: Ledger;
  readonly oracle: Oracle;
  readonly now: () => number;
  readonly seed: number;
  /** Called for each session or token whose end was acknowledged. */
  readonly revoked: (tokens: readonly TokenEntry[], at: number) => void;
}

/** Users and administrators, in lanes: each does one operation after the other. */
export interface Workload {
  /** One operation, drawn by the seed. */
  step(): Promise<void>;
  /** Logs a new user in; undefined: it did not succeed. */
  login(): Promise<SessionEntry | undefined>;
  logout(session: SessionEntry): Promise<boolean>;
  /** Refreshes so many of the newest sessions: what was acknowledged must be there. */
  refreshNewest(count: number): Promise<void>;
  /** Tries to refresh so many of the sessions that ended last: after a restore, too, none may be exchanged. */
  refreshEnded(count: number): Promise<void>;
  /** Revokes as many tokens that do not exist, for an outbox as long as that of a long run. */
  fillOutbox(events: number): Promise<void>;
}

/** The pause after a request without a response. */
const PAUSE_MS = 150;
const TIMEOUT_MS = 4_000;
/** How long the events of a filled outbox last. */
const OUTBOX_MS = 3_600_000;
/** Of how many users no session is ended: without them few tokens would be valid when the issuer falls silent. */
const STAYING_SHARE = 0.25;
/** How many of the newest users take part. */
const KEPT_USERS = 200;
/** How often each operation is drawn, relative to the others. */
const WEIGHTS: Readonly<Record<Operation, number>> = {
  register: 4,
  login: 20,
  refresh: 14,
  'refresh-twice': 5,
  reuse: 2,
  logout: 14,
  'logout-everywhere': 6,
  'revoke-token': 6,
  'revoke-by-administrator': 6,
  'refresh-after-end': 8,
};

export function createWorkload({ world, ledger, oracle, now, seed, revoked }: WorkloadOptions): Workload {
  const { fleet } = world;
  const random = createRandom(seed);
  const drawn = OPERATIONS.flatMap((operation) => Array.from({ length: WEIGHTS[operation] }, () => operation));
  const users: UserEntry[] = [];
  const { issuer } = fleet;
  const accountAudience = `${issuer.url}/account`;
  const operator = basicAuthorization(fleet.operator.name, fleet.operator.secret);

  /** The response; undefined: none arrived, so the outcome is unknown. */
  const send = async (url: string, init: RequestInit): Promise<FleetResponse | undefined> => {
    try {
      return await request(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch {
      // The issuer may be down: it is not asked without pause.
      await delay(PAUSE_MS);
      return undefined;
    }
  };
  const json = (path: string, body: object) =>
    send(`${issuer.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const form = (path: string, fields: Record<string, string>) =>
    send(`${issuer.url}${path}`, { method: 'POST', body: new URLSearchParams({ client_id: 'web', ...fields }) });
  const exchange = (token: string, more: Record<string, string> = {}) =>
    form('/oauth2/token', { grant_type: 'refresh_token', refresh_token: token, ...more });

  /** Counts the outcome. A response of a failed server states nothing about the effect. */
  const counted = (operation: string, answer: FleetResponse | undefined, expected: number): answer is FleetResponse => {
    const isOk = answer?.status === expected;
    const isUnknown = answer === undefined || (answer.status >= 500 && answer.status !== 503);
    ledger.count(operation, isOk ? 'ok' : isUnknown ? 'unknown' : 'refused');
    return isOk;
  };

  const revokeAsOperator = (cutOff: object) =>
    send(`${fleet.adminUrl}/admin/revocations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: operator },
      body: JSON.stringify({ cutoffs: [cutOff], why: 'chaos' }),
    });

  const sessionsOf = (user: UserEntry) => user.sessions.filter(({ attemptedAt }) => attemptedAt === null);
  /** Users with an operation under way: another one at the same time could meet it in any order. */
  const busy = new Set<UserEntry>();
  /** Users who were logged out everywhere, and have not logged in since. */
  const returning: UserEntry[] = [];
  const recentUsers = () => users.filter((user) => !user.retired && !busy.has(user)).slice(-40);
  const anySession = (isMeant: (session: SessionEntry) => boolean) =>
    random.pick(recentUsers().flatMap((user) => sessionsOf(user).filter(isMeant)));

  async function register(): Promise<UserEntry | undefined> {
    const text = () => Array.from({ length: 4 }, () => random.below(1e9).toString(36)).join('');
    const [name, password] = [`user-${text()}`, `password-${text()}-${text()}`];
    const answer = await json('/register', { username: name, password });
    if (!counted('register', answer, 201)) return undefined;
    const user = ledger.register(name, password, random.chance(STAYING_SHARE));
    users.push(user);
    return user;
  }

  async function loginOf(user: UserEntry): Promise<SessionEntry | undefined> {
    const { restores } = ledger;
    const answer = await json('/login', { username: user.name, password: user.password, deviceName: 'chaos' });
    // A backup that is restored meanwhile may lack the session.
    if (!counted('login', answer, 200) || user.retired || ledger.restores !== restores) return undefined;
    const { access_token, refresh_token } = answer.body as Tokens;
    return ledger.login(user, access_token, refresh_token, now());
  }

  async function refresh(session: SessionEntry): Promise<void> {
    const used = session.refresh ?? '';
    const sentAt = now();
    let answer = await exchange(used);
    const wasLost = answer === undefined;
    // The response was lost: a client sends the same token again, and gets the same successor.
    for (let attempt = 0; answer === undefined && attempt < 3; attempt += 1) {
      ledger.count('refresh', 'unknown');
      answer = await exchange(used);
    }
    const isRefused = answer?.status === 400;
    const isOk = answer?.status === 200;
    if (counted('refresh', answer, 200)) {
      const { access_token, refresh_token } = answer.body as Tokens;
      oracle.exchanged(session, used, refresh_token, now());
      ledger.refreshed(session, used, sentAt, access_token, refresh_token, now());
    } else if (isRefused) {
      oracle.refusedRefresh(session, sentAt, now());
    }
    // A request whose response was lost may still arrive, after its successor was used.
    if (wasLost || !isOk) session.refresh = null;
  }

  async function refreshTwice(session: SessionEntry): Promise<void> {
    const used = session.refresh ?? '';
    session.refresh = null;
    // One of the two may be delayed until after the grace, and then ends the session.
    ledger.attempted([session], now());
    const answers = await Promise.all([exchange(used), exchange(used)]);
    for (const answer of answers) {
      if (!counted('refresh-twice', answer, 200)) continue;
      oracle.exchanged(session, used, (answer.body as Tokens).refresh_token, now());
    }
  }

  /** Runs a request that ends sessions or revokes tokens. */
  async function end(
    operation: Operation,
    entries: readonly (SessionEntry | TokenEntry)[],
    expected: number,
    send: () => Promise<FleetResponse | undefined>,
  ): Promise<boolean> {
    ledger.attempted(entries, now());
    const answer = await send();
    if (!counted(operation, answer, expected)) return false;
    const at = now();
    ledger.acknowledged(entries, at);
    revoked(
      entries.flatMap((entry) => ('tokens' in entry ? entry.tokens.slice(-1) : [entry])),
      at,
    );
    return true;
  }

  const newest = (session: SessionEntry) => session.tokens.at(-1)?.text ?? '';
  const logout = (session: SessionEntry) =>
    end('logout', [session], 204, () => send(`${issuer.url}/logout`, { method: 'POST', ...bearer(newest(session)) }));

  /** Lets a user log in again who was logged out everywhere: the next login must be accepted, however soon it comes. */
  function takePartAgain(user: UserEntry): void {
    user.retired = false;
    returning.push(user);
  }

  async function logoutEverywhere(user: UserEntry): Promise<void> {
    const [session] = sessionsOf(user).filter((one) => one.refresh !== null);
    if (session === undefined) return;
    const used = session.refresh ?? '';
    session.refresh = null;
    const { restores } = ledger;
    // Unless this is acknowledged: a late request could end a session of a later login.
    user.retired = true;
    const ended = sessionsOf(user);
    ledger.attempted(ended, now());
    const account = await exchange(used, { resource: accountAudience });
    if (account?.status !== 200) return;
    const { access_token } = account.body as Tokens;
    const isEnded = await end('logout-everywhere', ended, 204, () =>
      send(`${issuer.url}/logout-everywhere`, { method: 'POST', ...bearer(access_token) }),
    );
    if (isEnded && ledger.restores === restores) takePartAgain(user);
  }

  async function revokeByAdministrator(user: UserEntry): Promise<void> {
    const sub = subOf(user);
    if (sub === undefined) return;
    const { restores } = ledger;
    user.retired = true;
    const isEnded = await end('revoke-by-administrator', sessionsOf(user), 201, () =>
      revokeAsOperator({ claim: 'sub', value: sub }),
    );
    if (isEnded && ledger.restores === restores) takePartAgain(user);
  }

  /** Sessions whose end was acknowledged, the last one last. A backup that is restored lacks the ends after it. */
  const endedSessions = () =>
    users
      .flatMap((user) => user.sessions)
      .filter((one) => one.acknowledgedAt !== null && one.refresh !== null)
      .sort((one, other) => (one.acknowledgedAt ?? 0) - (other.acknowledgedAt ?? 0));

  async function refreshAfterEnd(session = random.pick(endedSessions().slice(-60))): Promise<void> {
    if (session === undefined) return;
    const answer = await exchange(session.refresh ?? '');
    // The operation succeeds when the issuer refuses it.
    if (answer?.status === 200) {
      oracle.exchanged(session, session.refresh ?? '', (answer.body as Tokens).refresh_token, now());
    }
    ledger.count('refresh-after-end', answer?.status === 400 ? 'ok' : answer === undefined ? 'unknown' : 'refused');
  }

  const startOf = (session: SessionEntry) => session.tokens[0]?.issuedAt ?? 0;
  const hasRefresh = (session: SessionEntry) => session.refresh !== null;
  const mayEnd = ({ user }: SessionEntry) => !user.stays;
  const isUsable = (session: SessionEntry) => mayEnd(session) && session.tokens.at(-1)?.attemptedAt === null;
  const isExchangeable = (session: SessionEntry) => mayEnd(session) && hasRefresh(session);

  async function withSession(
    isMeant: (session: SessionEntry) => boolean,
    work: (session: SessionEntry) => Promise<unknown>,
  ): Promise<void> {
    const session = anySession(isMeant);
    // Without such a session a user logs in, so that there is one later.
    const user = session?.user ?? random.pick(recentUsers());
    if (user === undefined) {
      await register();
      return;
    }
    busy.add(user);
    try {
      await (session === undefined ? loginOf(user) : work(session));
    } finally {
      busy.delete(user);
    }
  }

  const revokeToken = async (session: SessionEntry) => {
    const token = session.tokens.at(-1);
    if (token === undefined) return;
    await end('revoke-token', [token], 200, () => form('/oauth2/revoke', { token: token.text }));
  };
  const reuse = (session: SessionEntry) =>
    end('reuse', [session], 400, () => exchange(session.used.at(-2)?.text ?? ''));

  const steps: Readonly<Record<Operation, () => Promise<unknown>>> = {
    register,
    async login() {
      const user = returning.shift() ?? random.pick(recentUsers());
      if (user === undefined || user.retired || busy.has(user)) return;
      busy.add(user);
      await loginOf(user).finally(() => busy.delete(user));
    },
    refresh: () => withSession(hasRefresh, refresh),
    'refresh-twice': () => withSession(isExchangeable, refreshTwice),
    reuse: () => withSession((session) => isExchangeable(session) && session.used.length >= 2, reuse),
    logout: () => withSession(isUsable, logout),
    'logout-everywhere': () => withSession(isExchangeable, ({ user }) => logoutEverywhere(user)),
    'revoke-token': () => withSession(isUsable, revokeToken),
    'revoke-by-administrator': () => withSession(mayEnd, ({ user }) => revokeByAdministrator(user)),
    'refresh-after-end': () => refreshAfterEnd(),
  };

  return {
    async step() {
      await steps[random.pick(drawn) ?? 'login']();
      users.splice(0, Math.max(0, users.length - KEPT_USERS));
    },
    async login() {
      const user = await register();
      return user && loginOf(user);
    },
    logout,
    async refreshNewest(count) {
      const live = users.filter((user) => !user.retired && !busy.has(user)).flatMap(sessionsOf);
      const byAge = live.filter(hasRefresh).sort((one, other) => startOf(one) - startOf(other));
      for (const session of byAge.slice(-count)) {
        const { user } = session;
        if (busy.has(user) || user.retired || !hasRefresh(session) || session.attemptedAt !== null) continue;
        busy.add(user);
        await refresh(session).finally(() => busy.delete(user));
      }
    },
    async refreshEnded(count) {
      for (const session of endedSessions().slice(-count)) await refreshAfterEnd(session);
    },
    async fillOutbox(events) {
      const expiresAt = Date.now() + OUTBOX_MS;
      for (let event = 0; event < events; event += 1) {
        const answer = await revokeAsOperator({ claim: 'jti', value: `none-${event}`, expiresAt });
        if (answer?.status !== 201) throw new Error(`the outbox was not filled: ${JSON.stringify(answer?.body)}`);
      }
    },
  };
}

/** The subject of a user, by one of the access tokens. */
function subOf({ sessions }: UserEntry): string | undefined {
  const text = sessions.at(-1)?.tokens.at(-1)?.text;
  if (text === undefined) return undefined;
  return String(JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString()).sub);
}

/** The answer of an instance about a token: `200`, the code of the refusal, or undefined without an answer. */
export async function verdictOf(url: string, token: string): Promise<string | undefined> {
  try {
    const answer = await request(url, { ...bearer(token), signal: AbortSignal.timeout(TIMEOUT_MS) });
    return answer.status === 200 ? '200' : (codeOf(answer) ?? String(answer.status));
  } catch {
    return undefined;
  }
}
