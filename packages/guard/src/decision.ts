import type { View } from '@rescind/feed/follower';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { revokedAt, UNBOUNDED } from '@rescind/revocation/cut-off';
import type { VerifiedToken } from '@rescind/token';
import { parseCompactJws } from '@rescind/token';
import type { SeenToken, VerifiedTokenCache } from './cache/verified-token-cache.ts';
import type { FailureLog } from './failure-log.ts';
import { createDifferenceLog } from './failure-log.ts';
import type { GuardSettings } from './options.ts';
import type { RoutePolicy, StalePolicy } from './route.ts';
import { requireOfCheckedRoute } from './route.ts';
import type { SoftLimits } from './soft-expiry.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';

/** The decision to let a request pass. */
export interface Accepted {
  /** Distinguishes it from `Refused`. */
  readonly accepted: true;
  /** Frozen: requests with the same token get the same object. */
  readonly token: VerifiedToken;
  /** Accepted although the view was too old, because the policy is `allow`. */
  readonly stale: boolean;
  /** Present if introspection reported the token as active. */
  readonly introspected?: true;
}

/** The decision to refuse a request. */
export interface Refused {
  /** Distinguishes it from `Accepted`. */
  readonly accepted: false;
  /** Its `status` and `code` are for the response; its `detail` and `cause` are for operators. */
  readonly error: RescindError;
  /** With `token_revoked` only. */
  readonly revoked?: Revoked;
}

/** What a guard decides about a token. `accepted` distinguishes the two. */
export type Decision = Accepted | Refused;

/** What denied a token: for operators, never for a response. */
export interface Revoked {
  /** The token, which is valid but for the revocation. */
  readonly token: VerifiedToken;
  /** The row: its `claim` is the scope of the revocation, `txn` its id, `reason` its reason. */
  readonly cutoff: CutOffRow;
  /** Whether its session has ended too. If not, a refresh gets another token. */
  readonly endsSession: boolean;
  /** The time of the revocation, ms; null if neither its id nor the row has it. */
  readonly since: EpochMillis | null;
}

export interface DeciderParts {
  readonly settings: Pick<
    GuardSettings,
    'maxStalenessMs' | 'criticalStalenessMs' | 'stale' | 'softExpiry' | 'clock' | 'telemetry'
  >;
  /** By their `iss`; one at least. */
  readonly trusted: ReadonlyMap<string, TrustedIssuer>;
  readonly cache: VerifiedTokenCache;
  readonly softLimits: SoftLimits;
  readonly logFailure: FailureLog;
  view(): View;
}

/** When a retry makes sense, in seconds: a catch-up takes a moment, an outage longer. */
const RETRY_AFTER_S = {
  view_not_ready: 1,
  view_stale: 5,
  keys_unavailable: 5,
  introspection_unavailable: 5,
  denylist_unreadable: 30,
  stopping: 1,
} as const;

/** Decides about tokens. Synchronous, without I/O except the denylist's; never throws. */
export interface Decider {
  decide(text: string, route: RoutePolicy): Decision;
  /** When the last decision began, in monotonic ms, if its token was not cached. */
  examinedAt(): DurationMs | undefined;
  /** Decides again about a token that is followed: without its signature, as about a cached one. */
  decideFollowed(seen: SeenToken, route: RoutePolicy): Decision;
  /** The time by which tokens are judged: the wall clock, or the log's if that is ahead. */
  time(): EpochMillis;
  /** Decides after introspection reported the token as active: the rows decide last. */
  decideIntrospected(text: string): Decision;
  /** The issuer that a token names. @throws RescindError `token_malformed`, `token_issuer_unknown` */
  trustedOf(text: string): TrustedIssuer;
}

export function createDecider(parts: DeciderParts): Decider {
  const { trusted, cache, view } = parts;
  const { clock } = parts.settings;
  const [first] = trusted.values();
  const only = trusted.size === 1 ? first : undefined;
  const maxBytes = Math.max(...[...trusted.values()].map(({ settings }) => settings.maxTokenBytes));
  const logDifference = createDifferenceLog(parts.settings.telemetry, clock);
  let examinedAt: DurationMs | undefined;

  function refusalOf(error: unknown, text: string): RescindError {
    const refusal = toRefusal(error, parts, text, trustedOf);
    // The signature was valid, so the key is the issuer's. With several issuers the token names its issuer itself.
    const isDifference = refusal.code === 'token_audience_wrong' || refusal.code === 'token_issuer_unknown';
    if (isDifference && only !== undefined) {
      logDifference(refusal.code, parseCompactJws(text, { maxBytes }).payload, only.settings);
    }
    return refusal;
  }

  function trustedOf(text: string): TrustedIssuer {
    if (only !== undefined) return only;
    const { iss } = parseCompactJws(text, { maxBytes }).payload;
    const found = typeof iss === 'string' ? trusted.get(iss) : undefined;
    if (found === undefined) throw new RescindError('token_issuer_unknown');
    return found;
  }

  // Rows are pruned by log time, so a clock behind it must not accept a token that a pruned row denied.
  const timeOf = (now: View): EpochMillis => Math.max(clock.now(), now.logTime);

  /** Verifies a token that is not cached. Returns a refusal if a row denies it. */
  function examine(text: string, at: EpochMillis): Examined | Refused {
    examinedAt = clock.monotonic();
    const one = trustedOf(text);
    const token = one.verify(text, at);
    const refused = denial(one, token);
    if (refused !== undefined) return refused;
    cache.keep(token, one);
    return { token, trusted: one };
  }

  function decide(text: string, route: RoutePolicy): Decision {
    examinedAt = undefined;
    try {
      const now = view();
      const at = timeOf(now);
      const examined = cache.find(text, at) ?? examine(text, at);
      // A row is valid however old the view, so it decides before the view is checked.
      return 'accepted' in examined ? examined : admit(parts, examined, { route, view: now, at });
    } catch (error) {
      return { accepted: false, error: refusalOf(error, text) };
    }
  }

  function decideFollowed(seen: SeenToken, route: RoutePolicy): Decision {
    examinedAt = undefined;
    try {
      const now = view();
      const at = timeOf(now);
      const examined = cache.isValid(seen, at) ? seen : examine(seen.text, at);
      return 'accepted' in examined ? examined : admit(parts, examined, { route, view: now, at });
    } catch (error) {
      return { accepted: false, error: refusalOf(error, seen.text) };
    }
  }

  function decideIntrospected(text: string): Decision {
    try {
      const at = timeOf(view());
      const examined = cache.find(text, at) ?? examine(text, at);
      if ('accepted' in examined) return examined;
      return { accepted: true, token: examined.token, stale: false, introspected: true };
    } catch (error) {
      return { accepted: false, error: refusalOf(error, text) };
    }
  }

  const time = () => timeOf(view());

  return { decide, decideFollowed, decideIntrospected, trustedOf, time, examinedAt: () => examinedAt };
}

/** A verified token that no row denies. */
interface Examined {
  readonly token: VerifiedToken;
  readonly trusted: TrustedIssuer;
}

/** The route, the view and the time of a decision. */
interface DecisionContext {
  readonly route: RoutePolicy;
  readonly view: View;
  readonly at: EpochMillis;
}

/** The refusal of a token that a row denies. @throws RescindError `token_unjudgeable`, or what the denylist throws */
export function denial(trusted: TrustedIssuer, token: VerifiedToken): Refused | undefined {
  const verdict = trusted.judge(token);
  if (!verdict.denied) return undefined;
  if (verdict.reason === 'unjudgeable') throw new RescindError('token_unjudgeable', { detail: verdict.claim });
  const { cutoff, endsSession } = verdict;
  const revoked = { token, cutoff, endsSession, since: sinceOf(cutoff) };
  return { accepted: false, error: revokedError(revoked), revoked };
}

function admit(parts: DeciderParts, { token, trusted }: Examined, { route, view, at }: DecisionContext): Decision {
  const { settings, softLimits } = parts;
  const stale = trusted.settings.revocation === 'log' && isStale(view, route, settings);
  const policy = route.stale ?? settings.stale;
  // A route that introspects each token requires no fresh view.
  const introspects = route.introspect === 'always' || (stale && policy === 'introspect');
  if (stale && !introspects) requireAllowed(policy, view);
  const softly = route.softExpiry ?? settings.softExpiry;
  if (softly !== false) softLimits.require(token.payload, softly, at);
  requireOfCheckedRoute(token.payload, route, at);
  // The last check, since it calls the issuer: only tokens that pass all others.
  if (introspects) throw unavailable('introspection_unavailable', 'this call does not introspect');
  return { accepted: true, token, stale };
}

function isStale(view: View, route: RoutePolicy, settings: DeciderParts['settings']): boolean {
  if (!view.ready) throw unavailable('view_not_ready');
  return view.ageMs > (route.critical ? settings.criticalStalenessMs : settings.maxStalenessMs);
}

/** A view of unknown age does not satisfy `stale: 'allow'`. */
function requireAllowed(policy: StalePolicy, view: View): void {
  if (policy === 'allow' && view.ageMs !== Number.POSITIVE_INFINITY) return;
  throw unavailable('view_stale', ageOf(view));
}

const ageOf = ({ ageMs }: View) => `${Math.round(ageMs / 1000)} s`;

/** Whether introspection may change this decision. */
export function needsIntrospection(decision: Decision): boolean {
  return !decision.accepted && decision.error.code === 'introspection_unavailable';
}

function toRefusal(
  error: unknown,
  { logFailure }: DeciderParts,
  text: string,
  trustedOf: (text: string) => TrustedIssuer,
): RescindError {
  if (!(error instanceof RescindError)) {
    // Fails closed: an unexpected error lets no request pass.
    logFailure('decision_failed', error instanceof Error ? error.message : 'unknown');
    return new RescindError('internal', { cause: error });
  }
  if (error.code === 'token_key_unknown' && trustedOf(text).keys.kids().length === 0) {
    return unavailable('keys_unavailable');
  }
  if (error.code !== 'denylist_unreadable') return error;
  logFailure('denylist_unreadable', error.detail ?? 'unknown');
  return unavailable('denylist_unreadable', error.detail);
}

export function unavailable(code: keyof typeof RETRY_AFTER_S, detail?: string): RescindError {
  const retryAfter = RETRY_AFTER_S[code];
  return new RescindError(code, detail === undefined ? { retryAfter } : { retryAfter, detail });
}

/** The time of a row's revocation: that of its id, else its T, which is the time of a cut-off by time. */
export function sinceOf({ txn, issuedUntil }: CutOffRow): EpochMillis | null {
  return revokedAt(txn) ?? (issuedUntil === UNBOUNDED ? null : issuedUntil);
}

/** The part of a revocation that may be logged: no claim's value, no token. */
interface RevocationSummary {
  readonly scope: string;
  readonly txn: string;
  readonly reason: string;
  /** ISO 8601. */
  readonly since: string | null;
  readonly endsSession: boolean;
}

/** The error of a revoked token. Its `cause` is the summary; message and `detail` contain neither user nor token. */
function revokedError({ cutoff, endsSession, since }: Revoked): RescindError {
  const { claim: scope, txn, reason } = cutoff;
  const cause: RevocationSummary = {
    scope,
    txn,
    reason,
    since: since === null ? null : new Date(since).toISOString(),
    endsSession,
  };
  return new RescindError('token_revoked', { cause });
}
