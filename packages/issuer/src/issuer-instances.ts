import type { DurationMs, EpochMillis } from '@rescind/revocation';

/**
 * The state of an instance, by one rule for every page, metric and answer. `live`: it reports, and has applied what was committed
 * 2 s ago. `behind`: it reports, and has not. `lost`: no report for 15 s. `left`: it said goodbye. `unknown`: the issuer has just started
 * or stood still, or more than half of the instances of the service fell silent within 30 s, so that the cause may be the network.
 */
export type InstanceState = 'live' | 'behind' | 'lost' | 'left' | 'unknown';

/** An instance that reports how far it has applied the log. All times are by the issuer's clock. */
export interface InstanceView {
  readonly id: string;
  /** The client whose credential its reports carry. */
  readonly service: string;
  /** Its own name, such as `host:pid`. */
  readonly instance: string;
  readonly version: string | null;
  readonly transport: string | null;
  readonly state: InstanceState;
  readonly epoch: string;
  readonly seq: number;
  /** Events of the log beyond its position. Null: it is in another epoch. */
  readonly lag: number | null;
  /** The age of its view, now. Null: unknown. */
  readonly ageMs: DurationMs | null;
  readonly suspect: string | null;
  /** Since when it has been reporting, or was before it ended. */
  readonly since: EpochMillis;
  readonly reportedAt: EpochMillis;
  /** When it left, or was found lost. */
  readonly endedAt: EpochMillis | null;
}

/** A member of the fleet at the commit of a revocation. */
export interface ReceiptMember extends Pick<InstanceView, 'id' | 'service' | 'instance'> {
  /** From the commit until it denied, at most, by the issuer's clock alone. Null: it did, and the time is not kept any more. */
  readonly ms: DurationMs | null;
}

/** A member that is not known to have applied a revocation. */
export interface MissingMember extends Pick<InstanceView, 'id' | 'service' | 'instance' | 'state' | 'epoch' | 'seq'> {}

/** How far a revocation has reached the instances that reported when it was committed. */
export interface Receipt {
  /** M: how many instances reported at the commit. Never changes after it. */
  readonly of: number;
  /** N: how many of them enforce it, durably. */
  readonly reached: number;
  /** How many left, or were forgotten, before they did. */
  readonly left: number;
  /** Whether none is missing, and there was one at all. */
  readonly complete: boolean;
  /** From the commit until the last of `reached` denied, in ms. Null: no instance has, or the time is not kept any more. */
  readonly lastMs: DurationMs | null;
  readonly missing: readonly MissingMember[];
  readonly members: readonly ReceiptMember[];
}

/** A revocation, as its position in the log. */
export interface ReceiptQuestion {
  readonly epoch: string;
  readonly seq: number;
  /** When it was appended, where the issuer has been started since. */
  readonly appendedAt?: EpochMillis | undefined;
}

/** The instances that apply the log, by their reports. Only reads; no decision waits for it. */
export interface IssuerInstances {
  /** Every instance that reports, and those that ended in the last hour; by service and name. */
  list(): readonly InstanceView[];
  receipt(question: ReceiptQuestion): Receipt;
  /** Resolves when the receipt is complete, or after `ms`, or when `signal` aborts; in each case with the receipt of then. Never rejects. */
  wait(question: ReceiptQuestion, ms: DurationMs, signal?: AbortSignal): Promise<Receipt>;
  /**
   * Removes an instance that is lost or left from the list; no receipt waits for it any more.
   * @returns false: it still reports
   * @throws RescindError `not_found`
   */
  forget(id: string): boolean;
}
