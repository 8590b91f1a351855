import type { View } from '@rescind/feed';
import type { HealthCheck } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { gate } from '@rescind/token';
import type { Decision, RoutePolicy } from './decision.ts';
import { createDecider } from './decision.ts';
import type { GuardOptions, GuardSettings } from './options.ts';
import { toSettings } from './options.ts';
import { createTokenVerifier, openParts } from './parts.ts';
import { freshnessOf, knownAge, startUpkeep } from './upkeep.ts';

/** Verifies access tokens and refuses the revoked ones, from what this instance holds. */
export interface Guard extends AsyncDisposable {
  /**
   * Decides about one token: synchronous, no network, never throws. In this order: malformed, signature, issuer, audience
   * and times, revoked (true however old the view), not ready, view too old, scope.
   */
  decide(token: string, route?: RoutePolicy): Decision;
  /**
   * The same; only where the token's key is not known a promise, of what is decided when the keys have been fetched: at
   * most one fetch in 30 s, whatever comes. Never rejects.
   */
  decideWithKeys(token: string, route?: RoutePolicy): Decision | Promise<Decision>;
  /**
   * Resolves when the instance has caught up with the log and has keys: once, for the life of the process.
   * @throws RescindError `stopping` once closed
   */
  ready(signal?: AbortSignal): Promise<void>;
  /** What the instance knows of the log, and how old that is. */
  view(): View;
  /** `view`: whether it is ready and fresh; then those of the follower, the keys and the denylist. */
  health(): HealthCheck[];
  /** Stops following and gives the denylist back. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens the guard of one issuer's tokens: the denylist, the follower of the log that fills it, and the keys. Returns at
 * once and catches up in the background; until it has, tokens that nothing denies are refused with `view_not_ready`.
 *
 * Metrics: `rescind_decisions_total{result}`, `rescind_decision_seconds`, `rescind_denylist_pruned_total`, and those of the
 * denylist, the follower and the key sources.
 *
 * @throws TypeError for an option that is missing or wrong
 * @throws RescindError `denylist_locked`, `denylist_newer`, `denylist_unreadable`, `configuration_invalid`
 */
export function openGuard(options: GuardOptions): Guard {
  const settings = toSettings(options);
  const { denylist, keys, eventKeys, follower } = openParts(settings);
  const view = () => follower.view();
  const verifier = createTokenVerifier(settings, keys);
  const decider = createDecider({ settings, verifier, keys, denylist, view });
  const upkeep = startUpkeep(settings, denylist, view);
  const now = () => settings.clock.monotonic();
  let closing: Promise<void> | undefined;

  function consider(token: string, route: RoutePolicy | undefined): Decision {
    if (closing !== undefined) return { accepted: false, error: new RescindError('stopping', { retryAfter: 1 }) };
    return decider.decide(token, route);
  }

  async function considerAgain(token: string, route: RoutePolicy | undefined): Promise<Decision> {
    await keys.ensure(kidOf(token, settings));
    const startedAt = now();
    return decider.given(consider(token, route), startedAt);
  }

  async function closeAll(): Promise<void> {
    upkeep.stop();
    // The denylist last: the others write into it until they have stopped.
    await Promise.allSettled([follower.close(), keys.close(), eventKeys.close()]);
    denylist.close();
  }
  const close = () => {
    closing ??= closeAll();
    return closing;
  };

  return {
    decide(token, route) {
      const startedAt = now();
      return decider.given(consider(token, route), startedAt);
    },
    decideWithKeys(token, route) {
      const startedAt = now();
      const decision = consider(token, route);
      return wantsKeys(decision) ? considerAgain(token, route) : decider.given(decision, startedAt);
    },
    async ready(signal) {
      await Promise.all([follower.ready(signal), keys.ready(signal)]);
    },
    view,
    health: () => [
      viewHealth(view(), settings),
      ...follower.health(),
      ...keys.health(),
      ...eventKeys.health(),
      ...denylist.health(),
    ],
    close,
    [Symbol.asyncDispose]: close,
  };
}

function wantsKeys(decision: Decision): boolean {
  return !decision.accepted && decision.error.code === 'token_key_unknown';
}

/** The key a token says it was signed with. Only for tokens that have passed the gate. */
function kidOf(token: string, { maxTokenBytes }: GuardSettings): string {
  return gate(token, { maxBytes: maxTokenBytes }).header.kid ?? '';
}

const STATUS = { fresh: 'pass', degraded: 'warn', stale: 'warn', not_ready: 'fail' } as const;

/** Staleness makes no instance unready: that would take away the ones that still know of most revocations. */
function viewHealth(view: View, settings: GuardSettings): HealthCheck {
  const freshness = freshnessOf(view, settings);
  const { maxStalenessMs, degradedAfterMs } = settings;
  return { name: 'view', status: STATUS[freshness], freshness, ageMs: knownAge(view), degradedAfterMs, maxStalenessMs };
}
