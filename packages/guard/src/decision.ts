import type { View } from '@rescind/feed';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { VerifiedToken } from '@rescind/token';
import { parseCompactJws } from '@rescind/token';
import type { VerifiedTokenCache } from './cache/seen.ts';
import type { GuardSettings } from './options.ts';
import { requireOfCheckedRoute } from './requirements.ts';
import type { Revoked } from './revoked.ts';
import { revokedError, sinceOf } from './revoked.ts';
import type { RoutePolicy, StalePolicy } from './route.ts';
import type { SoftLimits } from './soft-expiry.ts';
import type { FailureLog } from './trouble.ts';
import { createDifferenceLog } from './trouble.ts';
import type { TrustedIssuer } from './trusted.ts';

export interface Accepted {
  readonly accepted: true;
  /** Frozen: requests with the same token are given the same object. */
  readonly token: VerifiedToken;
  /** Accepted although the view was older than allowed: the policy is `allow`. */
  readonly stale: boolean;
  /** There when its issuer was asked, and said that it is active. */
  readonly introspected?: true;
}

export interface Refused {
  readonly accepted: false;
  /** Its `status` and `code` are the answer; its `detail` and `cause` are for whoever runs this. */
  readonly error: RescindError;
  /** With `token_revoked` only. */
  readonly revoked?: Revoked;
}

export type Decision = Accepted | Refused;

export interface DeciderParts {
  readonly settings: Pick<
    GuardSettings,
    'maxStalenessMs' | 'criticalStalenessMs' | 'stale' | 'softExpiry' | 'clock' | 'telemetry'
  >;
  /** By their `iss`; one at least. */
  readonly trusted: ReadonlyMap<string, TrustedIssuer>;
  readonly seen: VerifiedTokenCache;
  readonly softLimits: SoftLimits;
  readonly trouble: FailureLog;
  view(): View;
}

/** How soon trying again makes sense, in seconds: a catch-up takes a moment, an outage longer. */
const RETRY_AFTER_S = {
  view_not_ready: 1,
  view_stale: 5,
  keys_unavailable: 5,
  introspection_unavailable: 5,
  denylist_unreadable: 30,
  stopping: 1,
} as const;

/** Decides about tokens. Synchronous, no I/O but the denylist's; never throws. */
export interface Decider {
  decide(text: string, route: RoutePolicy): Decision;
  /** When the last decision began, in monotonic ms, if it was about a token that had not been seen. */
  examinedAt(): DurationMs | undefined;
  /** After its issuer has said that the token is active: what is known here has the last word. */
  decideIntrospected(text: string): Decision;
  /** Which issuer a token says it is of. @throws RescindError `token_malformed`, `token_issuer_unknown` */
  trustedOf(text: string): TrustedIssuer;
}

export function createDecider(parts: DeciderParts): Decider {
  const { trusted, seen, view } = parts;
  const { clock } = parts.settings;
  const [first] = trusted.values();
  const only = trusted.size === 1 ? first : undefined;
  const maxBytes = Math.max(...[...trusted.values()].map(({ settings }) => settings.maxTokenBytes));
  const logDifference = createDifferenceLog(parts.settings.telemetry, clock);
  let examinedAt: DurationMs | undefined;

  function refusalOf(error: unknown, text: string): RescindError {
    const refusal = toRefusal(error, parts, text, trustedOf);
    // Found after the signature: the key is one of the issuer's. Of several issuers the token has named one itself.
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

  // Rows are forgotten by log time, so a clock that lags behind it must not take for alive what they denied.
  const timeOf = (now: View): EpochMillis => Math.max(clock.now(), now.logTime);

  /** A token seen for the first time: everything, or what denies it. */
  function examine(text: string, at: EpochMillis): Examined | Refused {
    examinedAt = clock.monotonic();
    const one = trustedOf(text);
    const token = one.verify(text, at);
    const refused = denial(one, token);
    if (refused !== undefined) return refused;
    seen.keep(token, one);
    return { token, trusted: one };
  }

  function decide(text: string, route: RoutePolicy): Decision {
    examinedAt = undefined;
    try {
      const now = view();
      const at = timeOf(now);
      const examined = seen.find(text, at) ?? examine(text, at);
      // A row is true however old the view: it answers before anything is asked about the view.
      return 'accepted' in examined ? examined : admit(parts, examined, { route, view: now, at });
    } catch (error) {
      return { accepted: false, error: refusalOf(error, text) };
    }
  }

  function decideIntrospected(text: string): Decision {
    try {
      const at = timeOf(view());
      const examined = seen.find(text, at) ?? examine(text, at);
      if ('accepted' in examined) return examined;
      return { accepted: true, token: examined.token, stale: false, introspected: true };
    } catch (error) {
      return { accepted: false, error: refusalOf(error, text) };
    }
  }

  return { decide, decideIntrospected, trustedOf, examinedAt: () => examinedAt };
}

/** Verified, and denied by nothing. */
interface Examined {
  readonly token: VerifiedToken;
  readonly trusted: TrustedIssuer;
}

/** What a token is asked for, and when. */
interface Asked {
  readonly route: RoutePolicy;
  readonly view: View;
  readonly at: EpochMillis;
}

function denial(trusted: TrustedIssuer, token: VerifiedToken): Refused | undefined {
  const verdict = trusted.judge(token);
  if (!verdict.denied) return undefined;
  if (verdict.why === 'unjudgeable') throw new RescindError('token_unjudgeable', { detail: verdict.claim });
  const { cutoff, endsSession } = verdict;
  const revoked = { token, cutoff, endsSession, since: sinceOf(cutoff) };
  return { accepted: false, error: revokedError(revoked), revoked };
}

function admit(parts: DeciderParts, { token, trusted }: Examined, { route, view, at }: Asked): Decision {
  const { settings, softLimits } = parts;
  const stale = trusted.settings.revocation === 'log' && isStale(view, route, settings);
  const policy = route.stale ?? settings.stale;
  // Who asks its issuer each time needs no view.
  const asks = route.introspect === 'always' || (stale && policy === 'introspect');
  if (stale && !asks) requireAllowed(policy, view);
  const softly = route.softExpiry ?? settings.softExpiry;
  if (softly !== false) softLimits.require(token.payload, softly, at);
  requireOfCheckedRoute(token.payload, route, at);
  // Last, since it takes somebody else: only about tokens that would do.
  if (asks) throw unavailable('introspection_unavailable', 'it was not asked');
  return { accepted: true, token, stale };
}

function isStale(view: View, route: RoutePolicy, settings: DeciderParts['settings']): boolean {
  if (!view.ready) throw unavailable('view_not_ready');
  return view.ageMs > (route.critical ? settings.criticalStalenessMs : settings.maxStalenessMs);
}

/** What is older than nobody knows is not a view: `allow` speaks of known ages. */
function requireAllowed(policy: StalePolicy, view: View): void {
  if (policy === 'allow' && view.ageMs !== Number.POSITIVE_INFINITY) return;
  throw unavailable('view_stale', ageOf(view));
}

const ageOf = ({ ageMs }: View) => `${Math.round(ageMs / 1000)} s`;

/** Whether asking the issuer would make another decision of this one. */
export function wantsIntrospection(decision: Decision): boolean {
  return !decision.accepted && decision.error.code === 'introspection_unavailable';
}

function toRefusal(
  error: unknown,
  { trouble }: DeciderParts,
  text: string,
  trustedOf: (text: string) => TrustedIssuer,
): RescindError {
  if (!(error instanceof RescindError)) {
    // Closed, not open: what was not foreseen is no reason to let somebody in.
    trouble('decision_failed', error instanceof Error ? error.message : 'unknown');
    return new RescindError('internal', { cause: error });
  }
  if (error.code === 'token_key_unknown' && trustedOf(text).keys.kids().length === 0) {
    return unavailable('keys_unavailable');
  }
  if (error.code !== 'denylist_unreadable') return error;
  trouble('denylist_unreadable', error.detail ?? 'unknown');
  return unavailable('denylist_unreadable', error.detail);
}

export function unavailable(code: keyof typeof RETRY_AFTER_S, detail?: string): RescindError {
  const retryAfter = RETRY_AFTER_S[code];
  return new RescindError(code, detail === undefined ? { retryAfter } : { retryAfter, detail });
}
