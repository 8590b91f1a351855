import type { Clock, DurationMs, EpochMillis, HealthCheck, Telemetry } from '@rescind/revocation';
import type { Feed, Way, WayStart } from '../ports.ts';
import type { WayId } from './core.ts';

/** What is known of each transport of a feed, by using it. */
export interface Transports {
  opened(id: WayId): void;
  lost(id: WayId, reason: string): void;
  /** Whether its connection is kept open at the moment; else it stands by, and is probed. */
  use(id: WayId, inUse: boolean): void;
  /** One check a transport: `transport_kafka`, `transport_http`. */
  health(): HealthCheck[];
  close(): void;
}

interface TransportsOptions {
  readonly feed: Feed;
  readonly clock: Pick<Clock, 'now'>;
  readonly telemetry: Telemetry;
  /** From where a probe would read. */
  readonly startOf: () => WayStart;
}

interface State {
  readonly way: Way;
  inUse: boolean;
  /** Null: it has not been tried yet. */
  works: boolean | null;
  /** Since when `works` is as it is. */
  since: EpochMillis | null;
  lastError: string | null;
  lastErrorAt: EpochMillis | null;
}

/** A fallback that is tried only when it is needed is found broken when it is needed: it is tried at start and so often. */
const PROBE_EVERY_MS: DurationMs = 60_000;
/** After a failure: somebody may be mending it. */
const PROBE_AGAIN_MS: DurationMs = 10_000;
const PROBE_TIMEOUT_MS: DurationMs = 10_000;

export function openTransports({ feed, clock, telemetry, startOf }: TransportsOptions): Transports {
  const closing = new AbortController();
  const states = new Map<WayId, State>();
  for (const [id, way] of [['first', feed.first] as const, ['second', feed.second] as const]) {
    if (way === undefined) continue;
    states.set(id, { way, inUse: false, works: null, since: null, lastError: null, lastErrorAt: null });
    telemetry.gauge('rescind_transport_connected', 0, { transport: way.name });
  }
  let timer: NodeJS.Timeout | undefined;

  function note(id: WayId, works: boolean, reason: string | null): State | undefined {
    const state = states.get(id);
    if (state === undefined) return undefined;
    if (state.works !== works) state.since = clock.now();
    state.works = works;
    if (reason !== null) {
      state.lastError = reason;
      state.lastErrorAt = clock.now();
    }
    telemetry.gauge('rescind_transport_connected', works ? 1 : 0, { transport: state.way.name });
    return state;
  }

  async function probe(state: State): Promise<void> {
    const before = state.works;
    const { name } = state.way;
    try {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]);
      await state.way.probe?.(startOf(), signal);
      if (closing.signal.aborted || state.inUse) return;
      note('second', true, null);
      telemetry.count('rescind_transport_probes_total', { transport: name, result: 'ok' });
      if (before === false) telemetry.log('info', 'transport_recovered', { transport: name, ...state.way.endpoint });
    } catch (error) {
      if (closing.signal.aborted || state.inUse) return;
      const reason = error instanceof Error ? error.message : 'failed';
      const known = before === false && state.lastError === reason;
      note('second', false, reason);
      telemetry.count('rescind_transport_probes_total', { transport: name, result: 'failed' });
      if (!known) telemetry.log('warn', 'transport_probe_failed', { transport: name, reason, ...state.way.endpoint });
    }
  }

  function schedule(afterMs: DurationMs): void {
    const second = states.get('second');
    if (second?.way.probe === undefined || closing.signal.aborted) return;
    timer = setTimeout(() => {
      const probed = second.inUse ? Promise.resolve() : probe(second);
      void probed.then(() => schedule(second.works === false ? PROBE_AGAIN_MS : PROBE_EVERY_MS));
    }, afterMs).unref();
  }
  schedule(0);

  return {
    opened: (id) => void note(id, true, null),
    lost: (id, reason) => void note(id, false, reason),
    use(id, inUse) {
      const state = states.get(id);
      if (state !== undefined) state.inUse = inUse;
    },
    health: () => [...states.values()].map(checkOf),
    close() {
      closing.abort();
      clearTimeout(timer);
    },
  };
}

/** `warn` while it does not work, and until it has been tried: what has not been exercised is not known to work. */
function checkOf({ way, inUse, works, since, lastError, lastErrorAt }: State): HealthCheck {
  const timeOf = (at: EpochMillis | null) => (at === null ? null : new Date(at).toISOString());
  return {
    name: `transport_${way.name}`,
    status: works === true ? 'pass' : 'warn',
    state: works === null ? 'not_yet_tried' : works ? (inUse ? 'connected' : 'standing_by') : 'away',
    connected: inUse && works === true,
    since: timeOf(since),
    lastError,
    lastErrorAt: timeOf(lastErrorAt),
    ...way.endpoint,
  };
}
