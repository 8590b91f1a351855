import { UNBOUNDED } from '@rescind/revocation/cut-off';
import type { Dump } from './dump.ts';
import type { Writes } from './operation.ts';
import { REJECTS } from './operation.ts';
import { lowerTimes } from './operations-sessions.ts';
import { cutoff, EPOCH, EXP, event, NEXT_EPOCH, START } from './samples.ts';

const meta = (before: Dump, columns: Partial<Dump['meta']>): Pick<Dump, 'meta'> => ({
  meta: { ...before.meta, ...columns },
});
const unchanged = () => ({});
const BEFORE = '0000000000-before';
const identity = { epoch: EPOCH, head: 4, last: 'id-4', floor: 1 };

export const logOperations: Writes<
  'meta' | 'outbox' | 'closingEvents' | 'revocations' | 'otherIssuers' | 'storedTimes'
> = {
  'meta.raiseClockFloor': [
    { run: (tx) => tx.meta.raiseClockFloor(START + 99), changes: (before) => meta(before, { clockFloor: START + 99 }) },
    { when: 'to an earlier time', run: (tx) => tx.meta.raiseClockFloor(START), changes: unchanged },
  ],
  'meta.setClock': {
    when: 'to an earlier time',
    run: (tx) => tx.meta.setClock(START),
    changes: (before) => meta(before, { clockFloor: START }),
  },
  'meta.setIssuer': {
    run: (tx) => tx.meta.setIssuer('https://new.example'),
    changes: (before) => meta(before, { issuer: 'https://new.example' }),
  },
  'meta.openEpoch': {
    when: 'that was written ahead',
    given: (tx) => tx.outbox.append(event(1, 'txn-d', { epoch: NEXT_EPOCH, jti: 'id-next' })),
    run: (tx) => tx.meta.openEpoch(NEXT_EPOCH),
    changes: (before) => ({
      ...meta(before, { identity: { epoch: NEXT_EPOCH, head: 0, last: null, floor: 1 } }),
      outbox: [event(1, 'txn-d', { epoch: NEXT_EPOCH, jti: 'id-next' })],
    }),
  },
  'meta.moveHead': {
    run: (tx) => tx.meta.moveHead(5, 'id-5'),
    changes: (before) => meta(before, { identity: { ...identity, head: 5, last: 'id-5' } }),
  },
  'meta.moveFloor': [
    { run: (tx) => tx.meta.moveFloor(3), changes: (before) => meta(before, { identity: { ...identity, floor: 3 } }) },
    { when: 'down', given: (tx) => tx.meta.moveFloor(3), run: (tx) => tx.meta.moveFloor(2), changes: unchanged },
  ],
  'meta.setTimeSince': {
    run: (tx) => tx.meta.setTimeSince(EPOCH),
    changes: (before) => meta(before, { timeSince: EPOCH }),
  },
  'meta.setSentSeq': [
    { run: (tx) => tx.meta.setSentSeq(EPOCH, 3), changes: () => ({ sentSeq: 3 }) },
    { when: 'of another epoch', run: (tx) => tx.meta.setSentSeq(NEXT_EPOCH, 1), changes: () => ({ sentSeq: 0 }) },
  ],
  'outbox.append': [
    {
      run: (tx) => tx.outbox.append(event(5, 'txn-d')),
      again: REJECTS,
      changes: ({ outbox }) => ({ outbox: [...outbox, event(5, 'txn-d')] }),
    },
    {
      when: 'with a seq of another',
      run: (tx) => tx.outbox.append(event(4, 'txn-d', { jti: 'id-5' })),
      answer: REJECTS,
      changes: unchanged,
    },
    {
      when: 'with an id of another',
      run: (tx) => tx.outbox.append(event(5, 'txn-d', { jti: 'id-4' })),
      answer: REJECTS,
      changes: unchanged,
    },
    {
      when: 'with an id of another epoch',
      run: (tx) => tx.outbox.append(event(1, 'txn-d', { epoch: NEXT_EPOCH, jti: 'id-4' })),
      answer: REJECTS,
      changes: unchanged,
    },
    {
      when: 'of an epoch that is not open',
      run: (tx) => tx.outbox.append(event(1, 'txn-d', { epoch: NEXT_EPOCH, jti: 'id-next' })),
      again: REJECTS,
      changes: unchanged,
    },
  ],
  'outbox.delete': {
    run: (tx) => tx.outbox.delete(1),
    changes: ({ outbox }) => ({ outbox: outbox.slice(1) }),
  },
  'outbox.deleteOtherEpochs': {
    given: (tx) => tx.outbox.append(event(1, 'txn-d', { epoch: NEXT_EPOCH, jti: 'id-next' })),
    async run(tx) {
      await tx.outbox.deleteOtherEpochs();
      // A row that was deleted is absent when its epoch opens.
      await tx.meta.openEpoch(NEXT_EPOCH);
      const bottom = await tx.outbox.lowest();
      await tx.meta.openEpoch(EPOCH);
      await tx.meta.moveHead(identity.head, identity.last);
      return bottom;
    },
    changes: unchanged,
  },
  'closingEvents.add': {
    run: (tx) => tx.closingEvents.add({ epoch: EPOCH, jws: 'word' }),
    changes: ({ closingEvents, unsent }) => ({
      closingEvents: { ...closingEvents, [EPOCH]: 'word' },
      unsent: [...unsent, { epoch: EPOCH, jws: 'word' }],
    }),
  },
  'closingEvents.markSent': { run: (tx) => tx.closingEvents.markSent(BEFORE), changes: () => ({ unsent: [] }) },
  'revocations.merge': [
    {
      when: 'the first of its value',
      run: (tx) => tx.revocations.merge(cutoff('sub', 'bob')),
      changes: ({ cutoffs }) => ({
        cutoffs: [...cutoffs.slice(0, 2), cutoff('sub', 'bob'), ...cutoffs.slice(2)],
      }),
    },
    {
      when: 'by maximum',
      run: (tx) =>
        tx.revocations.merge(
          cutoff('sid', 's-4', { issuedUntil: START + 9, expiresAt: START, sessionUntil: START, txn: 'txn-c', seq: 4 }),
        ),
      changes: ({ cutoffs }) => ({
        cutoffs: [
          cutoff('sid', 's-4', { issuedUntil: START + 9, expiresAt: EXP, sessionUntil: START, txn: 'txn-c', seq: 4 }),
          ...cutoffs.slice(1),
        ],
      }),
    },
  ],
  'revocations.prune': {
    run: (tx) => tx.revocations.prune(START + 1_001),
    answer: 1,
    again: 0,
    changes: ({ cutoffs }) => ({ cutoffs: cutoffs.filter(({ value }) => value !== 'ada') }),
  },
  'otherIssuers.add': {
    run: (tx) => tx.otherIssuers.add('https://another.example'),
    changes: ({ otherIssuers }) => ({ otherIssuers: ['https://another.example', ...otherIssuers] }),
  },
  'storedTimes.lower': [
    lowerTimes,
    {
      when: 'of a cut-off without an end',
      given: (tx) => tx.revocations.merge(cutoff('sub', 'bob', { issuedUntil: UNBOUNDED, sessionUntil: UNBOUNDED })),
      run: (tx) => tx.storedTimes.lower(EXP, EXP),
      changes: unchanged,
    },
  ],
};
