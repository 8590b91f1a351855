import type {
  FollowerCoreOptions,
  FollowerEffect,
  FollowerInput,
  FollowerState,
  InputTime,
  QuarantinedAgain,
  TransportRole,
} from '@rescind/feed/core';
import { createFollowerCore } from '@rescind/feed/core';
import type { DecodedRecord } from '@rescind/feed/event';
import type { View } from '@rescind/feed/follower';
import type { Boot } from '@rescind/revocation';
import type { CutOff } from '@rescind/revocation/cut-off';
import { NO_SESSION, UNBOUNDED } from '@rescind/revocation/cut-off';
import type { LogState } from '@rescind/revocation/log-state';
import { WITHOUT_STANDBY } from '../../support/transports.ts';

const LOG = 'https://users.example';
export const EPOCH = '0001-a';
/** The key of the epoch that a follower of these tests is in from the start. */
export const KID = 'key-1';
export const START = 1_800_000_000_000;

export interface Delivery {
  readonly live?: boolean;
  readonly hint?: string;
  readonly epoch?: string;
  readonly kid?: string;
}

const delivered = ({ live = true, hint, epoch = EPOCH, kid = KID }: Delivery) => ({
  live,
  hint: hint ?? null,
  epoch,
  kid,
});

function cutOff(seq: number): CutOff {
  const times = { issuedUntil: UNBOUNDED, expiresAt: START + 900_000, sessionUntil: NO_SESSION };
  return { iss: LOG, claim: 'sid', value: `s${seq}`, ...times };
}

/** The event with this seq; its id is `e<seq>` unless it is of another `branch`. */
export function event(
  seq: number,
  options: Delivery & { branch?: string; prev?: string | null; kills?: string[] } = {},
): DecodedRecord {
  const { branch = '' } = options;
  const id = `e${seq}${branch}`;
  const prev = options.prev === undefined ? (seq === 1 ? null : `e${seq - 1}${branch}`) : options.prev;
  const body = { txn: `t${seq}`, reason: 'logout', type: 'x', skipped: 0, clamped: 0, kills: options.kills ?? [] };
  const { epoch, kid, ...transport } = delivered(options);
  return {
    kind: 'event',
    jws: `event ${id}`,
    ...transport,
    epoch,
    kid,
    seq,
    id,
    prev,
    at: START,
    ...body,
    cutOffs: [cutOff(seq)],
  };
}

export function notUnderstood(seq: number): DecodedRecord {
  const place = { epoch: EPOCH, seq, id: `e${seq}`, prev: seq === 1 ? null : `e${seq - 1}`, at: START };
  return {
    kind: 'not-understood',
    jws: `event e${seq}`,
    live: true,
    hint: null,
    kid: KID,
    ...place,
    reason: 'version',
  };
}

/** A heartbeat made `after` ms, by an issuer whose clock leads its wall clock by `leadMs`. */
export function beat(
  head: number,
  after: number,
  options: Delivery & { branch?: string; floor?: number; leadMs?: number; timeSince?: string } = {},
): DecodedRecord {
  const { branch = '', floor: lowWatermark = 1, leadMs = 0, timeSince = null } = options;
  const headId = head === 0 ? null : `e${head}${branch}`;
  return {
    kind: 'heartbeat',
    jws: `beat ${head}${branch}`,
    ...delivered(options),
    head,
    headId,
    lowWatermark,
    at: START + after + leadMs,
    wall: START + after,
    timeSince,
  };
}

export interface Bench {
  readonly state: FollowerState;
  readonly logState: LogState;
  /** Of the last input. */
  readonly effects: readonly FollowerEffect[];
  /** Every row committed, as `epoch:seq`. */
  readonly rows: Set<string>;
  view(): View;
  /** Whether a tick now may be omitted. */
  isQuiet(): boolean;
  /** Lets time pass, with a tick each 100 ms. @returns the effects of all ticks */
  pass(ms: number): FollowerEffect[];
  /** Lets time pass without a tick. */
  elapse(ms: number): void;
  /** Sets the wall clock. */
  setWallBack(ms: number): void;
  /** Suspends the machine: its monotonic clock stops. */
  suspend(ms: number): void;
  open(transport?: TransportRole): void;
  /** The issuer answers the requested fetch, with these kids and its present epoch. */
  fetched(kids: readonly string[], epoch?: string | null, epochKid?: string | null): readonly FollowerEffect[];
  take(transport: TransportRole, ...records: DecodedRecord[]): readonly FollowerEffect[];
  happens(input: Happening): readonly FollowerEffect[];
}

type Unstamped<Input> = Input extends { readonly at: InputTime } ? Omit<Input, 'at'> : never;
type Happening = Unstamped<FollowerInput>;

/** Nothing has been read yet, but the epoch is known. */
function inEpoch(): LogState {
  const times = { logTime: 0, wholeAt: 0, savedAt: 0 };
  const position = { seq: 0, id: null, head: 0, floor: 0 };
  return { log: LOG, epoch: EPOCH, epochKid: KID, ...position, ...times, suspect: null, proof: null, hint: null };
}

/** A follower's core with a clock that the test moves. */
export function createBench(
  options: Partial<FollowerCoreOptions> & {
    logState?: LogState;
    quarantined?: QuarantinedAgain[];
    wallMs?: number;
    boot?: Boot;
  } = {},
): Bench {
  const { logState = inEpoch(), quarantined = [], wallMs = START, boot, ...rest } = options;
  const core = createFollowerCore({ log: LOG, feed: WITHOUT_STANDBY, ...rest });
  let wall = wallMs;
  let monotonic = 0;
  let suspendedMs = 0;
  const uptime = () => boot && { id: boot.id, uptimeMs: boot.uptimeMs + monotonic + suspendedMs };
  const at = (): InputTime => ({ wall, monotonic, boot: uptime(), random: 0 });
  const rows = new Set<string>();
  let { state, effects } = core.start(logState, quarantined, at());

  const note = (done: readonly FollowerEffect[]) => {
    for (const effect of done) {
      if (effect.kind !== 'commit') continue;
      for (const { epoch, seq } of effect.change.cutoffs) rows.add(`${epoch}:${seq}`);
    }
  };
  note(effects);
  const happens = (input: Happening) => {
    ({ state, effects } = core.step(state, { ...input, at: at() } as FollowerInput));
    note(effects);
    return effects;
  };
  return {
    get state() {
      return state;
    },
    get logState() {
      return state.logState;
    },
    get effects() {
      return effects;
    },
    rows,
    view: () => core.view(state, at()),
    isQuiet: () => core.isQuiet(state, at()),
    pass(ms) {
      const all: FollowerEffect[] = [];
      for (let passed = 0; passed < ms; passed += 100) {
        wall += 100;
        monotonic += 100;
        all.push(...happens({ kind: 'tick' }));
      }
      return all;
    },
    elapse(ms) {
      wall += ms;
      monotonic += ms;
    },
    setWallBack(ms) {
      wall -= ms;
    },
    suspend(ms) {
      wall += ms;
      suspendedMs += ms;
    },
    open(transport = 'primary') {
      happens({ kind: 'startRequested', transport });
      happens({ kind: 'opened', transport });
    },
    fetched: (kids, epoch = EPOCH, epochKid = kids.at(-1) ?? null) =>
      happens({ kind: 'keys', set: { kids, epoch, epochKid, begunAt: monotonic } }),
    take: (transport, ...records) => happens({ kind: 'records', transport, records }),
    happens,
  };
}

export const kinds = (effects: readonly FollowerEffect[]) =>
  effects.flatMap((effect) => {
    if (effect.kind === 'open' || effect.kind === 'close' || effect.kind === 'restart') {
      return [`${effect.kind} ${effect.transport}${effect.kind === 'open' && effect.standby ? ' standby' : ''}`];
    }
    return effect.kind === 'submitEvidence' || effect.kind === 'ready' || effect.kind === 'fetchKeys'
      ? [effect.kind]
      : [];
  });
