import type { View } from '@rescind/feed/follower';
import type { HealthCheck } from '@rescind/revocation';
import type { ProbeResponse } from '@rescind/revocation/host-telemetry';
import { createProbe } from '@rescind/revocation/host-telemetry';
import { createHealthMetrics } from '@rescind/revocation/metrics';
import type { VerifiedToken } from '@rescind/token';
import { createVerifiedTokenCache } from './cache/verified-token-cache.ts';
import type { GuardContext } from './context.ts';
import { openContext } from './context.ts';
import type { Decision } from './decision.ts';
import { createDecider, unavailable } from './decision.ts';
import { createDecisionMetrics } from './decision-metrics.ts';
import type { Explanation } from './explain.ts';
import { explainClaims, explainToken } from './explain.ts';
import { createFailureLog } from './failure-log.ts';
import { freshnessOf, knownAge, startMaintenance } from './maintenance.ts';
import { createOnline } from './online.ts';
import type { GuardOptions, GuardSettings } from './options.ts';
import { toSettings } from './options.ts';
import type { RoutePolicy } from './route.ts';
import { ANY_ROUTE, checkedRoute } from './route.ts';
import type { TokenWatcher, WatchedToken } from './sockets/live-tokens.ts';
import { createLiveTokens } from './sockets/live-tokens.ts';
import { createSoftLimits } from './soft-expiry.ts';
import type { Claims } from './trusted-issuer.ts';

/** Verifies access tokens and refuses revoked ones, from the memory and the file of this instance. */
export interface Guard extends AsyncDisposable {
  /**
   * Decides about one token: synchronous, without network. It does not throw, whatever the token. The order of the checks: form, signature,
   * issuer, audience and times, revocation (however old the view), readiness, age of the view, soft expiry, requirements of the route.
   * A token that requires introspection is refused with `introspection_unavailable`.
   * @param route checked once, by its identity: keep the object, and do not change it
   * @throws TypeError for a route with an unknown name or a wrong value
   */
  decide(token: string, route?: RoutePolicy): Decision;
  /**
   * As `decide`. It returns a promise if it fetches keys, because the token's key is not known (at most one fetch in 30 s, whatever clients
   * send), or if it introspects the token, because the route requires it. The promise never rejects.
   * @throws TypeError as `decide` does
   */
  decideOnline(token: string, route?: RoutePolicy): Decision | Promise<Decision>;
  /**
   * Checks the requirements of a route, once, when the route is created.
   * @throws TypeError with what is wrong, or that no issuer has introspection
   */
  checkRoute(route: RoutePolicy): void;
  /**
   * Follows a token that has just been accepted, for a connection that lives longer than a request: the watcher is called when the token
   * is revoked, expires or has to be renewed. A revocation finds its tokens without a scan. The adapters for sockets and streams use it.
   * @param route decides in `WatchedToken.decide`
   * @throws RescindError `stopping`, or `token_key_unknown` if its key has been withdrawn since
   * @throws TypeError for a route with an unknown name or a wrong value
   */
  watch(token: VerifiedToken, watcher: TokenWatcher, route?: RoutePolicy): WatchedToken;
  /**
   * Returns the cut-offs that deny a token, or claims (of a session, a user), with their times. For operators: no response to a client
   * contains it.
   */
  explain(tokenOrClaims: string | Claims): Explanation;
  /**
   * Resolves when the instance has caught up with the log and has keys, once in the life of the process. A pending
   * promise keeps the process alive.
   * @throws RescindError `stopping` once closed
   */
  ready(signal?: AbortSignal): Promise<void>;
  /** What the instance knows of the log, and the age of it. Infinity without a log. */
  view(): View;
  /** The check `view`, whether it is ready and fresh, then those of the follower, the keys, the denylist and introspection. */
  health(): HealthCheck[];
  /**
   * Responds to `GET` of `/livez`, `/readyz` and `/metrics`. The adapters serve it.
   * @param path without query
   * @returns undefined for every other path, and for `/metrics` if `telemetry` is an implementation of `Telemetry`, which has the metrics
   */
  probe(path: string): Promise<ProbeResponse> | undefined;
  /**
   * Stops the follower, writes what is pending and releases the denylist file, so that another guard can open it. Idempotent. A
   * process that ends need not call it.
   */
  close(): Promise<void>;
}

/**
 * Creates the guard of the tokens of one issuer, or of several. It opens the denylist, the follower of the log that fills it, and the
 * keys. It returns at once and catches up in the background; until then it refuses tokens that no row denies with
 * `view_not_ready`. Its sockets and timers keep no process alive, except those of a transport such as Kafka's.
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

/** Timers have 31 bits. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Without a log there is nothing to catch up with, and no age. */
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

/** Creates a guard over open resources, which it closes. */
export function createGuardOver(settings: GuardSettings, parts: GuardContext): Guard {
  const { trusted, changes, log } = parts;
  const { clock, telemetry } = settings;
  const view = log === undefined ? () => NO_VIEW : () => log.follower.view();
  const cache = createVerifiedTokenCache({ limits: settings.cache, changes });
  const metrics = createDecisionMetrics(settings, cache);
  const logFailure = createFailureLog(telemetry, clock);
  const decider = createDecider({ settings, trusted, cache, softLimits: createSoftLimits(), logFailure, view });
  const live = createLiveTokens({
    ...{ decider, cache, telemetry, softExpiry: settings.softExpiry },
    onCommitted: (listener) => changes.onCommitted(listener),
  });
  const online = createOnline({ settings, decider, logFailure });
  const followed = log && settings.log && { settings: settings.log, denylist: log.denylist, view };
  let closing: Promise<void> | undefined;
  let hasCaughtUp = false;
  const catchUp = async (signal?: AbortSignal) => {
    await Promise.all([log?.follower.ready(signal), ...[...trusted.values()].map(({ keys }) => keys.ready(signal))]);
  };

  const consider = (token: string, route: RoutePolicy): Decision =>
    closing === undefined ? decider.decide(token, route) : { accepted: false, error: unavailable('stopping') };

  function count(decision: Decision): Decision {
    const examinedAt = closing === undefined ? decider.examinedAt() : undefined;
    return examinedAt === undefined ? metrics.countHit(decision) : metrics.count(decision, examinedAt);
  }

  async function considerOnline(token: string, route: RoutePolicy, first: Decision): Promise<Decision> {
    const startedAt = clock.monotonic();
    const decision = await online.ask(token, first, () => consider(token, route));
    return metrics.count(decision, startedAt);
  }

  async function closeAll(): Promise<void> {
    maintenance.stop();
    live.close();
    online.close();
    metrics.flush();
    const keys = [...trusted.values()].map((one) => one.keys.close());
    // The denylist is the last one: the others write into it until they have stopped.
    await Promise.allSettled([log?.follower.close(), log?.eventKeys.close(), ...keys]);
    log?.denylist.close();
  }
  const health = () => [
    ...(log === undefined ? [] : [viewHealth(view(), settings), ...log.follower.health()]),
    ...[...trusted.values()].flatMap(({ keys }) => keys.health()),
    ...(log === undefined ? [] : [...log.eventKeys.health(), ...log.denylist.health()]),
    ...online.health(),
  ];
  const source = { health, ready: () => closing === undefined && hasCaughtUp && view().ready };
  // A `Telemetry` of the caller has a readiness and checks of its own.
  const measureHealth = settings.metrics === undefined ? () => undefined : createHealthMetrics(telemetry, source);
  /** Sets the gauges, each second and before a scrape. A part that fails is logged, and the others are set. */
  function measure(): void {
    for (const part of [metrics.flush, online.measure, live.tick, measureHealth]) {
      try {
        part();
      } catch (error) {
        const message = error instanceof Error ? error.message : 'unknown';
        telemetry.log('error', 'metrics_not_collected', { error: message });
      }
    }
  }
  const maintenance = startMaintenance(settings, followed, measure);
  measure();
  catchUp().then(
    () => {
      hasCaughtUp = true;
      measure();
    },
    () => undefined,
  );
  const close = () => {
    closing ??= closeAll();
    return closing;
  };

  return {
    decide: (token, route) => count(consider(token, route === undefined ? ANY_ROUTE : checkedRoute(route))),
    decideOnline(token, requirements) {
      const route = requirements === undefined ? ANY_ROUTE : checkedRoute(requirements);
      const decision = consider(token, route);
      return online.mayChange(decision) ? considerOnline(token, route, decision) : count(decision);
    },
    checkRoute: (route) => online.requireRoute(checkedRoute(route)),
    watch: (token, watcher, route = ANY_ROUTE) => live.watch(token, watcher, checkedRoute(route)),
    explain: (tokenOrClaims) =>
      typeof tokenOrClaims === 'string'
        ? explainToken(tokenOrClaims, { decider, view: view(), clock })
        : explainClaims(tokenOrClaims, trusted),
    async ready(signal) {
      const hold = setInterval(() => undefined, MAX_TIMER_MS);
      try {
        await catchUp(signal);
      } finally {
        clearInterval(hold);
      }
    },
    view,
    health,
    probe: createProbe({ ...source, metrics: settings.metrics, measure }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

const STATUS = { fresh: 'pass', degraded: 'warn', stale: 'warn', not_ready: 'fail' } as const;

/** A stale instance stays ready: without it, fewer instances would know the revocations so far. */
function viewHealth(view: View, settings: GuardSettings): HealthCheck {
  const freshness = freshnessOf(view, settings);
  const { maxStalenessMs, degradedAfterMs } = settings;
  return { name: 'view', status: STATUS[freshness], freshness, ageMs: knownAge(view), degradedAfterMs, maxStalenessMs };
}
