import assert from 'node:assert/strict';
import type { EpochMillis } from '@rescind/revocation';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import type { RegisteredClient } from '../../issuer-clients.ts';
import type { InstanceRow } from '../../store/instances.ts';
import type { ClosingEvent, LogIdentity, OutboxRow } from '../../store/log.ts';
import type { Session } from '../../store/sessions.ts';
import type { KeyRow, Store, StoreReads } from '../../store/store.ts';
import type { UserEventRow } from '../../store/user-events.ts';

import { bytes, EPOCH, EXP, ISSUER, LATER_EXP, NEXT_EPOCH, OTHER } from './samples.ts';

/** The rows that the reads return: the samples, and the results of the operations. */
interface Rows {
  readonly meta: {
    readonly clockFloor: EpochMillis;
    readonly issuer: string | null;
    readonly identity: LogIdentity | undefined;
    readonly greatestExp: EpochMillis;
    readonly timeSince: string | null;
  };
  readonly keys: readonly KeyRow[];
  readonly sessions: Readonly<Record<string, Session>>;
  /** By a time: the sids that are live then. The times are those at which the greatest `exp` of a session decides. */
  readonly live: Readonly<Record<EpochMillis, readonly string[]>>;
  readonly spent: readonly string[];
  readonly clients: readonly RegisteredClient[];
  readonly cutoffs: readonly CutOffRow[];
  readonly outbox: readonly OutboxRow[];
  readonly otherIssuers: readonly string[];
  readonly instances: readonly InstanceRow[];
  /** In the order of their seq. */
  readonly userEvents: readonly UserEventRow[];
  readonly userEventHead: number;
}

/** All rows, with those that only the committed log returns. */
export interface Dump extends Rows {
  readonly sentSeq: number;
  readonly closingEvents: Readonly<Record<string, string>>;
  readonly unsent: readonly ClosingEvent[];
}

export const LIVE_BY_EXP = EXP + 59_999;
export const LIVE_BY_LATER_EXP = LATER_EXP + 59_999;
const SIDS = ['s-1', 's-2', 's-3', 's-4', 's-5'];
const DIGESTS = ['digest-1', 'digest-2'];
const CUTOFFS = [
  [ISSUER, 'sid', 's-4'],
  [ISSUER, 'sub', 'ada'],
  [ISSUER, 'sub', 'bob'],
  [OTHER, 'tenant', 'north'],
] as const;
const EPOCHS = ['0000000000-before', EPOCH, NEXT_EPOCH];

export async function rowsOf(reads: StoreReads): Promise<Rows> {
  const { meta, keys, sessions, clients, revocations, outbox, otherIssuers, instances, userEvents } = reads;
  const liveAt = async (at: EpochMillis) => (await sessions.live('iss', ISSUER, at, '', 100)).map(({ sid }) => sid);
  const found: Record<string, Session> = {};
  const spent: string[] = [];
  for (const sid of SIDS) {
    const session = await sessions.find(sid);
    if (session !== undefined) found[sid] = session;
    for (const digest of DIGESTS) if (await sessions.isUsed(sid, bytes(digest))) spent.push(`${sid} ${digest}`);
  }
  const cutoffs: CutOffRow[] = [];
  for (const [iss, claim, value] of CUTOFFS) {
    const row = await revocations.row(iss, claim, value);
    if (row !== undefined) cutoffs.push(row);
  }
  return {
    meta: {
      clockFloor: await meta.clockFloor(),
      issuer: await meta.issuer(),
      identity: await meta.identity(),
      greatestExp: await meta.greatestExp(),
      timeSince: await meta.timeSince(),
    },
    keys: [...(await keys.all('token')), ...(await keys.all('event'))],
    sessions: found,
    live: { [LIVE_BY_EXP]: await liveAt(LIVE_BY_EXP), [LIVE_BY_LATER_EXP]: await liveAt(LIVE_BY_LATER_EXP) },
    spent,
    clients: await clients.all(),
    cutoffs,
    outbox: await outbox.liveAfter(0, 0, 100),
    otherIssuers: await otherIssuers.all(),
    instances: await instances.all(),
    userEvents: await userEvents.following(0, 100),
    userEventHead: await userEvents.head(),
  };
}

/** The committed rows. The log, which is read synchronously, must return the same as the reads. */
export async function dumpOf({ read, log }: Store): Promise<Dump> {
  const rows = await rowsOf(read);
  const { outbox, keys, meta } = rows;
  const signing = keys.find(({ purpose, state }) => purpose === 'event' && state === 'active');
  assert.deepEqual(log.identity(), meta.identity);
  assert.equal(log.timeSince(), meta.timeSince);
  assert.equal(log.greatestExp(), meta.greatestExp);
  assert.equal(log.eventKid(), signing?.kid);
  assert.deepEqual(
    log.read(0, 100),
    outbox.map(({ seq, type, jws }) => ({ seq, type, jws })),
  );
  assert.deepEqual(log.lowest(), await read.outbox.lowest());
  for (const { seq, jti } of outbox) assert.equal(log.idAt(seq), jti);
  const closingEvents = EPOCHS.map((epoch) => [epoch, log.closingEvent(epoch)] as const).filter(
    ([, jws]) => jws !== undefined,
  );
  return {
    ...rows,
    sentSeq: log.sentSeq(EPOCH),
    closingEvents: Object.fromEntries(closingEvents) as Record<string, string>,
    unsent: log.unsentClosingEvents(),
  };
}

/** Compares rows whatever their prototypes. */
export function assertSame(found: object, expected: object, what: string): void {
  assert.deepEqual(plain(found), plain(expected), what);
}

const plain = (rows: object): unknown =>
  JSON.parse(JSON.stringify(rows, (_, value) => (value === undefined ? '(none)' : value)));

/** The rows that the reads of a transaction return; the committed log has more. */
export function toRows({ sentSeq: _, closingEvents: __, unsent: ___, ...rows }: Dump): Rows {
  return rows;
}
