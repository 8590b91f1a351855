import type { FollowerCore, FollowerState, TransportRole } from '@rescind/feed/core';
import { createFollowerCore } from '@rescind/feed/core';
import type { DecodedRecord } from '@rescind/feed/event';
import type { MemoryCursor } from '@rescind/feed/testing';
import { createMemoryLog, memoryTransport } from '@rescind/feed/testing';
import type { LogChange, LogState } from '@rescind/revocation/log-state';
import { HTTP } from '../../support/transports.ts';
import type { Connection } from './http.ts';
import type { Claim, Registry, Rows, SimRecord, Token } from './truth.ts';
import { copyRows, ISSUER, putRow, Violation } from './truth.ts';

/** The store of a follower: one transaction writes all of it to the disk. */
export interface Store {
  state: LogState | undefined;
  rows: Rows;
  quarantine: Map<string, { readonly epoch: string; readonly seq: number; readonly jws: string }>;
  /** The kids of the last set that was fetched. */
  keys: readonly string[] | null;
  /** The promise of `wholeAt`. Known to the simulation only, not to the follower. */
  claim: Claim | null;
  /** By how much the reported age may be too low because of the clocks that the follower had. */
  slackMs: number;
  /** Event keys whose self-revocation the follower has received. Known to the simulation only. */
  revoked: Set<string>;
  /** The age and the clocks at the last commit. Known to the simulation only. */
  saved: SavedAge | null;
}

/** The age at a commit, and the clocks at that time. */
interface SavedAge {
  readonly ageMs: number;
  readonly at: number;
  readonly aheadMs: number;
  /** How far the wall clock was ahead at the last step. A change of more than a second since is committed. */
  seenAheadMs: number;
  readonly bootId: string;
}

const emptyStore = (): Store => ({
  state: undefined,
  rows: new Map(),
  quarantine: new Map(),
  keys: null,
  claim: null,
  slackMs: 0,
  revoked: new Set(),
  saved: null,
});

export function copyStore(store: Store): Store {
  return {
    ...store,
    revoked: new Set(store.revoked),
    saved: store.saved && { ...store.saved },
    rows: copyRows(store.rows),
    quarantine: new Map(store.quarantine),
  };
}

/** A transport's connection, from the follower's side. */
export interface Client {
  phase: 'closed' | 'idle' | 'asked' | 'open';
  /** The time of the next attempt. */
  retryAt: number;
  asked: { readonly epoch: string; readonly seq: number; readonly hint: string | null } | null;
  /** The position in the topic, of a client that reads it. */
  cursor: MemoryCursor | null;
  /** The connection, of an HTTP client. */
  connection: Connection | null;
  standby: boolean;
  /** Of a mutant: the standby stream that should have been closed. */
  beside: Connection | null;
  said: number;
}

const newClient = (): Client => ({
  phase: 'closed',
  retryAt: 0,
  asked: null,
  cursor: null,
  connection: null,
  standby: false,
  beside: null,
  said: 0,
});

interface Process {
  state: FollowerState;
  readonly transports: Record<TransportRole, Client>;
  /** The fetch of the key set that is under way, and whether another one is requested. */
  fetching: { readonly begunAt: number; readonly due: number; readonly isAsked: boolean } | null;
  wantsKeys: boolean;
  readonly bornAt: number;
  /** For how long its machine has been suspended since: its monotonic clock stood still. */
  suspendedMs: number;
  /** The content of the topic at its first opening. */
  heldAtOpen: readonly string[] | null;
  /** The rows of all it has verified. */
  readonly verified: Rows;
  hasCommitted: boolean;
  /** The transports that have brought a live heartbeat of the epoch followed, as one that is read and not a standby stream. */
  readonly liveBy: Set<TransportRole>;
  /** When the fallback transport was last read because the position stayed behind, and how often in a row. */
  behind: { at: number; times: number } | null;
}

export type Setup = 'topic+http' | 'http' | 'topic';

/** The transport of the topic. */
export const TOPIC = memoryTransport({ log: createMemoryLog() });

const FEEDS = {
  'topic+http': { primary: TOPIC, fallback: HTTP },
  topic: { primary: TOPIC },
  http: { primary: HTTP },
};

export interface Follower {
  readonly name: string;
  readonly setup: Setup;
  readonly core: FollowerCore;
  /** The state in memory, which starts as the content of the disk. */
  store: Store;
  /** The content of the disk while changes are pending; null: all of `store`. */
  disk: Store | null;
  /** How many rows are pending. */
  owedRows: number;
  /** Whether the disk is full. */
  isDiskFull: boolean;
  kept: Store | null;
  process: Process | null;
  restartAt: number;
  /** How far its wall clock is ahead of real time. */
  aheadMs: number;
  /** The boot of the machine: its id, and its real time. */
  boot: { readonly id: string; readonly at: number };
  /** The machine is suspended until then. */
  suspendedUntil: number;
  /** The real time of its last turn. */
  seenAt: number;
  /** Whether it understands the events of a future version. */
  upgraded: boolean;
  /** Fetches of the key set fail until then. */
  deafUntil: number;
  /** The tokens denied since its file was last exchanged. */
  denied: Set<Token>;
}

export function newFollower(name: string, setup: Setup, wrap: (core: FollowerCore) => FollowerCore): Follower {
  const core = createFollowerCore({ log: ISSUER, feed: FEEDS[setup] });
  return {
    name,
    setup,
    core: wrap(withTicksChecked(core)),
    store: emptyStore(),
    disk: null,
    owedRows: 0,
    isDiskFull: false,
    kept: null,
    process: null,
    restartAt: 0,
    aheadMs: 0,
    boot: { id: `${name} 0`, at: 0 },
    suspendedUntil: 0,
    seenAt: 0,
    upgraded: false,
    deafUntil: 0,
    denied: new Set(),
  };
}

/** The core, which checks that a tick that may be omitted has no effect and leaves the state as it is. */
function withTicksChecked(core: FollowerCore): FollowerCore {
  return {
    ...core,
    step(before, input) {
      const step = core.step(before, input);
      if (input.kind !== 'tick' || !core.isQuiet(before, input.at)) return step;
      const [effect] = step.effects;
      if (effect !== undefined) throw new Violation(`a quiet tick has the effect ${effect.kind}`);
      for (const [member, value] of Object.entries(before))
        if (!Object.is(value, step.state[member as keyof FollowerState]))
          throw new Violation(`a quiet tick changes ${member}`);
      return step;
    },
  };
}

export const newClients = (): Record<TransportRole, Client> => ({ primary: newClient(), fallback: newClient() });

/** Whether a client reads the topic, not the issuer's server. */
export function readsTopic({ setup }: Follower, transport: TransportRole): boolean {
  return setup !== 'http' && transport === 'primary';
}

/** Applies a commit to the disk, all of it. */
export function applyChange(store: Store, change: LogChange): void {
  store.state = change.state;
  for (const cutoff of change.cutoffs) putRow(store.rows, cutoff);
  for (const { epoch, seq, jws } of change.quarantine ?? [])
    store.quarantine.set(`${epoch}:${seq}`, { epoch, seq, jws });
  for (const { epoch, seq } of change.release ?? []) store.quarantine.delete(`${epoch}:${seq}`);
}

interface Raw {
  readonly jws: string;
  readonly live: boolean;
  readonly hint: string | null;
}

/** Decodes as the decoder does: of the heartbeats of a key in a batch only the first, the last and the newest are verified. */
export function decodeBatch(
  batch: readonly Raw[],
  registry: Registry,
  { upgraded, isKeyUnknown }: { readonly upgraded: boolean; isKeyUnknown(kid: string): boolean },
): DecodedRecord[] {
  const chosen = chooseHeartbeats(batch.map(({ jws }) => registry.find(jws)));
  return batch.map((raw, i): DecodedRecord => {
    const record = registry.find(raw.jws);
    if (record === undefined) return { kind: 'bad', ...raw, reason: 'malformed' };
    if (isKeyUnknown(record.kid)) {
      const { kid, epoch } = record;
      return { kind: 'bad', ...raw, reason: 'key_unknown', claimed: { kid, epoch } };
    }
    if (record.kind === 'heartbeat') {
      return chosen.has(i) ? { ...raw, ...record } : { kind: 'skipped', ...raw };
    }
    const { future, ...event } = record;
    if (future && !upgraded) return { ...raw, ...event, kind: 'not-understood', reason: 'version' };
    return { ...raw, ...event, reason: 'simulated', type: 'simulated', skipped: 0, clamped: 0 };
  });
}

function chooseHeartbeats(records: readonly (SimRecord | undefined)[]): Set<number> {
  const byKey = new Map<string, { readonly index: number; readonly at: number }[]>();
  records.forEach((record, index) => {
    if (record?.kind !== 'heartbeat') return;
    byKey.set(record.kid, [...(byKey.get(record.kid) ?? []), { index, at: record.at }]);
  });
  const chosen = new Set<number>();
  for (const beats of byKey.values()) {
    const newest = beats.toSorted((a, b) => b.at - a.at)[0];
    for (const beat of [beats[0], beats.at(-1), newest]) if (beat !== undefined) chosen.add(beat.index);
  }
  return chosen;
}
