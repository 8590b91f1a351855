/// <reference lib="esnext.disposable" preserve="true" />
import type { SessionFetch, StepUpHandler } from './authorized-fetch.ts';
import { abortable, createAuthorizedFetch } from './authorized-fetch.ts';
import { createBackground } from './background.ts';
import { globals, ignore, pageLifecycle, systemClock, webLock, within } from './environment.ts';
import { SessionError } from './error.ts';
import type { LoginCredentials, TokenResponse } from './issuer-calls.ts';
import { createIssuerCalls, isTokenResponse, recordOf } from './issuer-calls.ts';
import type { SessionOptions } from './options.ts';
import { checkOptions } from './options.ts';
import type { Held, SessionRecord, SessionStore } from './record.ts';
import { ageOf, hold, memoryStore, remainingMs } from './record.ts';
import { createRenewal, endedRecord } from './renewal.ts';
import type { SessionEnd, SessionSnapshot, SessionState } from './state.ts';
import { createState, LOADING } from './state.ts';

/** Which token, and how long the caller needs it. */
export interface TokenRequest {
  /** Renews first if the token expires sooner, in ms. Default 5 000, at most a quarter of the token's life. */
  readonly minValidityMs?: number;
  /** The audience of the token (RFC 8707). Default: the session's own. */
  readonly resource?: string;
  /** Aborts the wait, not a renewal that other callers wait for. */
  readonly signal?: AbortSignal;
}

/** `pending`: the issuer could not be reached; the session ends there as soon as it can. */
interface LogoutResult {
  readonly server: 'done' | 'pending';
}

/** A login of one user. All methods can be passed on without their object. */
export interface Session {
  /**
   * `fetch` with the access token, for the origins of `apis`; other requests are sent as they are. A 401 response that names the token is
   * answered by one renewal and one repetition.
   * @throws SessionError `session_ended`, `offline`, `unavailable`, `body_not_repeatable`, `wrong_setup`, before or instead of a 401
   */
  readonly fetch: SessionFetch;
  /**
   * @returns an access token that is valid for a while
   * @throws SessionError `not_logged_in`, `session_ended`, `offline`, `unavailable`, `wrong_setup`
   */
  getAccessToken(request?: TokenRequest): Promise<string>;
  /** Whether `session.fetch` sends the access token to this address. */
  isApi(url: string): boolean;
  /** Logs in, or takes over the response of a login. @throws SessionError `login_refused`, `offline`, `unavailable` */
  login(login: LoginCredentials | TokenResponse): Promise<void>;
  /** Authenticates again in the same session (RFC 9470). @throws SessionError `login_refused`, `session_ended`, … */
  reauthenticate(credentials: object): Promise<void>;
  /** Ends the session here and in other tabs at once, and then at the issuer. Never throws. */
  logout(): Promise<LogoutResult>;
  /**
   * Gets a newer access token, with the claims as they are now.
   * @param failedToken a token that was refused: nothing is done if a newer one is in use
   * @throws SessionError as `getAccessToken`
   */
  renew(failedToken?: string): Promise<void>;
  /** Sets what authenticates again when a route requires it; the request is repeated afterwards. */
  stepUp(handler: StepUpHandler | undefined): void;
  /** The same object until something changes. */
  getSnapshot(): SessionSnapshot;
  /** For rendering on a server: `loading`. */
  getServerSnapshot(): SessionSnapshot;
  /** Calls `listener` after each change of the snapshot. @returns a function that stops it */
  subscribe(listener: () => void): () => void;
  /** Calls `listener` once when the session ends. @returns a function that stops it */
  onSessionEnd(listener: (end: SessionEnd) => void): () => void;
  /** Renews on time from now on and listens to other tabs. A page starts at the first use, other processes do not start. */
  start(): void;
  /** Clears timers and listeners; requests still renew when they have to. */
  stop(): void;
  /** Calls `stop`. */
  [Symbol.dispose](): void;
}

const DEFAULT_VALIDITY_MS = 5_000;
const DEFAULT_LEAD_MS = 60_000;
/** How long a logout waits for a refresh that is on its way: its cookie would outlive the logout. */
const FLIGHT_WAIT_MS = 2_000;

/**
 * Creates the session of this application. Nothing is read or sent before its first use.
 * @throws TypeError naming the option that is wrong, and what would be right
 */
export function createSession(given: SessionOptions): Session {
  const options = checkOptions(given);
  const isPage = Boolean(globals.document);
  const context = {
    clientId: 'web',
    mode: isPage ? 'cookie' : 'body',
    storage: 'memory',
    clock: systemClock,
    random: Math.random,
    lifecycle: pageLifecycle,
    lock: webLock,
    leadMs: DEFAULT_LEAD_MS,
    apis: [],
    // As it is now: an application may replace it later by that of this session.
    fetch: globalThis.fetch?.bind(globalThis),
    ...options,
    issuer: options.issuer.replace(/\/$/, ''),
  } as const;
  const { issuer, clientId, mode, clock, storage } = context;
  const state = createState(context);
  const store = guardedStore(
    storage === 'memory' ? memoryStore() : (storage.of?.(`${issuer} ${clientId}`) ?? storage),
    state,
  );
  const lockName = store.name || (mode === 'cookie' && isPage) ? `rescind ${issuer} ${clientId} ${store.name}` : '';
  const calls = createIssuerCalls(context);
  const changed = () => background.post('changed');
  const renewal = createRenewal({ ...context, state, store, calls, lockName, changed });
  const origins = new Set([new URL(issuer).origin, globals.location?.origin, ...context.apis]);
  // Of an opaque page; `data:` has it too.
  origins.delete('null');
  const forResource = new Map<string, Held>();
  let stepUpHandler: StepUpHandler | undefined;

  const resume = async () => finishLogout(await store.read());
  const background = createBackground({ ...context, renewal, channelName: lockName, resume });
  state.subscribe(background.reschedule);

  let leaving: Promise<LogoutResult['server']> | undefined;
  let loading: Promise<void> | undefined;
  function load(): Promise<void> {
    if (isPage) background.start();
    loading ??= readInitial();
    return loading;
  }

  async function readInitial(): Promise<void> {
    const epoch = state.epoch;
    const stored = await store.read();
    if (state.epoch !== epoch || state.held) return;
    if (stored && !stored.ended) return state.adopt(stored);
    void finishLogout(stored);
    // A store that outlives the page shows whether there was a session; memory does not.
    if (mode === 'cookie' && isPage && !store.name) await renewal.renew().catch(ignore);
    else state.anonymous();
  }

  /** Sends the revocation of a logout, which may have had no connection. */
  async function finishLogout(
    ended?: SessionRecord,
    stored?: Promise<void>,
    flight?: Promise<unknown>,
  ): Promise<LogoutResult['server']> {
    if (!ended?.pendingRevocation) return 'done';
    try {
      await flight;
      await calls.revoke(ended.pendingRevocation);
    } catch {
      // The next start or the next wake tries again.
      return 'pending';
    } finally {
      await stored;
    }
    await store.replace(ended, endedRecord(ended, 'logout'));
    return 'done';
  }

  /** @returns a token other than `failedToken`; undefined: nobody is logged in */
  async function tokenFor(
    minValidityMs?: number,
    resource?: string,
    failedToken?: string,
  ): Promise<string | undefined> {
    await load();
    const { held: own } = state;
    const held = resource ? forResource.get(resource) : own;
    if (held && held.record.sid === own?.record.sid && held.record.accessToken !== failedToken) {
      const neededMs = minValidityMs ?? Math.min(DEFAULT_VALIDITY_MS, held.record.expiresInMs / 4);
      if (remainingMs(held, clock) > neededMs) {
        // No caller waits for an early renewal.
        if (!resource && ageOf(held, clock) >= held.dueMs) void renewal.renew().catch(ignore);
        return held.record.accessToken;
      }
    }
    if (resource) {
      const requestedAt = clock.now();
      const tokens = await renewal.issueFor(resource);
      forResource.set(resource, hold(recordOf(tokens, mode, requestedAt), context, true));
      return tokens.access_token;
    }
    if (state.snapshot.status === 'anonymous') return undefined;
    // What another tab stored, or what arrived after a sleep, may have expired.
    for (let attempt = 0, failed = failedToken; attempt < 3; attempt += 1, failed = undefined) {
      const failure = await renewal.renew(failed).catch((error: unknown) => error);
      const isAlive = state.held && remainingMs(state.held, clock) > 0;
      if (failure && (failed || !isAlive)) throw failure;
      if (isAlive) return state.held?.record.accessToken;
    }
    throw new SessionError('unavailable');
  }

  function isApi(url: string): boolean {
    const base = globals.document?.baseURI;
    return URL.canParse(url, base) && origins.has(new URL(url, base).origin);
  }

  /** Stores a record, whatever there is now; but where another tab has logged in since, a session that ended is not stored. */
  async function write(record: SessionRecord): Promise<void> {
    for (let attempt = 0; attempt < 9; attempt += 1) {
      const stored = await store.read();
      if (record.ended && stored && stored.sid !== record.sid) return;
      if (await store.replace(stored, record)) return;
    }
  }

  return {
    fetch: createAuthorizedFetch({ ...context, isApi, tokenFor, stepUpHandler: () => stepUpHandler }),
    async getAccessToken({ minValidityMs, resource, signal } = {}) {
      const token = await abortable(tokenFor(minValidityMs, resource), signal);
      if (!token) throw new SessionError('not_logged_in');
      return token;
    },
    isApi,
    async login(login) {
      if (isPage) background.start();
      // Its response would clear the cookie of this login.
      await leaving;
      const requestedAt = clock.now();
      const tokens = isTokenResponse(login) ? login : await calls.login('/login', login);
      if (mode === 'body' && !tokens.refresh_token)
        throw new SessionError('wrong_setup', { serverCode: 'refresh_token_missing' });
      const former = state.held?.record;
      const isSame = former?.sid === tokens.sid;
      if (!isSame) state.end({ reason: 'replaced', code: '', here: true });
      loading = Promise.resolve();
      const record = recordOf(tokens, mode, requestedAt, isSame ? former : undefined);
      await write(record);
      state.adopt(record, true);
      changed();
      // A tab that shares the cookie alone asks the issuer whose it is now.
      if (!isSame) background.post('ended');
      if (former && !isSame) void calls.revoke(former.refreshToken ?? former.accessToken).catch(ignore);
    },
    async reauthenticate(credentials) {
      const { accountAudience = `${issuer}/account` } = options;
      await calls.login('/reauthenticate', credentials, await tokenFor(undefined, accountAudience));
      const authenticatedAt = clock.now();
      // The issuer refuses the tokens before. A renewal that began before, here or in another tab, may bring one of them.
      for (let attempt = 0; attempt < 3; attempt += 1) {
        await renewal.renew();
        if (Number(state.held?.record.requestedAt) >= authenticatedAt) break;
      }
      // Those that were on their way have arrived.
      forResource.clear();
    },
    async logout() {
      await load();
      const record = state.held?.record;
      const flight = within(clock, FLIGHT_WAIT_MS, renewal.settled());
      state.end({ reason: 'logout', code: '', here: true });
      if (!record) return { server: 'done' };
      const ended = endedRecord(record, 'logout', record.refreshToken ?? record.accessToken);
      // Stored meanwhile: the page may be left at once.
      const stored = write(ended).then(() => background.post('ended'));
      leaving = finishLogout(ended, stored, flight);
      return { server: await leaving };
    },
    async renew(failedToken) {
      await load();
      await renewal.renew(failedToken);
    },
    stepUp(handler) {
      stepUpHandler = handler;
    },
    getSnapshot() {
      void load();
      return state.snapshot;
    },
    getServerSnapshot: () => LOADING,
    subscribe(listener) {
      void load();
      return state.subscribe(listener);
    },
    onSessionEnd: state.onEnd,
    start() {
      background.start();
      void load();
    },
    stop: background.stop,
    [Symbol.dispose]: background.stop,
  };
}

/** A store whose failures leave the session in memory. A reload then uses the grace of the issuer. */
function guardedStore(store: SessionStore, state: SessionState): SessionStore {
  const failed =
    <T>(value: T) =>
    (): T => {
      state.problem('storage_unavailable');
      return value;
    };
  return {
    name: store.name,
    read: async () => store.read().catch(failed(state.held?.record)),
    replace: async (expected, next) => store.replace(expected, next).catch(failed(true)),
  };
}
