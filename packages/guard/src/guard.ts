import type { View } from '@rescind/feed';
import type { HealthCheck } from '@rescind/revocation';
import { createVerifiedTokenCache } from './cache/seen.ts';
import type { Decision } from './decision.ts';
import { createDecider, unavailable } from './decision.ts';
import type { Explanation } from './explain.ts';
import { explainClaims, explainToken } from './explain.ts';
import { createOnline } from './online.ts';
import type { GuardOptions, GuardSettings } from './options.ts';
import { toSettings } from './options.ts';
import type { GuardContext } from './parts.ts';
import { openContext } from './parts.ts';
import type { RoutePolicy } from './route.ts';
import { checkedRoute } from './route.ts';
import { createSoftLimits } from './soft-expiry.ts';
import { createDecisionMetrics } from './tally.ts';
import { createFailureLog } from './trouble.ts';
import type { Claims } from './trusted.ts';
import { freshnessOf, knownAge, startMaintenance } from './upkeep.ts';

/** Verifies access tokens and refuses the revoked ones, from what this instance holds. */
export interface Guard extends AsyncDisposable {
  /**
   * Decides about one token: synchronous, no network; whatever the token, it does not throw. In this order: malformed, signature, issuer, audience
   * and times, revoked (true however old the view), not ready, view too old, soft expiry, then what the route wants. What is
   * good so far and is to be asked of its issuer is refused with `introspection_unavailable`.
   * @param route checked once, by its identity: keep the object, and change nothing in it
   * @throws TypeError for a route with an unknown name or a wrong value
   */
  decide(token: string, route?: RoutePolicy): Decision;
  /**
   * The same; a promise where somebody has to be asked: for keys, when the token's is not known (at most one fetch in 30 s,
   * whatever comes), or the issuer, when the route wants that. Never rejects.
   * @throws TypeError as `decide` does
   */
  decideOnline(token: string, route?: RoutePolicy): Decision | Promise<Decision>;
  /**
   * Checks what a route wants, once, when it is made.
   * @throws TypeError naming what is wrong, or that no issuer can be asked
   */
  checkRoute(route: RoutePolicy): void;
  /**
   * Which cut-offs refuse a token, or claims (of a session, a person), and since when. For operators: an answer to the
   * outside never says this.
   */
  explain(tokenOrClaims: string | Claims): Explanation;
  /**
   * Resolves when the instance has caught up with the log and has keys: once, for the life of the process.
   * @throws RescindError `stopping` once closed
   */
  ready(signal?: AbortSignal): Promise<void>;
  /** What the instance knows of the log, and how old that is. Without a log: of no age. */
  view(): View;
  /** `view`: whether it is ready and fresh; then those of the follower, the keys, the denylist and introspection. */
  health(): HealthCheck[];
  /** Stops following and gives the denylist back. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens the guard of the tokens of one issuer, or of several: the denylist, the follower of the log that fills it, and the
 * keys. Returns at once and catches up in the background; until it has, tokens that nothing denies are refused with
 * `view_not_ready`.
 *
 * Metrics: `rescind_decisions_total{result}`; `rescind_decision_seconds`, of tokens not in the cache;
 * `rescind_token_cache_entries`, `…_bytes`, `…_hits_total`, `…_evicted_total`, `…_judged_again_total`; `rescind_introspections_total{result}`,
 * `rescind_introspection_seconds`; `rescind_denylist_pruned_total`; and those of the denylist, the follower and the keys.
 *
 * @throws TypeError for an option that is missing or wrong
 * @throws RescindError `denylist_locked`, `denylist_newer`, `denylist_unreadable`, `configuration_invalid`
 */
export function createGuard(options: GuardOptions): Guard {
  const settings = toSettings(options);
  return createGuardOver(settings, openContext(settings));
}

const ANY_ROUTE: RoutePolicy = Object.freeze({});

/** Without a log there is nothing to wait for, and no age. */
const NO_VIEW: View = {
  ready: true,
  complete: false,
  suspect: null,
  ageMs: Number.POSITIVE_INFINITY,
  logTime: 0,
  prunableBefore: 0,
  epoch: '',
  seq: 0,
  head: 0,
  lag: 0,
  transport: null,
};

/** The guard over parts that are open, which it closes. */
export function createGuardOver(settings: GuardSettings, parts: GuardContext): Guard {
  const { trusted, changes, log } = parts;
  const { clock, telemetry } = settings;
  const view = log === undefined ? () => NO_VIEW : () => log.follower.view();
  const seen = createVerifiedTokenCache({ limits: settings.cache, changes });
  const tally = createDecisionMetrics(settings, seen);
  const trouble = createFailureLog(telemetry, clock);
  const decider = createDecider({ settings, trusted, seen, softLimits: createSoftLimits(), trouble, view });
  const online = createOnline({ settings, decider, trouble });
  const followed = log && settings.log && { settings: settings.log, denylist: log.denylist, view };
  const upkeep = startMaintenance(settings, followed, () => {
    tally.flush();
    online.measure();
  });
  online.measure();
  let closing: Promise<void> | undefined;

  const consider = (token: string, route: RoutePolicy): Decision =>
    closing === undefined ? decider.decide(token, route) : { accepted: false, error: unavailable('stopping') };

  function count(decision: Decision): Decision {
    const examinedAt = closing === undefined ? decider.examinedAt() : undefined;
    return examinedAt === undefined ? tally.hit(decision) : tally.given(decision, examinedAt);
  }

  async function considerOnline(token: string, route: RoutePolicy, first: Decision): Promise<Decision> {
    const startedAt = clock.monotonic();
    const decision = await online.ask(token, first, () => consider(token, route));
    return tally.given(decision, startedAt);
  }

  async function closeAll(): Promise<void> {
    upkeep.stop();
    online.close();
    tally.flush();
    const keys = [...trusted.values()].map((one) => one.keys.close());
    // The denylist last: the others write into it until they have stopped.
    await Promise.allSettled([log?.follower.close(), log?.eventKeys.close(), ...keys]);
    log?.denylist.close();
  }
  const close = () => {
    closing ??= closeAll();
    return closing;
  };

  return {
    decide: (token, route) => count(consider(token, route === undefined ? ANY_ROUTE : checkedRoute(route))),
    decideOnline(token, given) {
      const route = given === undefined ? ANY_ROUTE : checkedRoute(given);
      const decision = consider(token, route);
      return online.wants(decision) ? considerOnline(token, route, decision) : count(decision);
    },
    checkRoute: (route) => online.requireRoute(checkedRoute(route)),
    explain: (given) =>
      typeof given === 'string' ? explainToken(given, { decider, view: view(), clock }) : explainClaims(given, trusted),
    async ready(signal) {
      await Promise.all([log?.follower.ready(signal), ...[...trusted.values()].map(({ keys }) => keys.ready(signal))]);
    },
    view,
    health: () => [
      ...(log === undefined ? [] : [viewHealth(view(), settings), ...log.follower.health()]),
      ...[...trusted.values()].flatMap(({ keys }) => keys.health()),
      ...(log === undefined ? [] : [...log.eventKeys.health(), ...log.denylist.health()]),
      ...online.health(),
    ],
    close,
    [Symbol.asyncDispose]: close,
  };
}

const STATUS = { fresh: 'pass', degraded: 'warn', stale: 'warn', not_ready: 'fail' } as const;

/** Staleness makes no instance unready: that would take away the ones that still know of most revocations. */
function viewHealth(view: View, settings: GuardSettings): HealthCheck {
  const freshness = freshnessOf(view, settings);
  const { maxStalenessMs, degradedAfterMs } = settings;
  return { name: 'view', status: STATUS[freshness], freshness, ageMs: knownAge(view), degradedAfterMs, maxStalenessMs };
}
