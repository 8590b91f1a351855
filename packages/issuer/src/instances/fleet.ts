import type { InstanceReport, ReportAnswer } from '@rescind/feed/reports';
import type { DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { InstanceState, InstanceView } from '../issuer-instances.ts';
import type { InstanceRow } from '../store/instances.ts';
import type { Instance, LogPosition } from './instance.ts';
import {
  beginLease,
  comparePositions,
  createInstance,
  currentLease,
  describeInstance,
  endLease,
  fromRow,
  hasReached,
  instanceId,
  isRunning,
  movePosition,
} from './instance.ts';

/** Three missed reports. */
const LOST_AFTER_MS: DurationMs = 15_000;
/** How long an instance is listed after it was lost or has left. */
const LISTED_MS: DurationMs = 3_600_000;
/** If more than half of the instances of a service fall silent within this time, the cause may be the network or the issuer. */
const MASS_SILENCE_MS: DurationMs = 30_000;
/** The shortest wait between two reports. A shorter one would not be noticed by people; a fleet of a hundred costs little with it. */
const MIN_NEXT_MS: DurationMs = 250;
/** Reports may come this soon: `MIN_NEXT_MS` less the jitter of timers. */
const EARLY_MS: DurationMs = 200;
/** The greatest rate at which all instances together report while revocations are many. */
const REPORTS_PER_SECOND = 1_000;
/** The most running instances of one client. A client with more is faulty, or its credential is stolen. */
const RUNNING_PER_CLIENT = 4_096;
const ENDED_PER_CLIENT = 4_096;
/** All of a client, those included that are removed within a minute: one that begins and ends instances without a pause fills no memory. */
const KEPT_PER_CLIENT = RUNNING_PER_CLIENT + 2 * ENDED_PER_CLIENT;
/** A report that was on its way when its instance said goodbye may arrive so much later. */
const LATE_AFTER_GOODBYE_MS: DurationMs = 5_000;
/** `tick` is called every second: a call that is this late shows that the process was suspended. */
const STOOD_STILL_MS: DurationMs = 5_000;

export interface FleetOptions {
  readonly rows: readonly InstanceRow[];
  /** By the issuer's clock. It never goes back while the process runs. */
  now(): EpochMillis;
  /** The end of the log. */
  head(): LogPosition;
  readonly telemetry: Telemetry;
  /** How long ended instances are kept for the receipts of earlier revocations. */
  readonly keptMs: DurationMs;
  /** Called with each instance whose row has to be written again. @param isUrgent whether the instance began or ended */
  onChange(instance: Instance, isUrgent: boolean): void;
  /** Called with each instance whose position changed, that left, or that was forgotten. */
  onProgress(instance: Instance): void;
  onRemoved(id: string): void;
}

/** The instances, by their reports. All state is in memory: time comes from `now`; rows are given at the start and passed to `onChange`. */
export interface Fleet {
  /** @throws RescindError `rate_limited` */
  report(clientId: string, report: InstanceReport): ReportAnswer;
  /** Marks silent instances as lost, and removes ended ones that are no longer kept. Call it every second. */
  tick(): void;
  /** The state of an instance: the only place that decides it. */
  stateOf(instance: Instance): InstanceState;
  list(): InstanceView[];
  all(): Iterable<Instance>;
  running(): number;
  /** How long an instance waits between two reports while revocations are many. */
  nextMs(): DurationMs;
  /** Sets the position that a live instance must have reported, because it was committed long enough ago. */
  setSettled(position: LogPosition): void;
  /** @returns false: it still reports. @throws RescindError `not_found` */
  forget(id: string): boolean;
}

export function createFleet(options: FleetOptions): Fleet {
  const { now, head, telemetry } = options;
  const instances = new Map<string, Instance>();
  for (const row of options.rows) instances.set(row.id, fromRow(row, now()));
  const runningOf = new Map<string, number>();
  const keptOf = new Map<string, number>();
  const change = (counts: Map<string, number>, clientId: string, by: number) => {
    const count = (counts.get(clientId) ?? 0) + by;
    if (count > 0) counts.set(clientId, count);
    else counts.delete(clientId);
  };
  for (const instance of instances.values()) {
    change(keptOf, instance.clientId, 1);
    if (isRunning(instance)) change(runningOf, instance.clientId, 1);
  }
  /** When this process began to receive reports: an instance is not lost for its silence before that. */
  let listeningSince = now();
  let tickedAt = now();
  let settled: LogPosition = { epoch: '', seq: 0 };
  /** The clients of which more than half fell silent. */
  let silentClients: ReadonlySet<string> = new Set();

  const running = () => [...runningOf.values()].reduce((sum, count) => sum + count, 0);
  const silentFor = ({ reportedAt }: Instance) => now() - Math.max(reportedAt, listeningSince);

  function begin(instance: Instance, at: EpochMillis): void {
    const { clientId } = instance;
    if ((runningOf.get(clientId) ?? 0) >= RUNNING_PER_CLIENT) throw refused('too_many', 60);
    if (!instances.has(instance.id)) {
      if ((keptOf.get(clientId) ?? 0) >= KEPT_PER_CLIENT) throw refused('too_many', 60);
      change(keptOf, clientId, 1);
    }
    beginLease(instance, at);
    change(runningOf, clientId, 1);
    instances.set(instance.id, instance);
  }

  function end(instance: Instance, ending: 'left' | 'lost'): void {
    endLease(instance, now(), ending);
    change(runningOf, instance.clientId, -1);
    options.onChange(instance, true);
    if (ending === 'left') options.onProgress(instance);
    telemetry.log(ending === 'lost' ? 'warn' : 'info', `instance_${ending}`, {
      service: instance.clientId,
      instance: instance.name,
    });
  }

  function refused(result: 'early' | 'too_many', retryAfter: number): RescindError {
    telemetry.count('rescind_reports_total', { result });
    return new RescindError('rate_limited', { retryAfter });
  }

  /** Removes a position beyond the head of the log: with it, a later revocation would count as applied before it was made. */
  function placeOf(report: InstanceReport): InstanceReport {
    if (comparePositions(report, head()) <= 0) return report;
    telemetry.count('rescind_reports_total', { result: 'ahead' });
    return { ...report, epoch: '', seq: 0, earlier: [] };
  }

  const nextMs = () => Math.max(MIN_NEXT_MS, Math.ceil((running() * 1_000) / REPORTS_PER_SECOND));

  function report(clientId: string, received: InstanceReport): ReportAnswer {
    const at = now();
    const id = instanceId(clientId, received.key);
    const instance = instances.get(id) ?? createInstance(id, clientId, at);
    const isKnown = isRunning(instance);
    if (isKnown && !received.leaving && at - instance.reportedAt < EARLY_MS) throw refused('early', 1);
    if (!isKnown && (received.leaving || hasJustLeft(instance, at))) return { nextMs: nextMs() };
    const placed = placeOf(received);
    if (!isKnown) begin(instance, at);
    describeInstance(instance, placed, at);
    const hasMoved = movePosition(instance, placed, at);
    telemetry.count('rescind_reports_total', { result: 'accepted' });
    if (received.leaving) end(instance, 'left');
    else options.onChange(instance, !isKnown);
    if (hasMoved) options.onProgress(instance);
    return { nextMs: nextMs() };
  }

  function stateOf(instance: Instance): InstanceState {
    const { until, ending } = currentLease(instance) ?? { until: 0, ending: 'lost' };
    if (until !== null) return ending === 'left' ? 'left' : 'lost';
    if (instance.reportedAt < listeningSince || silentFor(instance) >= LOST_AFTER_MS) return 'unknown';
    return hasReached(instance, settled) ? 'live' : 'behind';
  }

  function findSilentClients(): ReadonlySet<string> {
    const counts = new Map<string, { silent: number; all: number }>();
    const at = now();
    for (const instance of instances.values()) {
      const { until, ending } = currentLease(instance) ?? { until: 0, ending: 'left' };
      const isRecentlyLost = until !== null && ending === 'lost' && at - until < MASS_SILENCE_MS - LOST_AFTER_MS;
      if (until !== null && !isRecentlyLost) continue;
      const count = counts.get(instance.clientId) ?? { silent: 0, all: 0 };
      counts.set(instance.clientId, count);
      count.all += 1;
      if (isRecentlyLost || silentFor(instance) >= LOST_AFTER_MS) count.silent += 1;
    }
    return new Set([...counts].filter(([, { silent, all }]) => silent * 2 > all).map(([clientId]) => clientId));
  }

  function findLost(): void {
    silentClients = findSilentClients();
    for (const instance of instances.values()) {
      if (!isRunning(instance)) continue;
      // Twice the time if most instances of the client fell silent together, since that has a common cause.
      const patience = silentClients.has(instance.clientId) ? 2 * LOST_AFTER_MS : LOST_AFTER_MS;
      if (silentFor(instance) >= patience) end(instance, 'lost');
    }
  }

  function removeEnded(): void {
    const ended = [...instances.values()].filter((instance) => !isRunning(instance));
    for (const ofClient of Map.groupBy(ended, ({ clientId }) => clientId).values()) {
      // Those that left first: receipts still name the lost ones as missing.
      ofClient.sort((a, b) => Number(hasLeft(a)) - Number(hasLeft(b)) || endOf(b) - endOf(a));
      const isOver = (instance: Instance, index: number) =>
        index >= ENDED_PER_CLIENT || now() - endOf(instance) > options.keptMs;
      for (const { id, clientId } of ofClient.filter(isOver)) {
        instances.delete(id);
        change(keptOf, clientId, -1);
        options.onRemoved(id);
        telemetry.count('rescind_instances_forgotten_total');
      }
    }
  }

  let ticks = 0;
  return {
    report,
    stateOf,
    running,
    nextMs,
    all: () => instances.values(),
    setSettled(position) {
      settled = position;
    },
    tick() {
      const at = now();
      if (at - tickedAt > STOOD_STILL_MS) listeningSince = at;
      tickedAt = at;
      findLost();
      if (ticks++ % 60 === 0) removeEnded();
    },
    list() {
      const at = now();
      const isListed = (instance: Instance) =>
        isRunning(instance) || (!instance.forgotten && at - endOf(instance) < LISTED_MS);
      return [...instances.values()]
        .filter(isListed)
        .map((instance) => toView(instance, stateOf(instance), head(), at))
        .sort((a, b) => compareTexts(a.service, b.service) || compareTexts(a.instance, b.instance));
    },
    forget(id) {
      const instance = instances.get(id);
      if (instance === undefined || instance.forgotten) throw new RescindError('not_found');
      if (isRunning(instance)) return false;
      instance.forgotten = true;
      options.onChange(instance, true);
      options.onProgress(instance);
      telemetry.count('rescind_instances_forgotten_total');
      return true;
    },
  };
}

/** Its process reports no more: a report that comes now was sent before the goodbye. */
function hasJustLeft(instance: Instance, at: EpochMillis): boolean {
  return hasLeft(instance) && at - endOf(instance) < LATE_AFTER_GOODBYE_MS;
}

const hasLeft = (instance: Instance) => currentLease(instance)?.ending === 'left';
const endOf = (instance: Instance) => currentLease(instance)?.until ?? 0;
const compareTexts = (a: string, b: string) => (a < b ? -1 : Number(a > b));

function toView(instance: Instance, state: InstanceState, head: LogPosition, at: EpochMillis): InstanceView {
  const { id, clientId, name, version, transport, suspect, epoch, seq, ageMs, reportedAt } = instance;
  const { from, until } = currentLease(instance) ?? { from: reportedAt, until: reportedAt };
  return {
    ...{ id, service: clientId, instance: name, version, transport, state, epoch, seq },
    lag: epoch === head.epoch ? Math.max(0, head.seq - seq) : null,
    ageMs: ageMs === null ? null : Math.round(ageMs + (at - reportedAt)),
    suspect,
    since: from,
    reportedAt,
    endedAt: until,
  };
}
