import type { EpochMillis } from '@rescind/revocation';
import { UNBOUNDED } from '@rescind/revocation/cut-off';
import type { Minted, Session } from '../../store/sessions.ts';
import type { Dump } from './dump.ts';
import { LIVE_BY_EXP, LIVE_BY_LATER_EXP } from './dump.ts';
import type { Operation, Writes } from './operation.ts';
import { REJECTS } from './operation.ts';
import { ABSOLUTE, bytes, EXP, IDLE, ISSUER, LATER_EXP, minted, START, session } from './samples.ts';

const LATER: EpochMillis = START + 50;

function patch(before: Dump, columns: Partial<Session>, ...sids: readonly string[]): Pick<Dump, 'sessions'> {
  const rows = Object.entries(before.sessions).map(
    ([sid, row]) => [sid, sids.includes(sid) ? { ...row, ...columns } : row] as const,
  );
  return { sessions: Object.fromEntries(rows) };
}

/** A token of s-1 that lives longer than any before. */
const NEXT: Minted = minted(1, { at: LATER, idleExpiresAt: IDLE + 1, jti: 'jti-next', exp: LATER_EXP, scope: 'less' });

function afterNext(before: Dump, more: Partial<Session> = {}): Partial<Dump> {
  const { at, idleExpiresAt, jti, exp, scope } = NEXT;
  const columns = { lastUsedAt: at, idleExpiresAt, newestJti: jti, newestExp: exp, newestScope: scope };
  return {
    ...patch(before, { ...columns, ...more }, 's-1'),
    live: { ...before.live, [LIVE_BY_LATER_EXP]: ['s-1'] },
    meta: { ...before.meta, greatestExp: exp },
  };
}

const rotation = {
  formerHash: bytes('hash-1'),
  formerDigest: bytes('digest-1'),
  nextHash: bytes('next'),
  sealed: bytes('sealed'),
};
const renewal = { sid: 's-1', presentedJti: 'jti-1', presentedDigest: bytes('digest-1'), at: LATER };
const unchanged = () => ({});

const insert: Operation = {
  run: (tx) => tx.sessions.insert(session(5, 'bob', 'app')),
  again: REJECTS,
  changes: ({ sessions }) => ({
    sessions: {
      ...sessions,
      's-5': {
        ...session(5, 'bob', 'app'),
        ...{ reauthenticationReason: null, endedAt: null, endReason: null, formerHash: null, rotatedAt: null },
        ...{ sealed: null, newestJti: null, newestExp: null, newestScope: null, renewedJti: null, renewedAt: null },
      },
    },
  }),
};

const end = (claim: 'sid' | 'sub' | 'client_id' | 'iss', value: string, ...sids: string[]): Operation => ({
  when: `by ${claim}`,
  run: (tx) => tx.sessions.end(claim, value, LATER, 'because', UNBOUNDED),
  answer: sids.length,
  again: 0,
  changes: (before) => ({
    ...patch(before, { endedAt: LATER, endReason: 'because' }, ...sids),
    live: { ...before.live, [LIVE_BY_EXP]: ['s-1', 's-2', 's-3'].filter((sid) => !sids.includes(sid)) },
  }),
});

const sweeping = EXP + 1;

export const sessionOperations: Writes<'sessions'> = {
  'sessions.insert': [
    insert,
    {
      when: 'with a selector of another',
      run: (tx) => tx.sessions.insert({ ...session(5, 'bob', 'app'), selector: 'selector-1' }),
      answer: REJECTS,
      changes: unchanged,
    },
  ],
  'sessions.rotate': [
    {
      run: (tx) => tx.sessions.rotate(NEXT, rotation),
      answer: true,
      again: false,
      changes: (before) => ({
        ...afterNext(before, {
          ...{ verifierHash: rotation.nextHash, formerHash: rotation.formerHash },
          ...{ rotatedAt: LATER, sealed: rotation.sealed },
        }),
        spent: ['s-1 digest-1'],
      }),
    },
    {
      when: 'by a hash that is not the present one',
      run: (tx) => tx.sessions.rotate(NEXT, { ...rotation, formerHash: bytes('other') }),
      answer: false,
      changes: unchanged,
    },
    {
      when: 'of a session that has ended',
      run: (tx) => tx.sessions.rotate({ ...NEXT, sid: 's-4' }, { ...rotation, formerHash: bytes('hash-4') }),
      answer: false,
      changes: unchanged,
    },
  ],
  'sessions.renew': [
    {
      given: (tx) => tx.sessions.setCredentialVersion('s-1', 1),
      async run(tx) {
        const isFirst = await tx.sessions.renew(renewal);
        // As the issuer does it: the new token becomes the newest one.
        if (isFirst) await tx.sessions.mint(NEXT);
        return isFirst;
      },
      answer: true,
      again: false,
      changes: (before) => ({
        ...afterNext(before, { renewedJti: 'jti-1', renewedAt: LATER }),
        spent: ['s-1 digest-1'],
      }),
    },
    {
      when: 'by a token that is not the newest',
      run: (tx) => tx.sessions.renew({ ...renewal, presentedJti: 'jti-0' }),
      answer: false,
      changes: unchanged,
    },
    {
      when: 'of a session that has ended',
      run: (tx) => tx.sessions.renew({ ...renewal, sid: 's-4', presentedJti: 'jti-4' }),
      answer: false,
      changes: unchanged,
    },
  ],
  'sessions.mint': [
    { run: (tx) => tx.sessions.mint(NEXT), changes: afterNext },
    {
      when: 'for a shorter life than before',
      run: (tx) => tx.sessions.mint({ ...NEXT, exp: EXP - 1 }),
      changes: (before) => ({
        ...patch(before, { ...afterNext(before).sessions?.['s-1'], newestExp: EXP - 1 }, 's-1'),
      }),
    },
  ],
  'sessions.reauthenticate': {
    given: async (tx) => void (await tx.sessions.requireReauthentication('sid', 's-1', 'asked')),
    run: (tx) =>
      tx.sessions.reauthenticate({ sid: 's-1', at: LATER, amr: ['otp', 'pwd'], acr: 'high', credentialVersion: 2 }),
    changes: (before) =>
      patch(
        before,
        { authTime: LATER, amr: ['otp', 'pwd'], acr: 'high', credentialVersion: 2, reauthenticationReason: null },
        's-1',
      ),
  },
  'sessions.setCredentialVersion': {
    run: (tx) => tx.sessions.setCredentialVersion('s-1', 7),
    changes: (before) => patch(before, { credentialVersion: 7 }, 's-1'),
  },
  'sessions.rename': {
    run: (tx) => tx.sessions.rename('s-1', 'desk'),
    changes: (before) => patch(before, { deviceName: 'desk' }, 's-1'),
  },
  'sessions.requireReauthentication': [
    {
      when: 'by sub',
      run: (tx) => tx.sessions.requireReauthentication('sub', 'ada', 'asked'),
      answer: 2,
      changes: (before) => patch(before, { reauthenticationReason: 'asked' }, 's-1', 's-2'),
    },
    {
      when: 'of a session that has ended',
      run: (tx) => tx.sessions.requireReauthentication('sid', 's-4', 'asked'),
      answer: 0,
      changes: unchanged,
    },
  ],
  'sessions.end': [
    end('sid', 's-1', 's-1'),
    end('sub', 'ada', 's-1', 's-2'),
    end('client_id', 'web', 's-1', 's-3'),
    end('iss', ISSUER, 's-1', 's-2', 's-3'),
    {
      when: 'of those that began until a time',
      run: (tx) => tx.sessions.end('iss', ISSUER, LATER, 'because', START + 2),
      answer: 2,
      again: 0,
      changes: (before) => ({
        ...patch(before, { endedAt: LATER, endReason: 'because' }, 's-1', 's-2'),
        live: { ...before.live, [LIVE_BY_EXP]: ['s-3'] },
      }),
    },
  ],
  'sessions.sweep': [
    {
      when: 'forgets what is over, with what it has spent',
      given: async (tx) => {
        await tx.sessions.rotate(minted(1, { exp: LATER_EXP }), rotation);
        await tx.sessions.rotate(minted(2), { ...rotation, formerHash: bytes('hash-2') });
      },
      run: (tx) => tx.sessions.sweep('', 100, sweeping, START),
      answer: '',
      changes: ({ sessions, live }) => ({
        sessions: Object.fromEntries(Object.entries(sessions).filter(([sid]) => sid === 's-1')),
        live: { ...live, [LIVE_BY_EXP]: ['s-1'] },
        spent: ['s-1 digest-1'],
      }),
    },
    {
      when: 'goes through a piece, and clears what was sealed before a time',
      given: async (tx) => {
        await tx.sessions.rotate(minted(1, { at: LATER }), rotation);
        await tx.sessions.rotate(minted(3, { at: LATER }), { ...rotation, formerHash: bytes('hash-3') });
      },
      run: (tx) => tx.sessions.sweep('', 2, START, LATER + 1),
      answer: 's-2',
      changes: (before) => patch(before, { sealed: null }, 's-1'),
    },
  ],
};

export const lowerTimes: Operation = {
  given: async (tx) => {
    await tx.sessions.rotate(minted(1, { at: LATER }), rotation);
    await tx.sessions.renew({ ...renewal, sid: 's-2', presentedJti: 'jti-2' });
    await tx.sessions.insert({ ...session(5, 'bob', 'app'), idleExpiresAt: UNBOUNDED, absoluteExpiresAt: UNBOUNDED });
  },
  run: (tx) => tx.storedTimes.lower(START + 1, EXP - 7),
  changes: (before) => {
    const at = START + 1;
    const rows = Object.entries(before.sessions).map(([sid, row]) => {
      const deadline = (time: EpochMillis, from: EpochMillis) => (time < UNBOUNDED ? time - (from - at) : time);
      const columns = {
        absoluteExpiresAt: deadline(ABSOLUTE, row.createdAt),
        idleExpiresAt: deadline(row.idleExpiresAt, row.lastUsedAt),
        ...{ createdAt: at, authTime: at, lastUsedAt: at },
        newestExp: row.newestExp === null ? null : at,
        endedAt: row.endedAt === null ? null : at,
        ...{ sealed: null, rotatedAt: null, renewedAt: null },
        ...(sid === 's-5' && { absoluteExpiresAt: UNBOUNDED }),
      };
      return [sid, { ...row, ...columns }] as const;
    });
    return {
      sessions: Object.fromEntries(rows),
      // A deadline that never comes keeps it alive.
      live: { [LIVE_BY_EXP]: ['s-5'], [LIVE_BY_LATER_EXP]: ['s-5'] },
      meta: { ...before.meta, greatestExp: at },
      keys: before.keys.map((key) => ({
        ...key,
        createdAt: Math.min(key.createdAt, at),
        activatedAt: key.activatedAt === null ? null : Math.min(key.activatedAt, at),
        retiresAt: key.retiresAt === null ? null : EXP - 7,
      })),
      cutoffs: before.cutoffs.map((row) => ({ ...row, issuedUntil: at })),
      userEvents: before.userEvents.map((event) => ({ ...event, at, lastAt: at })),
    };
  },
};
