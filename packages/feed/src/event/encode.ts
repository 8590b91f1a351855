import type { Denial, EpochMillis } from '@rescind/revocation';

export interface EventToEncode {
  readonly epoch: string;
  readonly seq: number;
  /** This event's id (`jti`): new for each event, also when a revocation is appended anew. At most 128 characters. */
  readonly id: string;
  /** The id of the event with the seq before it; null for seq 1. */
  readonly prev: string | null;
  /** The revocation's id: the same however often it is appended anew. */
  readonly txn: string;
  /** A stable word such as `logout`: lower case letters, digits and underscores, at most 64. */
  readonly reason: string;
  /** The time of the issuer's clock at which this event is made: `iat` and `iat_ms`. */
  readonly at: EpochMillis;
  /** At least one, at most 1000. The first says whom the event is about (`sub_id`). */
  readonly deny: readonly Denial[];
}

export interface HeartbeatToEncode {
  readonly epoch: string;
  readonly head: number;
  readonly last: string | null;
  readonly floor: number;
  /** Read from the issuer's clock BEFORE head, last and floor were read in one snapshot. */
  readonly at: EpochMillis;
}

/** Makes the signed events of one log: Security Event Tokens (RFC 8417), typ `secevent+jwt`. */
export interface EventEncoder {
  /** @throws TypeError when a member is out of its bounds: nothing unreadable must reach the log. */
  event(event: EventToEncode): string;
  /** @throws TypeError as above */
  heartbeat(heartbeat: HeartbeatToEncode): string;
}

export interface EventEncoderOptions {
  /** The `iss` of the events. */
  readonly log: string;
  /** Signs a payload as it is: `createSigner(key, { typ: 'secevent+jwt' })` of @rescind/token. */
  readonly sign: (payload: object) => string;
}

export function createEventEncoder(_options: EventEncoderOptions): EventEncoder {
  throw new Error('being written');
}
