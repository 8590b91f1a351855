import type { Clock, DurationMs, EpochMillis, HealthCheck, Telemetry } from '@rescind/revocation';
import { METRICS } from '@rescind/revocation/metrics';
import { isSigned } from '../event/decode.ts';
import type { DecodedRecord } from '../event/record.ts';
import type { Feed, Transport } from '../ports.ts';
import type { FollowerState, TransportRole, View } from './core.ts';
import type { StoreFailure } from './engine.ts';

/** Ten heartbeats missed: no jitter does that. */
const DEGRADED_AFTER_MS: DurationMs = 10_000;
/** A live heartbeat is a second old at most, and on its way as long again; more is the difference of two clocks. */
const CLOCK_DIFFERS_MS: DurationMs = 10_000;

/**
 * How far the wall clock of this machine is ahead of the issuer's (negative: behind), in ms, by the newest live heartbeat.
 * Null: none has been received.
 */
export function clockAheadOf({ heartbeat }: Pick<FollowerState, 'heartbeat'>): DurationMs | null {
  return heartbeat?.isLive === true ? Math.round(heartbeat.received.wall - heartbeat.wall) : null;
}

export const clockDiffers = (aheadMs: DurationMs | null) => aheadMs !== null && Math.abs(aheadMs) > CLOCK_DIFFERS_MS;

export function followerHealth(view: View, storeFailure: StoreFailure, aheadMs: DurationMs | null): HealthCheck[] {
  const good = view.complete && view.suspect === null && view.ageMs <= DEGRADED_AFTER_MS;
  return [
    {
      name: 'feed',
      status: view.ready ? (good ? 'pass' : 'warn') : 'fail',
      ready: view.ready,
      complete: view.complete,
      suspect: view.suspect,
      // JSON has no infinity: null is "unknown".
      ageMs: Number.isFinite(view.ageMs) ? Math.round(view.ageMs) : null,
      lag: view.lag,
      epoch: view.epoch,
      seq: view.seq,
      head: view.head,
      transport: view.transport,
    },
    {
      name: 'clock',
      status: clockDiffers(aheadMs) ? 'warn' : 'pass',
      state: aheadMs === null ? 'not_compared' : 'compared',
      aheadMs,
      allowedMs: CLOCK_DIFFERS_MS,
    },
    storeHealth(storeFailure),
  ];
}

/** A failing store still enforces new changes up to the limit of pending rows; then the view only gets older. */
function storeHealth({ failures, error, pendingRows, isFull }: StoreFailure): HealthCheck {
  const status = isFull ? 'fail' : failures > 0 ? 'warn' : 'pass';
  return { name: 'feed_store', status, failures, error, pendingRows };
}

const SUSPECT = METRICS.rescind_view_suspect.labels.reason;

export function reportView(telemetry: Telemetry, view: View, { pendingRows }: StoreFailure): void {
  telemetry.gauge('rescind_feed_pending_rows', pendingRows);
  telemetry.gauge('rescind_view_ready', view.ready ? 1 : 0);
  for (const reason of SUSPECT) telemetry.gauge('rescind_view_suspect', reason === view.suspect ? 1 : 0, { reason });
  telemetry.gauge('rescind_feed_position_seq', view.seq);
  telemetry.gauge('rescind_feed_head_seq', view.head);
  telemetry.gauge('rescind_view_age_seconds', view.ageMs / 1000);
  telemetry.gauge('rescind_feed_lag_events', view.lag);
}

/** The observed state of each transport of a feed. */
export interface Transports {
  opened(id: TransportRole): void;
  lost(id: TransportRole, reason: string): void;
  /** Notes whose records it delivers: those of another log are ignored, and no view becomes ready by them. */
  received(id: TransportRole, records: readonly DecodedRecord[]): void;
  /** It was reached, and its server knows no standby streams: an issuer of an earlier version. */
  unsupported(id: TransportRole): void;
  /** The purpose of its connection; null: there is none. */
  use(id: TransportRole, use: ConnectionMode): void;
  /** One check a transport, `transport_<name>`. */
  health(): HealthCheck[];
}

/** More logs than one key signs by mistake. */
const MAX_REPORTED = 16;

const RESTARTED = METRICS.rescind_feed_restarts_total.labels.reason;

type ConnectionMode = 'reading' | 'standby' | null;

interface TransportsOptions {
  /** The configured name of the log. */
  readonly log: string;
  readonly feed: Feed;
  readonly clock: Pick<Clock, 'now'>;
  readonly telemetry: Telemetry;
}

interface State {
  readonly transport: Transport;
  use: ConnectionMode;
  /** Null: it has not been tried yet. */
  works: boolean | null;
  /** Since when `works` is as it is. */
  since: EpochMillis | null;
  lastError: string | null;
  lastErrorAt: EpochMillis | null;
  /** Whether its server knows standby streams; null: it has not been asked for one. */
  knowsStandby: boolean | null;
  /** The name of the log whose records it delivers instead of the configured one; null: of the configured one, or none. */
  foreignLog: string | null;
}

export function openTransports({ log, feed, clock, telemetry }: TransportsOptions): Transports {
  const states = new Map<TransportRole, State>();
  /** Names of other logs that were logged, each once: their records come each second. */
  const reported = new Set<string>();
  for (const [id, transport] of [['primary', feed.primary] as const, ['fallback', feed.fallback] as const]) {
    if (transport === undefined) continue;
    const unknown = {
      works: null,
      since: null,
      lastError: null,
      lastErrorAt: null,
      knowsStandby: null,
      foreignLog: null,
    };
    states.set(id, { transport, use: null, ...unknown });
    telemetry.gauge('rescind_transport_connected', 0, { transport: transport.name });
    for (const reason of RESTARTED)
      telemetry.count('rescind_feed_restarts_total', { transport: transport.name, reason }, 0);
  }

  function note(id: TransportRole, works: boolean, reason: string | null): State | undefined {
    const state = states.get(id);
    if (state === undefined) return undefined;
    if (state.works !== works) state.since = clock.now();
    state.works = works;
    if (reason !== null) {
      state.lastError = reason;
      state.lastErrorAt = clock.now();
    }
    telemetry.gauge('rescind_transport_connected', works ? 1 : 0, { transport: state.transport.name });
    return state;
  }

  return {
    opened(id) {
      const state = note(id, true, null);
      if (state?.use === 'standby') state.knowsStandby = true;
    },
    lost: (id, reason) => void note(id, false, reason),
    received(id, records) {
      const state = states.get(id);
      if (state === undefined) return;
      const found = foreignLogOf(records);
      if (found === undefined) return;
      state.foreignLog = found;
      if (found === null || reported.has(found) || reported.size >= MAX_REPORTED) return;
      reported.add(found);
      const { name: transport, endpoint } = state.transport;
      telemetry.log('error', 'feed_log_differs', { transport, configured: log, found, ...endpoint });
    },
    unsupported(id) {
      const state = note(id, true, null);
      if (state === undefined) return;
      if (state.knowsStandby !== false) {
        telemetry.log('info', 'standby_not_supported', {
          transport: state.transport.name,
          ...state.transport.endpoint,
        });
      }
      state.knowsStandby = false;
    },
    use(id, use) {
      const state = states.get(id);
      if (state !== undefined) state.use = use;
    },
    health: () => [...states.values()].map((state) => checkOf(state, log)),
  };
}

/** The other log of which these records are; null: they are of the configured one; undefined: they show neither. */
function foreignLogOf(records: readonly DecodedRecord[]): string | null | undefined {
  let found: string | undefined;
  for (const record of records) {
    if (isSigned(record)) return null;
    if (record.kind === 'bad') found ??= record.foreignLog;
  }
  return found;
}

/** `warn` while it does not work, until its first attempt (an untried transport is not known to work), and with records of another log. */
function checkOf(of: State, log: string): HealthCheck {
  const { transport, use, works, since, lastError, lastErrorAt, knowsStandby, foreignLog } = of;
  const timeOf = (at: EpochMillis | null) => (at === null ? null : new Date(at).toISOString());
  const isRead = use === 'reading';
  const check: HealthCheck = {
    name: `transport_${transport.name}`,
    status: works === true && foreignLog === null ? 'pass' : 'warn',
    state: works === null ? 'not_yet_tried' : works ? (isRead ? 'connected' : 'standby') : 'disconnected',
    connected: works === true && (isRead || (use === 'standby' && knowsStandby === true)),
    ...(knowsStandby !== null && { standby: knowsStandby ? 'supported' : 'not_supported' }),
    // The option `issuer` of a guard, the variable ISSUER of a service.
    ...(foreignLog !== null && { configuredIssuer: log, foundIssuer: foreignLog }),
    since: timeOf(since),
    lastError,
    lastErrorAt: timeOf(lastErrorAt),
  };
  // The endpoint that a transport states replaces no member.
  return { ...check, ...transport.endpoint, ...check };
}
