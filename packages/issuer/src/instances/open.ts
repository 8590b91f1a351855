import type { LogSource } from '@rescind/feed';
import type { InstanceReport, ReportAnswer } from '@rescind/feed/reports';
import type { Clock, DurationMs, EpochMillis, HealthCheck, Telemetry } from '@rescind/revocation';
import type { InstanceState, IssuerInstances } from '../issuer-instances.ts';
import type { Storage } from '../storage.ts';
import type { InstanceRow } from '../store/instances.ts';
import type { Store, StoreTransaction } from '../store/store.ts';
import { createFleet } from './fleet.ts';
import type { Instance, LogPosition } from './instance.ts';
import { toRow } from './instance.ts';
import { createReceipts } from './receipts.ts';

const TICK_MS: DurationMs = 1_000;
/** The interval at which positions are written: a restart loses the ms of recent receipts, but no instance. */
const STORE_EVERY_MS: DurationMs = 10_000;
/** Rows that are written in one transaction, which takes some 5 ms. */
const MAX_ROWS_AT_ONCE = 200;
const STATES: readonly InstanceState[] = ['live', 'behind', 'lost', 'left', 'unknown'];

export interface InstancesOptions {
  readonly store: Pick<Store, 'read' | 'transaction'>;
  readonly storage: Pick<Storage, 'write'>;
  readonly log: Pick<LogSource, 'snapshot' | 'onAppend'>;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly eventRetentionMs: DurationMs;
  /** Whether writes are refused: then nothing is stored. */
  isRefusing(): boolean;
}

/** The reports of instances, and what is kept of them. */
export interface OpenInstances extends IssuerInstances {
  report(clientId: string, report: InstanceReport): ReportAnswer;
  health(): HealthCheck[];
  /** Stores what is not stored yet. Never rejects. */
  close(): Promise<void>;
}

export async function openInstances(options: InstancesOptions): Promise<OpenInstances> {
  const { store, storage, log, clock, telemetry } = options;
  const now = createSteadyClock(clock);
  const rows = createRowWriter({ now, ...options });
  let position = readHead(log);
  const head = () => position;
  const fleet = createFleet({
    rows: await store.read.instances.all(),
    now,
    head,
    telemetry,
    keptMs: options.eventRetentionMs,
    onChange: rows.change,
    onProgress: (instance) => receipts.progressed(instance),
    onRemoved: rows.remove,
  });
  const receipts = createReceipts({ fleet, now, head, telemetry });
  const stopListening = log.onAppend(() => {
    position = readHead(log);
    receipts.committed();
  });
  fleet.setSettled(position);
  const gauges = createFleetGauges(telemetry);
  let isTicking = false;
  const timer = setInterval(() => {
    fleet.tick();
    receipts.tick();
    gauges(fleet.list());
    if (isTicking || options.isRefusing()) return;
    isTicking = true;
    rows.write(storage).finally(() => {
      isTicking = false;
    });
  }, TICK_MS).unref();

  /** The times that callers compare with the wall clock move with it: it may have been set since the start, or the machine suspended. */
  const list = () => {
    const moved = clock.now() - now();
    const move = (at: EpochMillis) => Math.round(at + moved);
    return fleet.list().map((view) => ({
      ...view,
      since: move(view.since),
      reportedAt: move(view.reportedAt),
      endedAt: view.endedAt === null ? null : move(view.endedAt),
    }));
  };

  return {
    list,
    receipt: receipts.of,
    wait: receipts.wait,
    forget: fleet.forget,
    report: fleet.report,
    health: () => [rows.health(fleet.running())],
    async close() {
      clearInterval(timer);
      stopListening();
      receipts.close();
      if (!options.isRefusing()) await rows.writeAll(storage);
    },
  };
}

function readHead(log: Pick<LogSource, 'snapshot'>): LogPosition {
  const { epoch, head } = log.snapshot();
  return { epoch, seq: head };
}

/** The wall time of the start, moved on by the monotonic clock: a wall clock that is set changes no difference. */
function createSteadyClock(clock: Pick<Clock, 'now' | 'monotonic'>): () => EpochMillis {
  const start = clock.now() - clock.monotonic();
  return () => start + clock.monotonic();
}

/** By service and state, never by instance: a roll-out adds no series. */
function createFleetGauges(telemetry: Telemetry) {
  const known = new Set<string>();
  return (views: readonly { readonly service: string; readonly state: InstanceState }[]) => {
    const counts = new Map<string, number>();
    for (const { service, state } of views) {
      known.add(service);
      counts.set(`${state} ${service}`, (counts.get(`${state} ${service}`) ?? 0) + 1);
    }
    for (const service of known) {
      for (const state of STATES) {
        telemetry.gauge('rescind_fleet_instances', counts.get(`${state} ${service}`) ?? 0, { service, state });
      }
    }
  };
}

interface RowWriterOptions extends Pick<InstancesOptions, 'store' | 'telemetry'> {
  now(): EpochMillis;
}

type Writing = Pick<Storage, 'write'>;

/** Writes rows in batches: those of instances that began or ended at once, positions every 10 s. */
function createRowWriter({ store, telemetry, now }: RowWriterOptions) {
  const changed = new Map<string, Instance>();
  const dueAt = new Map<string, EpochMillis>();
  const removed = new Set<string>();
  let lastError: string | null = null;

  const put = (rows: readonly InstanceRow[], gone: readonly string[]) => async (tx: StoreTransaction) => {
    for (const row of rows) await tx.instances.put(row);
    for (const id of gone) await tx.instances.delete(id);
  };

  async function write(storage: Writing, isDue: (id: string) => boolean): Promise<boolean> {
    const instances = [...changed.values()].filter(({ id }) => isDue(id)).slice(0, MAX_ROWS_AT_ONCE);
    const gone = [...removed].slice(0, MAX_ROWS_AT_ONCE);
    if (instances.length === 0 && gone.length === 0) return false;
    for (const { id } of instances) {
      changed.delete(id);
      dueAt.set(id, now() + STORE_EVERY_MS);
    }
    for (const id of gone) removed.delete(id);
    try {
      await storage.write(() => store.transaction(put(instances.map(toRow), gone)));
      lastError = null;
      return true;
    } catch (error) {
      for (const instance of instances) if (!removed.has(instance.id)) changed.set(instance.id, instance);
      for (const id of gone) removed.add(id);
      telemetry.count('rescind_housekeeping_failures_total');
      const reason = error instanceof Error ? error.message : String(error);
      if (lastError === null) telemetry.log('error', 'instances_not_stored', { error: reason });
      lastError = reason;
      return false;
    }
  }

  return {
    change(instance: Instance, isUrgent: boolean) {
      changed.set(instance.id, instance);
      if (isUrgent) dueAt.delete(instance.id);
    },
    remove(id: string) {
      changed.delete(id);
      dueAt.delete(id);
      removed.add(id);
    },
    write: (storage: Writing) => write(storage, (id) => (dueAt.get(id) ?? 0) <= now()),
    async writeAll(storage: Writing) {
      while (await write(storage, () => true));
    },
    health: (reporting: number): HealthCheck => ({
      name: 'instances',
      status: lastError === null ? 'pass' : 'warn',
      reporting,
      lastError,
    }),
  };
}
