import type { DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import type { MissingMember, Receipt, ReceiptMember, ReceiptQuestion } from '../issuer-instances.ts';
import type { Fleet } from './fleet.ts';
import type { Instance, LogPosition } from './instance.ts';
import { comparePositions, currentLease, hasReached, indexOfReached, reachedAt, wasRunningAt } from './instance.ts';

/** Commits whose time is kept in memory: those of 3 minutes at 20 a second. */
const MAX_COMMITS = 4_096;
/** After this time a receipt that is not complete is counted as incomplete. */
const INCOMPLETE_AFTER_MS: DurationMs = 60_000;
/** A live instance has applied and reported what was committed this long ago. */
const SETTLED_AFTER_MS: DurationMs = 2_000;
/** The most calls that wait for a receipt at once; further calls are answered immediately. */
const MAX_WAITING = 256;

interface Commit extends LogPosition {
  readonly at: EpochMillis;
  /** The member that was missing last, which is looked at first. */
  blockedBy?: Instance | undefined;
}

interface Waiting {
  readonly position: LogPosition;
  readonly missing: Set<Instance>;
  readonly done: () => void;
}

/** The dependencies of `createReceipts`. */
export interface ReceiptsOptions {
  /** The instances. */
  readonly fleet: Pick<Fleet, 'all' | 'stateOf' | 'setSettled' | 'nextMs'>;
  /** By the issuer's clock. It never goes back while the process runs. */
  now(): EpochMillis;
  /** The end of the log. */
  head(): LogPosition;
  /** Receives the metrics of receipts. */
  readonly telemetry: Telemetry;
}

/** How far revocations have reached the fleet. */
export interface Receipts {
  /** Records that the log has a new head. */
  committed(): void;
  /** Records that the position of an instance changed, or that it left or was forgotten. */
  progressed(instance: Instance): void;
  /** Measures complete receipts, and the age of the oldest incomplete one. Call it every second. */
  tick(): void;
  of(question: ReceiptQuestion): Receipt;
  wait(question: ReceiptQuestion, ms: DurationMs, signal?: AbortSignal): Promise<Receipt>;
  /** Resolves all waiting calls. */
  close(): void;
}

/** Whether a member that has not reached a revocation will not report it any more. */
const isGone = (instance: Instance) => instance.forgotten || currentLease(instance)?.ending === 'left';

/** Computes receipts from the positions of instances and the times of commits, in memory. */
export function createReceipts({ fleet, now, head, telemetry }: ReceiptsOptions): Receipts {
  let commits: Commit[] = [];
  let open: Commit[] = [];
  const waiting = new Set<Waiting>();

  const membersAt = (at: EpochMillis) => [...fleet.all()].filter((instance) => wasRunningAt(instance, at));

  /** The first commit of this process that includes a place. */
  function commitOf(position: LogPosition): Commit | undefined {
    const commit = commits[indexOfReached(commits, position)];
    return commit?.epoch === position.epoch ? commit : undefined;
  }

  /** When the event was committed: the log has the time of a commit before the first one of this process. */
  function timeOf({ epoch, seq, appendedAt }: ReceiptQuestion): EpochMillis {
    const [first] = commits;
    const isEarlier = first === undefined || comparePositions({ epoch, seq }, first) < 0;
    const fromLog = Math.min(appendedAt ?? now(), now());
    return isEarlier ? fromLog : (commitOf({ epoch, seq })?.at ?? fromLog);
  }

  function receiptOf(question: ReceiptQuestion): Receipt {
    const at = timeOf(question);
    const members: ReceiptMember[] = [];
    const missing: MissingMember[] = [];
    let left = 0;
    const all = membersAt(at);
    for (const instance of all) {
      const { id, clientId: service, name, epoch, seq } = instance;
      if (hasReached(instance, question)) {
        const reached = reachedAt(instance, question);
        const ms = reached === undefined ? null : Math.round(Math.max(0, reached - at) * 10) / 10;
        members.push({ id, service, instance: name, ms });
      } else if (isGone(instance)) left += 1;
      else missing.push({ id, service, instance: name, state: fleet.stateOf(instance), epoch, seq });
    }
    const times = members.flatMap(({ ms }) => ms ?? []);
    return {
      of: all.length,
      reached: members.length,
      left,
      complete: all.length > 0 && missing.length === 0,
      lastMs: times.length === 0 ? null : Math.max(...times),
      missing,
      members: members.sort((a, b) => (a.ms ?? 0) - (b.ms ?? 0)),
    };
  }

  /** Whether a member that is not gone has not reached a commit yet. */
  function isBlocked(commit: Commit): boolean {
    const blocks = (instance: Instance) => !hasReached(instance, commit) && !isGone(instance);
    if (commit.blockedBy !== undefined && blocks(commit.blockedBy)) return true;
    commit.blockedBy = undefined;
    for (const instance of fleet.all()) {
      if (blocks(instance) && wasRunningAt(instance, commit.at)) {
        commit.blockedBy = instance;
        break;
      }
    }
    return commit.blockedBy !== undefined;
  }

  function measureReceipts(): void {
    const at = now();
    open = open.filter((commit) => {
      if (isBlocked(commit)) {
        if (at - commit.at < INCOMPLETE_AFTER_MS) return true;
        telemetry.count('rescind_receipts_total', { result: 'incomplete' });
        return false;
      }
      const members = membersAt(commit.at);
      if (members.length === 0) return false;
      const reached = members.filter((instance) => hasReached(instance, commit));
      const lastAt = Math.max(0, ...reached.map((instance) => reachedAt(instance, commit) ?? 0));
      telemetry.count('rescind_receipts_total', { result: 'complete' });
      if (lastAt > 0) telemetry.observe('rescind_receipt_seconds', Math.max(0, lastAt - commit.at) / 1_000);
      return false;
    });
  }

  /** Measures the age of the oldest commit that a reporting instance has not applied. */
  function measurePending(): void {
    let oldest: EpochMillis = now();
    for (const instance of fleet.all()) {
      if (hasReached(instance, head())) continue;
      const state = fleet.stateOf(instance);
      if (state !== 'live' && state !== 'behind') continue;
      // Past the commit of its own position, if that was one.
      const { epoch, seq } = instance;
      const next = commits[indexOfReached(commits, { epoch, seq: seq + 1 })];
      if (next !== undefined) oldest = Math.min(oldest, next.at);
    }
    telemetry.gauge('rescind_receipt_pending_seconds', (now() - oldest) / 1_000);
  }

  return {
    of: receiptOf,
    committed() {
      const position = head();
      const last = commits.at(-1);
      if (last !== undefined && comparePositions(last, position) >= 0) return;
      const commit: Commit = { epoch: position.epoch, seq: position.seq, at: now() };
      commits.push(commit);
      open.push(commit);
      if (commits.length > 2 * MAX_COMMITS) commits = commits.slice(-MAX_COMMITS);
      if (open.length > MAX_COMMITS) open = open.slice(-MAX_COMMITS);
    },
    progressed(instance) {
      for (const { position, missing, done } of waiting) {
        if (!missing.has(instance) || !(hasReached(instance, position) || isGone(instance))) continue;
        missing.delete(instance);
        if (missing.size === 0) done();
      }
    },
    tick() {
      const until = now() - Math.max(SETTLED_AFTER_MS, 2 * fleet.nextMs());
      const settled = commits.findLast(({ at }) => at <= until);
      if (settled !== undefined) fleet.setSettled(settled);
      measureReceipts();
      measurePending();
    },
    async wait(question, ms, signal) {
      const { epoch, seq } = question;
      const position = { epoch, seq };
      const isMissing = (instance: Instance) => !hasReached(instance, position) && !isGone(instance);
      const missing = new Set(membersAt(timeOf(question)).filter(isMissing));
      if (missing.size === 0 || ms <= 0 || signal?.aborted === true) return receiptOf(question);
      if (waiting.size >= MAX_WAITING) {
        telemetry.count('rescind_receipts_total', { result: 'not_waited' });
        return receiptOf(question);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      const one: Waiting = { position, missing, done: resolve };
      waiting.add(one);
      const timer = setTimeout(resolve, ms).unref();
      const abort = () => resolve();
      signal?.addEventListener('abort', abort);
      await promise;
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      waiting.delete(one);
      return receiptOf(question);
    },
    close() {
      for (const { done } of waiting) done();
    },
  };
}
