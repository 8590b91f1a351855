import assert from 'node:assert/strict';
import { UNBOUNDED } from '@rescind/revocation/cut-off';
import type { SessionListQuery } from '../../store/sessions.ts';
import type { Store, StoreReads } from '../../store/store.ts';
import type { UserEventFilter, UserEventPosition } from '../../store/user-events.ts';
import { assertSame } from './dump.ts';
import { ABSOLUTE, cutoff, EPOCH, EXP, event, IDLE, ISSUER, NEXT_EPOCH, OTHER, START, USER_EVENTS } from './samples.ts';
import type { TestedStore } from './tested-store.ts';
import { openFilled } from './tested-store.ts';

type Check = (reads: StoreReads, store: Store) => Promise<void>;

/** Checks of the reads with the samples, through a transaction and through `read` alike. */
const CHECKS: Readonly<Record<string, Check>> = {
  async 'sessions are found by sid and selector, and none by what is not there'({ sessions }) {
    assert.equal((await sessions.find('s-2'))?.clientId, 'app');
    assert.equal((await sessions.findBySelector('selector-3'))?.sid, 's-3');
    assert.equal(await sessions.find('s-9'), undefined);
    assert.equal(await sessions.findBySelector('selector-9'), undefined);
    assert.equal(await sessions.findByFormerSelector('selector-9'), undefined);
    assert.equal(await sessions.subjectOfNewest('jti-3'), 'bob');
    assert.equal(await sessions.subjectOfNewest('jti-9'), undefined);
  },

  async 'live sessions are those within their deadlines, or whose tokens may be accepted'({ sessions }) {
    for (const at of [IDLE - 1, IDLE, ABSOLUTE, EXP + 59_999]) {
      assert.deepEqual(await sessions.liveSids('ada', null, at), ['s-1', 's-2']);
      assert.deepEqual(await sessions.liveSids('ada', 's-1', at), ['s-2']);
      assert.deepEqual(await sessions.count('iss', ISSUER, at), { sessions: 3, subjects: 2 });
    }
    assert.deepEqual(await sessions.liveSids('ada', null, EXP + 60_000), []);
    assert.deepEqual(await sessions.count('sub', 'ada', EXP + 60_000), { sessions: 0, subjects: 0 });
    const live = async (after: string, limit: number) =>
      (await sessions.live('client_id', 'web', START, after, limit)).map(({ sid }) => sid);
    assert.deepEqual(await live('', 10), ['s-1', 's-3']);
    assert.deepEqual(await live('', 1), ['s-1']);
    assert.deepEqual(await live('s-1', 10), ['s-3']);
    assert.deepEqual(await sessions.listSids('client_id', 'web', 10), ['s-1', 's-3', 's-4']);
    assert.deepEqual(await sessions.listSids('iss', ISSUER, 2), ['s-1', 's-2']);
  },

  async 'sessions are listed newest first, page by page'({ sessions }) {
    const query = { sub: undefined, clientId: undefined, ended: true, after: undefined, limit: 10, at: START };
    const list = async (more: Partial<SessionListQuery>) =>
      (await sessions.list({ ...query, ...more })).map(({ sid }) => sid);
    assert.deepEqual(await list({}), ['s-4', 's-3', 's-2', 's-1']);
    assert.deepEqual(await list({ ended: false }), ['s-3', 's-2', 's-1']);
    assert.deepEqual(await list({ ended: false, at: IDLE }), []);
    assert.deepEqual(await list({ sub: 'ada' }), ['s-2', 's-1']);
    assert.deepEqual(await list({ clientId: 'web' }), ['s-4', 's-3', 's-1']);
    assert.deepEqual(await list({ sub: 'ada', clientId: 'web' }), ['s-1']);
    assert.deepEqual(await list({ limit: 2 }), ['s-4', 's-3']);
    assert.deepEqual(await list({ after: { createdAt: START + 3, sid: 's-3' } }), ['s-2', 's-1']);
    assert.deepEqual(await list({ after: { createdAt: START + 3, sid: 's-9' } }), ['s-3', 's-2', 's-1']);
  },

  async 'sessions that timed out are found before they are forgotten'({ sessions }) {
    const lapsed = async (after: string, rows: number, before: number) =>
      (await sessions.lapsed(after, rows, before)).map(({ sid }) => sid);
    assert.deepEqual(await lapsed('', 10, EXP + 1), ['s-1', 's-2', 's-3']);
    assert.deepEqual(await lapsed('', 10, EXP), []);
    assert.deepEqual(await lapsed('s-1', 1, EXP + 1), ['s-2']);
    assert.deepEqual(await lapsed('s-4', 10, EXP + 1), []);
  },

  async 'user events are listed latest first, page by page, with those of everybody'({ userEvents }) {
    const list = async (filter: UserEventFilter, after?: UserEventPosition, limit = 10) =>
      (await userEvents.list(filter, after, limit)).map(({ seq }) => seq);
    assert.deepEqual(await list({}), [5, 4, 3, 1, 2]);
    assert.deepEqual(await list({}, undefined, 2), [5, 4]);
    assert.deepEqual(await list({}, { at: START + 2, seq: 3 }), [1, 2]);
    assert.deepEqual(await list({}, { at: START + 2, seq: 1 }), [2]);
    assert.deepEqual(await list({ sub: 'ada' }), [5, 3, 1]);
    assert.deepEqual(await list({ sub: 'ada' }, { at: START + 4, seq: 5 }, 1), [3]);
    assert.deepEqual(await list({ sid: 's-3' }), [5, 2]);
    assert.deepEqual(await list({ sid: 's-3', sub: 'ada' }), [5]);
    assert.deepEqual(await list({ type: 'login' }), [1, 2]);
    assert.deepEqual(await list({ sub: 'ada', type: 'session_ended' }), [3]);
    assert.deepEqual(await list({ since: START + 2, until: START + 4 }), [4, 3, 1]);
    assert.deepEqual(await list({ sub: 'nobody' }), [5]);
    const [, , ended] = await userEvents.following(0, 10);
    assertSame(ended ?? {}, { ...USER_EVENTS[2], seq: 3 }, 'an event as it was stored');
  },

  async 'user events follow each other in the order of their seq'({ userEvents }) {
    const following = async (after: number, limit: number) =>
      (await userEvents.following(after, limit)).map(({ seq }) => seq);
    assert.deepEqual(await following(0, 2), [1, 2]);
    assert.deepEqual(await following(3, 10), [4, 5]);
    assert.deepEqual(await following(5, 10), []);
    assert.equal(await userEvents.head(), 5);
    assert.equal(await userEvents.lastBefore('login', START + 9), 1);
    assert.equal(await userEvents.lastBefore('login', START + 2), 2);
    assert.equal(await userEvents.lastBefore('login', START + 1), undefined);
    assert.equal(await userEvents.lastBefore('login_refused', START + 9), 4);
    assert.equal(await userEvents.oldestAt(), START + 1);
  },

  async 'the outbox has the events of the present epoch, in order'({ outbox }) {
    const seqs = (rows: readonly { readonly seq: number }[]) => rows.map(({ seq }) => seq);
    const bottom = event(1, 'txn-a', { expiresAt: START + 1_000 });
    assertSame((await outbox.lowest()) ?? {}, bottom, 'the bottom');
    assert.deepEqual(seqs(await outbox.liveAfter(START, 0, 10)), [1, 2, 3, 4]);
    assert.deepEqual(seqs(await outbox.liveAfter(START + 1_000, 0, 10)), [2, 3, 4]);
    assert.deepEqual(seqs(await outbox.liveAfter(START + 1_000, 2, 10)), [3, 4]);
    assert.deepEqual(seqs(await outbox.liveAfter(START, 0, 2)), [1, 2]);
    assert.equal(await outbox.lowestLive(START + 999), 1);
    assert.equal(await outbox.lowestLive(START + 1_000), 2);
    assert.equal(await outbox.lowestLive(EXP), undefined);
    assert.deepEqual(seqs(await outbox.ofTxn('txn-b')), [2, 3]);
    assert.deepEqual(await outbox.ofTxn('txn-9'), []);
    assertSame(await outbox.txnsBefore(100, 10), TXNS, 'revocations, downwards');
    assertSame(await outbox.txnsBefore(4, 1), TXNS.slice(1, 2), 'one page of them');
  },

  async 'cut-offs are found by what a token has'({ revocations }) {
    const values = (claim: string) => ({ sid: ['s-4'], sub: ['bob', 'ada'] })[claim] ?? [];
    const { names, rows } = await revocations.about(ISSUER, values);
    assert.deepEqual([...names].sort(), ['sid', 'sub']);
    assert.deepEqual(rows.map(({ value }) => value).sort(), ['ada', 's-4']);
    assert.deepEqual(await revocations.about('https://nobody.example', values), { names: [], rows: [] });
    assertSame((await revocations.row(ISSUER, 'sid', 's-4')) ?? {}, cutoff('sid', 's-4'), 'a row');
    assert.equal(await revocations.row(OTHER, 'sid', 's-4'), undefined);
  },

  async 'keys and clients are found by their names'({ keys, clients }) {
    assert.equal(await keys.active('event'), 'event-active');
    assert.equal((await keys.next('token'))?.kid, 'token-next');
    assert.equal((await keys.find('token-former'))?.retiresAt, EXP);
    assert.equal(await keys.find('nobody'), undefined);
    const kids = (await keys.all('token')).map(({ kid }) => kid);
    assert.deepEqual(kids, ['token-active', 'token-next', 'token-former']);
    assert.equal((await clients.find('app'))?.name, 'app');
    assert.equal(await clients.find('nobody'), undefined);
  },
};

const TXNS = [
  { seq: 4, txn: 'txn-c' },
  { seq: 3, txn: 'txn-b' },
  { seq: 1, txn: 'txn-a' },
];

/** The results of every read of a store without rows. */
async function readEmpty(tested: TestedStore): Promise<void> {
  const { read, log } = await tested.open();
  assert.equal(await read.meta.issuer(), null);
  assert.equal(await read.meta.identity(), undefined);
  assert.equal(await read.meta.clockFloor(), 0);
  assert.equal(await read.meta.greatestExp(), 0);
  assert.equal(await read.meta.timeSince(), null);
  assert.equal(await read.keys.active('token'), undefined);
  assert.deepEqual(await read.clients.all(), []);
  assert.deepEqual(await read.otherIssuers.all(), []);
  assert.equal(await read.userEvents.head(), 0);
  assert.equal(await read.userEvents.oldestAt(), undefined);
  assert.deepEqual(await read.userEvents.list({}, undefined, 10), []);
  assert.equal(await read.outbox.lowest(), undefined);
  assert.equal(log.identity(), undefined);
  assert.deepEqual(log.read(0, 10), []);
  assert.equal(log.lowest(), undefined);
  assert.equal(log.eventKid(), undefined);
  assert.equal(log.sentSeq(EPOCH), 0);
  assert.deepEqual(log.unsentClosingEvents(), []);
}

/** Reads the log in pages, without rows of another epoch. */
async function readLog(tested: TestedStore): Promise<void> {
  const store = await openFilled(tested);
  const { log } = store;
  await store.transaction((tx) => tx.outbox.append(event(1, 'txn-d', { epoch: NEXT_EPOCH, jti: 'id-next' })));
  assertSame(
    log.read(1, 2),
    [2, 3].map((seq) => ({ seq, type: 'session-revoked', jws: `jws-${seq}` })),
    'a page of the log',
  );
  assert.deepEqual(log.read(4, 10), []);
  assert.equal(log.idAt(1), 'id-1');
  assert.equal(log.idAt(9), undefined);
  assert.equal(log.sentSeq(EPOCH), 2);
  assert.equal(log.sentSeq(NEXT_EPOCH), 0);
  await store.transaction(async (tx) => {
    await tx.meta.openEpoch(NEXT_EPOCH);
    assert.equal(log.idAt(1), 'id-1');
  });
  assert.equal(log.idAt(1), 'id-next');
  assertSame(log.read(0, 10), [{ seq: 1, type: 'session-revoked', jws: 'jws-1' }], 'the log of the next epoch');
}

/** Expects only soft cut-offs of this issuer by a time later than the given one, by a claim of sessions. */
async function readSoftBeyond(tested: TestedStore): Promise<void> {
  const store = await openFilled(tested);
  const beyond = { issuedUntil: START + 500 };
  const found = await store.transaction(async (tx) => {
    await tx.revocations.merge(cutoff('client_id', 'web', beyond));
    await tx.revocations.merge(cutoff('sub', 'bob', { ...beyond, sessionUntil: START + 500 }));
    await tx.revocations.merge(cutoff('sub', 'eve', { issuedUntil: UNBOUNDED }));
    await tx.revocations.merge(cutoff('tenant', 'north', beyond));
    await tx.revocations.merge(cutoff('sub', 'zoe', { ...beyond, iss: OTHER }));
    return tx.storedTimes.softBeyond(ISSUER, START + 499);
  });
  assertSame(found, [{ claim: 'client_id', value: 'web' }], 'soft cut-offs beyond a time');
}

export function readCases(): Readonly<Record<string, (tested: TestedStore) => Promise<void>>> {
  const checks = Object.entries(CHECKS).map(([name, check]) => [
    name,
    async (tested: TestedStore) => {
      const store = await openFilled(tested);
      await check(store.read, store);
      await store.transaction((tx) => check(tx, store));
    },
  ]);
  return {
    'an empty store says so': readEmpty,
    ...Object.fromEntries(checks),
    'the log is read in pages, of the present epoch alone': readLog,
    'soft cut-offs beyond a time are found': readSoftBeyond,
  };
}
