import type { Clock, HealthCheck, Telemetry } from '@rescind/revocation';
import { RescindError, recordStep, standardErrorTelemetry, systemClock } from '@rescind/revocation';
import type { CounterName, MetricLabels } from '@rescind/revocation/metrics';
import { option, optionsOf, required } from '@rescind/revocation/options';
import { openBulkDecoder } from '../bulk-decoder.ts';
import type { EventDecoder } from '../event/decode.ts';
import { createEventDecoder } from '../event/decode.ts';
import type { Feed, FeedStore } from '../ports.ts';
import type { InstanceOptions } from '../reports/reporter.ts';
import { createReporter, instanceOptions } from '../reports/reporter.ts';
import { feedOptions } from '../transport.ts';
import type { FollowerConnections, FollowerKeys } from './connections.ts';
import { createFollowerConnections } from './connections.ts';
import type { FollowerCoreOptions, View } from './core.ts';
import { createFollowerCore } from './core.ts';
import type { Effect } from './engine.ts';
import { createEngine } from './engine.ts';
import { clockAheadOf, clockDiffers, followerHealth, openTransports, reportView } from './health.ts';

/** A silence of 3 s is noticed 0.1 s late, which is less than its jitter. */
const TICK_MS = 100;
/** Gauges are scraped every few seconds. */
const TICKS_PER_GAUGE = 10;

/** Follows one log into a store, by the transports of its feed, until it is closed. */
export interface Follower extends AsyncDisposable {
  /**
   * Resolves, once and for good, when the log has been caught up with. The pending promise does not keep the process alive.
   * @throws the signal's reason, or RescindError `stopping` when closed before
   */
  ready(signal?: AbortSignal): Promise<void>;
  /** The view and its age, computed from memory: cheap enough for every request. */
  view(): View;
  /**
   * The checks `feed` (the state of the view), `clock`, `feed_store` (commits, and pending rows), one of each transport, and `reports`
   * where a transport takes them.
   */
  health(): HealthCheck[];
  /** Closes the transports and waits for running work. */
  close(): Promise<void>;
}

/**
 * Opens a follower, which resumes from the position in the store. It never throws later because of the content of the log.
 *
 * Metrics: `rescind_events_applied_total{result}`, `rescind_propagation_seconds`, `rescind_feed_lag_events`,
 * `rescind_view_age_seconds`, `rescind_feed_pending_rows`, `rescind_feed_evidence_total{result}`, `rescind_feed_errors_total{step}`.
 * @throws TypeError an option is missing or wrong
 * @throws what the store throws when it cannot be read
 */
export function openFollower(options: FollowerOptions): Follower {
  const { log, issuers, feed, keys, silenceMs, maxStalenessMs, ...given } = checkFollowerOptions(options);
  const { clock = systemClock, telemetry = standardErrorTelemetry, instance = {} } = given;
  const closing = new AbortController();
  const readiness = createReadiness();
  const decoder = createEventDecoder({ log, issuers, keys });
  const bulk = openBulkDecoder({ log, issuers, keys, telemetry }, decoder);
  const core = createFollowerCore({ log, feed, silenceMs, maxStalenessMs });
  const view = () => core.view(engine.state(), engine.now());
  const reporter = createReporter({ log, feed, store: given.store, instance, view, clock, telemetry });
  const { store } = reporter;

  const started = core.start(store.load(log), quarantinedAgain(store, log, decoder), {
    wall: clock.now(),
    monotonic: clock.monotonic(),
    boot: clock.boot?.(),
    random: Math.random(),
  });
  const engine = createEngine({
    core,
    state: started.state,
    store,
    clock,
    telemetry,
    runEffect(effect) {
      if (effect.kind === 'fetchKeys') void fetchKeys();
      else runEffect(effect, { connections, telemetry, clock, onReady });
    },
  });
  const transports = openTransports({ log, feed, clock, telemetry });
  const connections = createFollowerConnections({
    feed,
    telemetry,
    transports,
    engine,
    decoder,
    bulk,
    keys,
    closing: closing.signal,
  });
  const stopListening = keys.onFetched((set) => void engine.submit({ kind: 'keys', set }));
  function onReady(): void {
    readiness.reached();
    reporter.start();
  }
  async function fetchKeys(): Promise<void> {
    if (!(await keys.refetch())) await engine.submit({ kind: 'keysFailed' });
  }
  engine.begin(started.effects);

  let differed = false;
  const logClock = () => {
    const aheadMs = clockAheadOf(engine.state());
    if (aheadMs === null || clockDiffers(aheadMs) === differed) return;
    differed = !differed;
    if (differed) telemetry.log('warn', 'clock_differs', { aheadMs });
    else telemetry.log('info', 'clock_agrees', { aheadMs });
  };
  let ticks = 0;
  const timer = setInterval(() => {
    if (!engine.busy()) void engine.submit({ kind: 'tick' });
    if (ticks++ % TICKS_PER_GAUGE !== 0) return;
    reportView(telemetry, view(), engine.storeFailure());
    logClock();
  }, TICK_MS).unref();

  const close = async () => {
    closing.abort();
    clearInterval(timer);
    stopListening();
    engine.close();
    readiness.given();
    await Promise.all([connections.closeAll(), bulk.close(), reporter.close()]);
  };
  return {
    view,
    close,
    ready: readiness.wait,
    health: () => [
      ...followerHealth(view(), engine.storeFailure(), clockAheadOf(engine.state())),
      ...transports.health(),
      ...reporter.health(),
    ],
    [Symbol.asyncDispose]: close,
  };
}

function quarantinedAgain(store: FeedStore, log: string, decoder: EventDecoder) {
  return store.quarantined(log).map(({ epoch, seq, jws }) => ({ epoch, seq, record: decoder.decode(jws) }));
}

interface EffectContext {
  readonly connections: FollowerConnections;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly onReady: () => void;
}

function runEffect(
  effect: Exclude<Effect, { kind: 'fetchKeys' }>,
  { connections, telemetry, clock, onReady }: EffectContext,
): void {
  switch (effect.kind) {
    case 'open':
      connections.open(effect.transport, effect.standby);
      break;
    case 'close':
      connections.close(effect.transport);
      break;
    case 'restart':
      connections.restart(effect.transport, effect.reason);
      break;
    case 'submitEvidence':
      void connections.submitEvidence(effect.jws);
      break;
    case 'ready':
      telemetry.log('info', 'feed_ready', { by: effect.by });
      onReady();
      break;
    case 'count':
      telemetry.count(effect.metric, effect.labels as MetricLabels<CounterName>, effect.by);
      break;
    case 'observe':
      telemetry.observe(effect.metric, effect.value);
      break;
    case 'applied': {
      const { txn, epoch, seq, at: startMs } = effect;
      recordStep(telemetry, () => ({ name: 'rescind.apply', txn, startMs, endMs: clock.now(), epoch, seq }));
      break;
    }
    case 'log':
      telemetry.log(effect.level, effect.event, effect.fields);
      break;
  }
}

function createReadiness() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Without a waiting caller a rejection is no error.
  promise.catch(() => undefined);
  return {
    reached: () => resolve(),
    given: () => reject(new RescindError('stopping')),
    async wait(signal?: AbortSignal) {
      if (signal === undefined) return promise;
      signal.throwIfAborted();
      const aborted = Promise.withResolvers<never>();
      const abort = () => aborted.reject(signal.reason);
      signal.addEventListener('abort', abort);
      await Promise.race([promise, aborted.promise]).finally(() => signal.removeEventListener('abort', abort));
    },
  };
}

/** The options of `openFollower`. */
export interface FollowerOptions extends Pick<FollowerCoreOptions, 'silenceMs' | 'maxStalenessMs'> {
  /** The log to follow: the `iss` of its events. */
  readonly log: string;
  /** The token issuers this log may speak for; entries about others are skipped and counted. */
  readonly issuers: readonly string[];
  /** The transports of the log. */
  readonly feed: Feed;
  /** Where rows are enforced, and committed with the position; a denylist is one. */
  readonly store: FeedStore;
  /** The keys of the log's events, never those of tokens: a key source of @rescind/token. */
  readonly keys: FollowerKeys;
  /** What operators know this instance by, in the reports that it sends to the issuer; `false`: it sends none. Default `{}`. */
  readonly instance?: InstanceOptions | false | undefined;
  /** Default: that of the system. */
  readonly clock?: Clock | undefined;
  /** Default: warnings and errors are written to standard error. */
  readonly telemetry?: Telemetry | undefined;
}

/** Checks and copies the options. @throws TypeError naming the option */
const checkFollowerOptions = optionsOf<FollowerOptions>('openFollower', {
  log: required(option.text('the issuer of the events')),
  issuers: required(option.list(option.text())),
  feed: required(feedOptions),
  store: required(
    option.having<FeedStore>('a store, such as a denylist', 'load', 'quarantined', 'enforce', 'flush', 'pendingRows'),
  ),
  keys: required(option.having<FollowerKeys>('a source of event keys', 'find', 'refetch', 'onFetched')),
  instance: instanceOptions,
  clock: option.clock,
  telemetry: option.telemetry,
  silenceMs: option.duration(),
  maxStalenessMs: option.duration(),
});
