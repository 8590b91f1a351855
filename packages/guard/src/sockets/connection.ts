import { RescindError } from '@rescind/revocation';
import type { VerifiedToken } from '@rescind/token';
import type { Decision, Refused } from '../decision.ts';
import type { Guard } from '../guard.ts';
import type { RoutePolicy } from '../route.ts';
import type { RenewalRequest, WatchedToken } from './live-tokens.ts';
import { DEFAULT_MESSAGES_PER_SECOND } from './options.ts';
import type { SessionEnd, SessionEndCode } from './session-end.ts';
import { endOf, endOfRefusal } from './session-end.ts';

/** What the client gets when its token is to be renewed in place. */
interface RenewMessage {
  /** `token_expired`: it expires soon; `token_soft_expired`; `token_revoked`: messages wait until it is replaced. */
  readonly code: RenewalRequest['code'];
  /** The connection ends after this time unless a newer token arrives, in ms. */
  readonly within_ms: number;
  /** How long the client waits before it renews, in ms. Spread at random. */
  readonly after_ms: number;
}

/** The operations of an adapter on a connection of its library. */
export interface ConnectionActions {
  renew(message: RenewMessage): void;
  /** Ends the connection. Called once. Nothing is admitted any more. */
  end(end: SessionEnd): void;
}

/** A live connection with its token. */
export interface LiveConnection {
  readonly token: VerifiedToken;
  /** Why it ended. */
  readonly ended: SessionEnd | undefined;
  /**
   * Judges again and passes one message of the server: `send` runs now, or after the renewal of a token that was revoked without its
   * session, or never.
   */
  admitOutgoing(send: () => void): void;
  /** As `admitOutgoing`, for a message of the client, which counts for its rate. */
  admitIncoming(handle: () => void): void;
  /** Judges the token again. @returns whether the connection stays open */
  check(): boolean;
  /** Replaces the token in place by a newer one of the same session. It counts for the rate of the client. @returns the error for the client; undefined: it is replaced */
  renew(token: unknown): Promise<RescindError | undefined>;
  /** Ends it for a reason other than its token. */
  end(code: SessionEndCode): void;
  /** The client has closed it. */
  close(): void;
}

export interface ConnectionOptions {
  readonly guard: Guard;
  readonly token: VerifiedToken;
  readonly route: RoutePolicy;
  readonly maxMessagesPerSecond?: number | undefined;
  readonly actions: ConnectionActions;
}

/** So many messages wait for a renewal in each connection. A connection with more ends. */
const MAX_HELD = 100;
/** The longest access token that is looked at, in characters. */
const MAX_TOKEN_LENGTH = 16_384;

/** @throws RescindError as `Guard.watch` does */
export function openConnection(options: ConnectionOptions): LiveConnection {
  const { guard, actions, route } = options;
  const mayReceive = createRate(options.maxMessagesPerSecond ?? DEFAULT_MESSAGES_PER_SECOND);
  let ended: SessionEnd | undefined;
  let isClosed = false;
  let isWaiting = false;
  let held: (() => void)[] = [];
  // `watch` may call the watcher before it returns.
  let early: (() => void)[] | undefined = [];
  const later = (work: () => void) => {
    if (early === undefined) work();
    else early.push(work);
  };

  const watched: WatchedToken = guard.watch(
    options.token,
    {
      onRenew: ({ code, withinMs }) =>
        later(() => {
          if (code === 'token_revoked') isWaiting = true;
          const within_ms = Math.round(withinMs);
          actions.renew({ code, within_ms, after_ms: Math.round((Math.random() * within_ms) / 3) });
        }),
      onEnd: (refused) => later(() => finish(endOfRefusal(refused))),
    },
    route,
  );

  function finish(end: SessionEnd): void {
    if (ended !== undefined || isClosed) return;
    ended = end;
    held = [];
    watched.close(end.code);
    actions.end(end);
  }

  /** A refusal ends the connection, unless it waits for a renewal. */
  function isAccepted(decision: Decision): boolean {
    if (decision.accepted) return true;
    const isSoft = decision.revoked !== undefined && !decision.revoked.endsSession;
    if (isSoft) isWaiting = true;
    else finish(endOfRefusal(decision));
    return false;
  }

  function admit(run: () => void): void {
    if (ended !== undefined || isClosed) return;
    if (!isWaiting && isAccepted(watched.decide())) run();
    else if (ended === undefined) hold(run);
  }

  function hold(run: () => void): void {
    if (held.length >= MAX_HELD) finish(endOf('too_slow'));
    else held.push(run);
  }

  function release(): void {
    isWaiting = false;
    const waiting = held;
    held = [];
    for (const run of waiting) admit(run);
  }

  async function renew(text: unknown): Promise<RescindError | undefined> {
    // A signature costs more than any other message.
    if (ended === undefined && !isClosed && !mayReceive()) finish(endOf('rate_limited'));
    if (ended !== undefined || isClosed) return new RescindError('rate_limited');
    const decision = await decideToken(guard, text, route);
    if (ended !== undefined || isClosed) return new RescindError('token_inactive');
    if (!decision.accepted) {
      if (decision.revoked?.endsSession) finish(endOfRefusal(decision));
      return decision.error;
    }
    try {
      watched.replace(decision.token);
    } catch (error) {
      const refusal = error instanceof RescindError ? error : new RescindError('internal', { cause: error });
      // A token of another session is no mistake of timing.
      if (refusal.detail?.endsWith('another session')) finish(endOfRefusal({ accepted: false, error: refusal }));
      return refusal;
    }
    release();
    return undefined;
  }

  const connection: LiveConnection = {
    get token() {
      return watched.token;
    },
    get ended() {
      return ended;
    },
    admitOutgoing: admit,
    admitIncoming(handle) {
      if (ended !== undefined || isClosed) return;
      if (mayReceive()) admit(handle);
      else finish(endOf('rate_limited'));
    },
    check: () => ended === undefined && !isClosed && isAccepted(watched.decide()),
    renew,
    end: (code) => finish(endOf(code)),
    close() {
      isClosed = true;
      held = [];
      watched.close();
    },
  };
  // In the next microtask, when the adapter has the connection.
  queueMicrotask(() => {
    const works = early ?? [];
    early = undefined;
    for (const work of works) work();
  });
  return connection;
}

/** Decides about a token from a message: its type and length before its signature. Never rejects. */
export async function decideToken(guard: Guard, token: unknown, route: RoutePolicy): Promise<Decision> {
  if (token === undefined || token === null) return refused(new RescindError('token_missing'));
  if (typeof token !== 'string' || token === '' || token.length > MAX_TOKEN_LENGTH) {
    return refused(new RescindError('token_malformed'));
  }
  try {
    return await guard.decideOnline(token, route);
  } catch (error) {
    return refused(new RescindError('internal', { cause: error }));
  }
}

const refused = (error: RescindError): Refused => ({ accepted: false, error });

/** What `Guard.watch` throws, as a refusal. */
export const refusalOfError = (error: unknown): Refused =>
  refused(error instanceof RescindError ? error : new RescindError('internal', { cause: error }));

/** A token bucket: so many in a second, twice as many at once. */
export function createRate(perSecond: number): () => boolean {
  let tokens = perSecond * 2;
  let at = performance.now();
  return () => {
    const now = performance.now();
    tokens = Math.min(perSecond * 2, tokens + ((now - at) / 1000) * perSecond);
    at = now;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}
