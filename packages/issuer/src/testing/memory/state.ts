import type { EpochMillis } from '@rescind/revocation';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import type { RegisteredClient } from '../../issuer-clients.ts';
import type { InstanceRow } from '../../store/instances.ts';
import type { ClosingEvent, OutboxRow } from '../../store/log.ts';
import type { Session } from '../../store/sessions.ts';
import type { KeyRow } from '../../store/store.ts';
import type { UserEventRow } from '../../store/user-events.ts';

/** A session, and the greatest `exp` of the tokens minted for it. */
export interface SessionRow extends Session {
  readonly greatestExp: EpochMillis;
}

export interface MetaRow {
  readonly issuer: string | null;
  readonly epoch: string | null;
  readonly head: number;
  readonly last: string | null;
  readonly floor: number;
  readonly clockFloor: EpochMillis;
  readonly greatestExp: EpochMillis;
  readonly timeSince: string | null;
  readonly sentEpoch: string;
  readonly sentSeq: number;
}

/** Everything the store keeps. Rows are replaced and never changed, so a copy of the maps is a copy of the state. */
export interface State {
  meta: MetaRow;
  readonly keys: Map<string, KeyRow>;
  readonly sessions: Map<string, SessionRow>;
  /** By `keyOf(sid, digest)`: the sid. */
  readonly usedDigests: Map<string, string>;
  readonly clients: Map<string, RegisteredClient>;
  /** By `keyOf(clientId, digest)`: until when it is remembered. */
  readonly assertions: Map<string, EpochMillis>;
  /** By `keyOf(iss, claim, value)`. */
  readonly cutoffs: Map<string, CutOffRow>;
  /** By `keyOf(epoch, seq)`. */
  readonly outbox: Map<string, OutboxRow>;
  readonly closingEvents: Map<string, ClosingEvent & { readonly isSent: boolean }>;
  readonly otherIssuers: Set<string>;
  readonly instances: Map<string, InstanceRow>;
  /** By seq. */
  readonly userEvents: Map<number, UserEventRow>;
  /** The greatest seq of a user event that was given. */
  userEventHead: number;
  readonly hostRows: Map<string, unknown>;
}

export function createState(): State {
  return {
    meta: {
      issuer: null,
      epoch: null,
      head: 0,
      last: null,
      floor: 1,
      clockFloor: 0,
      greatestExp: 0,
      timeSince: null,
      sentEpoch: '',
      sentSeq: 0,
    },
    keys: new Map(),
    sessions: new Map(),
    usedDigests: new Map(),
    clients: new Map(),
    assertions: new Map(),
    cutoffs: new Map(),
    outbox: new Map(),
    closingEvents: new Map(),
    otherIssuers: new Set(),
    instances: new Map(),
    userEvents: new Map(),
    userEventHead: 0,
    hostRows: new Map(),
  };
}

export function copyState(state: State): State {
  return {
    meta: state.meta,
    keys: new Map(state.keys),
    sessions: new Map(state.sessions),
    usedDigests: new Map(state.usedDigests),
    clients: new Map(state.clients),
    assertions: new Map(state.assertions),
    cutoffs: new Map(state.cutoffs),
    outbox: new Map(state.outbox),
    closingEvents: new Map(state.closingEvents),
    otherIssuers: new Set(state.otherIssuers),
    instances: new Map(state.instances),
    userEvents: new Map(state.userEvents),
    userEventHead: state.userEventHead,
    hostRows: new Map(state.hostRows),
  };
}

/** The state that the tables of a transaction, or of reads, use. */
export interface Access {
  /** The state to read. */
  state(): State;
  /** The state to write: called once for each row that is written. */
  draft(): State;
}

export function keyOf(...parts: readonly (string | number | Buffer)[]): string {
  return JSON.stringify(parts.map((part) => (Buffer.isBuffer(part) ? part.toString('hex') : part)));
}

export const ascending = (a: string, b: string) => (a < b ? -1 : Number(a > b));
