import type { DurationMs, EpochMillis } from '@rescind/revocation';

/** A time during which an instance reports. It begins with a report after none, and ends by a goodbye or by silence. */
export interface InstanceLease {
  readonly from: EpochMillis;
  /** Null: it has not ended. */
  readonly until: EpochMillis | null;
  readonly ending: 'left' | 'lost' | null;
}

/** When an instance was at a position first, by the issuer's clock. */
export interface InstanceStep {
  readonly epoch: string;
  readonly seq: number;
  readonly at: EpochMillis;
}

/** The row of an instance that reports how far it has applied the log. There is one row for each instance, none for each revocation. */
export interface InstanceRow {
  /** Derived from the client and from a key that only the instance knows. */
  readonly id: string;
  /** The client whose credential the reports carry. */
  readonly clientId: string;
  /** What the instance calls itself, such as `host:pid`; empty: not reported yet. */
  readonly name: string;
  /** The version of its service; null: unknown. */
  readonly version: string | null;
  /** The transport that it reads; null: none. */
  readonly transport: string | null;
  /** Why its view is suspect; null: it is not. */
  readonly suspect: string | null;
  /** The position up to which it has applied the log; an empty epoch: unknown. */
  readonly epoch: string;
  /** The seq of that position. */
  readonly seq: number;
  /** The age of its view at its last report; null: unknown. */
  readonly ageMs: DurationMs | null;
  /** When its last report arrived. */
  readonly reportedAt: EpochMillis;
  /** Oldest first. */
  readonly leases: readonly InstanceLease[];
  /** The newest ones, oldest first. */
  readonly steps: readonly InstanceStep[];
  /** Whether an administrator has removed it from the list. */
  readonly forgotten: boolean;
}

export interface InstanceReads {
  /** By their id. */
  all(): Promise<InstanceRow[]>;
}

/** The instances that have reported, one row each, by id. */
export interface Instances extends InstanceReads {
  /** Inserts the row, or replaces the one with the same id. */
  put(instance: InstanceRow): Promise<void>;
  /** Deletes the row with this id, if there is one. */
  delete(id: string): Promise<void>;
}
