import { createHash } from 'node:crypto';
import type { InstanceReport } from '@rescind/feed/reports';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import type { InstanceLease, InstanceRow, InstanceStep } from '../store/instances.ts';

/** A position in the log. Epochs compare as text. */
export interface LogPosition {
  readonly epoch: string;
  readonly seq: number;
}

/** Steps in memory: those of 12 s at 20 revocations a second. The receipt of an earlier revocation lists its members without their ms. */
const MAX_STEPS = 256;
/** Steps in the row, which survive a restart of the issuer. */
const MAX_STORED_STEPS = 16;
const MAX_LEASES = 32;

/** An instance, as its reports leave it. */
export interface Instance extends Omit<InstanceRow, 'leases' | 'steps'> {
  version: string | null;
  transport: string | null;
  suspect: string | null;
  name: string;
  epoch: string;
  seq: number;
  ageMs: DurationMs | null;
  reportedAt: EpochMillis;
  forgotten: boolean;
  leases: InstanceLease[];
  steps: InstanceStep[];
  /** Whether earlier steps have been dropped. */
  isCut: boolean;
}

/** The id of an instance: a hash, which does not reveal the key and differs for each client that reports with the same key. */
export function instanceId(clientId: string, key: string): string {
  return createHash('sha256').update(`${clientId}\n${key}`).digest('base64url').slice(0, 22);
}

export function createInstance(id: string, clientId: string, at: EpochMillis): Instance {
  return {
    ...{ id, clientId, name: '', version: null, transport: null, suspect: null, epoch: '', seq: 0, ageMs: null },
    ...{ reportedAt: at, forgotten: false, leases: [], steps: [], isCut: false },
  };
}

/** @param now times of the row that are later are lowered to it: the wall clock may have been set back while the issuer was stopped */
export function fromRow(row: InstanceRow, now: EpochMillis): Instance {
  const past = (at: EpochMillis) => Math.min(at, now);
  return {
    ...row,
    reportedAt: past(row.reportedAt),
    leases: row.leases.map((lease) => ({
      ...lease,
      from: past(lease.from),
      until: lease.until === null ? null : past(lease.until),
    })),
    steps: row.steps.map((step) => ({ ...step, at: past(step.at) })),
    isCut: true,
  };
}

export function toRow({ isCut: _, steps, ...instance }: Instance): InstanceRow {
  const stored = steps.slice(-MAX_STORED_STEPS).map((step) => ({ ...step, at: Math.round(step.at) }));
  const leases = instance.leases.map(({ from, until, ending }) => ({
    from: Math.round(from),
    until: until === null ? null : Math.round(until),
    ending,
  }));
  return { ...instance, reportedAt: Math.round(instance.reportedAt), leases, steps: stored };
}

export const currentLease = ({ leases }: Instance): InstanceLease | undefined => leases.at(-1);

export const isRunning = (instance: Instance) => currentLease(instance)?.until === null;

export function beginLease(instance: Instance, at: EpochMillis): void {
  instance.leases = [...instance.leases, { from: at, until: null, ending: null }].slice(-MAX_LEASES);
  instance.forgotten = false;
}

export function endLease(instance: Instance, until: EpochMillis, ending: 'left' | 'lost'): void {
  const lease = currentLease(instance);
  if (lease?.until === null) instance.leases = [...instance.leases.slice(0, -1), { ...lease, until, ending }];
}

/** Whether the instance was reporting at a time, by the leases that were known then. */
export function wasRunningAt({ leases }: Instance, at: EpochMillis): boolean {
  return leases.some(({ from, until }) => from <= at && (until === null || until > at));
}

/** Compares two positions: negative if `a` is before `b`. */
export function comparePositions(a: LogPosition, b: LogPosition): number {
  if (a.epoch !== b.epoch) return a.epoch < b.epoch ? -1 : 1;
  return a.seq - b.seq;
}

export const hasReached = (instance: LogPosition, position: LogPosition) => comparePositions(instance, position) >= 0;

/**
 * When an instance reached a place, at the latest: the time at which its report arrived less the time for which it had held its
 * position then. No clock of the instance is compared with one of the issuer.
 * @returns undefined: the time is not kept any more
 */
export function reachedAt({ steps, isCut }: Instance, position: LogPosition): EpochMillis | undefined {
  const index = indexOfReached(steps, position);
  return index === 0 && isCut ? undefined : steps[index]?.at;
}

/** The index of the first of `ascending` that is at `position` or beyond; its length: there is none. */
export function indexOfReached(ascending: readonly LogPosition[], position: LogPosition): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (hasReached(ascending[middle] as LogPosition, position)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Copies the members of a report into the instance, except the position. */
export function describeInstance(instance: Instance, report: InstanceReport, at: EpochMillis): void {
  instance.name = report.instance;
  instance.version = report.version;
  instance.transport = report.transport;
  instance.suspect = report.suspect;
  instance.ageMs = report.ageMs;
  instance.reportedAt = at;
}

/** Moves the position to that of a report which arrived at `at`. Returns whether it has changed. */
export function movePosition(
  instance: Instance,
  { epoch, seq, heldMs, earlier }: Pick<InstanceReport, 'epoch' | 'seq' | 'heldMs' | 'earlier'>,
  at: EpochMillis,
): boolean {
  const before = comparePositions(instance, { epoch, seq });
  if (before === 0) return false;
  // A replaced denylist begins again: positions beyond the new one no longer count as reached.
  if (before > 0) instance.steps = instance.steps.filter((step) => hasReached({ epoch, seq }, step));
  for (const one of [...earlier, { seq, heldMs }]) {
    const last = instance.steps.at(-1);
    const step = { epoch, seq: one.seq, at: Math.max(last?.at ?? 0, at - one.heldMs) };
    if (one.seq <= seq && (last === undefined || comparePositions(last, step) < 0)) instance.steps.push(step);
  }
  const excess = instance.steps.length - MAX_STEPS;
  if (excess > 0) instance.steps.splice(0, excess);
  instance.isCut ||= excess > 0;
  [instance.epoch, instance.seq] = [epoch, seq];
  return true;
}
