import type { View } from '@rescind/feed';
import type { Clock, Cutoff, DurationMs, Find, Telemetry } from '@rescind/revocation';
import { judge, RescindError } from '@rescind/revocation';
import type { KeySet, VerifiedToken, Verifier } from '@rescind/token';
import type { GuardSettings, StalePolicy } from './options.ts';
import { hasScopes } from './scope.ts';

/** What one route wants. */
export interface RoutePolicy {
  /** Default: the guard's. */
  readonly stale?: StalePolicy | undefined;
  /** Whether the view may be no older than `criticalStalenessMs`. Default false. */
  readonly critical?: boolean | undefined;
  /** Scopes that are all needed. Default none. */
  readonly scopes?: readonly string[] | undefined;
}

/** What denied a token. */
export interface Revoked {
  readonly token: VerifiedToken;
  readonly cutoff: Cutoff;
  /** Whether its session has ended too, or only the token: a refresh brings another. */
  readonly endsSession: boolean;
}

export type Decision =
  | {
      readonly accepted: true;
      readonly token: VerifiedToken;
      /** Accepted although the view was older than allowed: the policy is `allow`. */
      readonly stale: boolean;
    }
  | {
      readonly accepted: false;
      /** Its `status` and `code` are the answer; its `detail` is for whoever runs this. */
      readonly error: RescindError;
      /** With `token_revoked` only. */
      readonly revoked?: Revoked;
    };

export interface DeciderParts {
  readonly settings: Pick<GuardSettings, 'maxStalenessMs' | 'criticalStalenessMs' | 'stale' | 'clock' | 'telemetry'>;
  readonly verifier: Verifier;
  readonly keys: Pick<KeySet, 'kids'>;
  readonly denylist: Find;
  view(): View;
}

/** How soon trying again makes sense, in seconds: a catch-up takes a moment, an outage longer. */
const RETRY_AFTER_S = { view_not_ready: 1, view_stale: 5, keys_unavailable: 5, denylist_unreadable: 30 } as const;

/** Decides about tokens. Synchronous, no I/O but the denylist's; never throws. */
export interface Decider {
  decide(token: string, route?: RoutePolicy): Decision;
  /** Counts a decision that was given, and measures how long it took from `startedAt` (monotonic ms) on. */
  given(decision: Decision, startedAt: DurationMs): Decision;
}

/** Trouble that comes with each request is one line now and then, and a count of all. */
const SAY_AGAIN_MS: DurationMs = 10_000;

export function createDecider(parts: DeciderParts): Decider {
  const { telemetry, clock } = parts.settings;
  const trouble = createTroubleLog(telemetry, clock);
  return {
    decide: (token, route = {}) => decide(parts, token, route, trouble),
    given(decision, startedAt) {
      telemetry.count('rescind_decisions_total', { result: resultOf(decision) });
      telemetry.observe('rescind_decision_seconds', (clock.monotonic() - startedAt) / 1000);
      return decision;
    },
  };
}

function decide(parts: DeciderParts, text: string, route: RoutePolicy, trouble: TroubleLog): Decision {
  const { clock } = parts.settings;
  try {
    const view = parts.view();
    // Rows are forgotten by log time, so a clock that lags behind it must not take for alive what they denied.
    const token = parts.verifier.verify(text, Math.max(clock.now(), view.logTime));
    // A row is true however old the view: it answers before anything is asked about the view.
    return denial(parts, token) ?? decideByView(parts, token, view, route);
  } catch (error) {
    return { accepted: false, error: toRefusal(error, parts.keys, trouble) };
  }
}

function denial({ denylist }: DeciderParts, token: VerifiedToken): Decision | undefined {
  const { kid } = token.header;
  const verdict = judge({ kid: typeof kid === 'string' ? kid : undefined, payload: token.payload }, denylist);
  if (!verdict.denied) return undefined;
  if (verdict.why === 'unjudgeable') throw new RescindError('token_claim_wrong', { detail: verdict.claim });
  const { cutoff, endsSession } = verdict;
  return { accepted: false, error: new RescindError('token_revoked'), revoked: { token, cutoff, endsSession } };
}

function decideByView({ settings }: DeciderParts, token: VerifiedToken, view: View, route: RoutePolicy): Decision {
  if (!view.ready) throw unavailable('view_not_ready');
  const stale = view.ageMs > (route.critical ? settings.criticalStalenessMs : settings.maxStalenessMs);
  // What is older than nobody knows is not a view: `allow` speaks of known ages.
  const refuses = (route.stale ?? settings.stale) === 'deny' || !Number.isFinite(view.ageMs);
  if (stale && refuses) throw unavailable('view_stale', `${Math.round(view.ageMs / 1000)} s`);
  if (route.scopes !== undefined && !hasScopes(token.payload, route.scopes)) {
    throw new RescindError('scope_insufficient');
  }
  return { accepted: true, token, stale };
}

function toRefusal(error: unknown, keys: Pick<KeySet, 'kids'>, trouble: TroubleLog): RescindError {
  if (!(error instanceof RescindError)) {
    // Closed, not open: what was not foreseen is no reason to let somebody in.
    trouble('decision_failed', error instanceof Error ? error.message : 'unknown');
    return new RescindError('internal', { cause: error });
  }
  if (error.code === 'token_key_unknown' && keys.kids().length === 0) return unavailable('keys_unavailable');
  if (error.code !== 'denylist_unreadable') return error;
  trouble('denylist_unreadable', error.detail ?? 'unknown');
  return unavailable('denylist_unreadable', error.detail);
}

function unavailable(code: keyof typeof RETRY_AFTER_S, detail?: string): RescindError {
  const retryAfter = RETRY_AFTER_S[code];
  return new RescindError(code, detail === undefined ? { retryAfter } : { retryAfter, detail });
}

type TroubleLog = (event: 'decision_failed' | 'denylist_unreadable', error: string) => void;

function createTroubleLog(telemetry: Telemetry, clock: Clock): TroubleLog {
  const saidAt = new Map<string, DurationMs>();
  return (event, error) => {
    const now = clock.monotonic();
    if (now - (saidAt.get(event) ?? Number.NEGATIVE_INFINITY) < SAY_AGAIN_MS) return;
    saidAt.set(event, now);
    telemetry.log('error', event, { error });
  };
}

/** The label of a decision: what was refused by its code. */
function resultOf(decision: Decision): string {
  if (!decision.accepted) return decision.error.code;
  return decision.stale ? 'accepted_stale' : 'accepted';
}
