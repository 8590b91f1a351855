import type { KeyRow } from '../../store/store.ts';
import type { Dump } from './dump.ts';
import type { Writes } from './operation.ts';
import { REJECTS } from './operation.ts';
import { bytes, client, EXP, instance, START, userEvent } from './samples.ts';

const unchanged = () => ({});
const LATER = START + 50;

const patch = (before: Dump, columns: Partial<KeyRow>, kid: string): Pick<Dump, 'keys'> => ({
  keys: before.keys.map((key) => (key.kid === kid ? { ...key, ...columns } : key)),
});
/** Rows of these kids, in the order of the reads: keys of access tokens, then of events; in each: active, next, former, revoked. */
const inOrder = (keys: readonly KeyRow[], ...kids: string[]) =>
  kids.map((kid) => keys.find((key) => key.kid === kid)).filter((key) => key !== undefined);
const EVENT_KEYS = ['event-active', 'event-next', 'event-former'];
const added = { kid: 'added', purpose: 'token', alg: 'ES256', cause: 'command', createdAt: LATER } as const;

const CHANGED_INSTANCE = instance('i-1', {
  ...{
    clientId: 'orders',
    name: 'host:2',
    version: null,
    transport: null,
    suspect: 'gap',
    epoch: '',
    seq: 0,
    ageMs: null,
  },
  ...{ reportedAt: LATER, forgotten: true, leases: [], steps: [] },
});

const appended = (seq: number) => ({ ...userEvent(9), seq });
const NO_ORIGIN = { address: null, userAgent: null, deviceName: null };

export const clientOperations: Writes<'clients' | 'keys' | 'instances' | 'userEvents'> = {
  'userEvents.append': {
    given: (tx) => tx.userEvents.prune(START + 5, 10).then(() => undefined),
    run: (tx) => tx.userEvents.append(userEvent(9)),
    // A seq is never given again, also when every row has been pruned.
    changes: () => ({ userEvents: [appended(6)], userEventHead: 6 }),
    changesAgain: () => ({ userEvents: [appended(6), appended(7)], userEventHead: 7 }),
  },
  'userEvents.raiseHead': [
    {
      run: (tx) => tx.userEvents.raiseHead(40),
      changes: () => ({ userEventHead: 40 }),
      changesAgain: () => ({ userEventHead: 40 }),
    },
    { when: 'to one that was given', run: (tx) => tx.userEvents.raiseHead(3), changes: unchanged },
    {
      when: 'before an event',
      given: (tx) => tx.userEvents.raiseHead(40),
      run: (tx) => tx.userEvents.append(userEvent(9)),
      changes: ({ userEvents }) => ({ userEvents: [...userEvents, appended(41)], userEventHead: 41 }),
      changesAgain: ({ userEvents }) => ({
        userEvents: [...userEvents, appended(41), appended(42)],
        userEventHead: 42,
      }),
    },
  ],
  'userEvents.prune': [
    {
      run: (tx) => tx.userEvents.prune(START + 3, 10),
      answer: 3,
      again: 0,
      changes: ({ userEvents }) => ({ userEvents: userEvents.slice(3) }),
    },
    {
      when: 'of the earliest by their time alone',
      given: (tx) => tx.userEvents.prune(START + 3, 1).then(() => undefined),
      run: (tx) => tx.userEvents.prune(START + 2, 10),
      answer: 0,
      changes: ({ userEvents }) => ({ userEvents: userEvents.filter(({ sub }) => sub !== 'bob') }),
    },
  ],
  'userEvents.forgetOrigins': [
    {
      run: (tx) => tx.userEvents.forgetOrigins('ada', 10),
      answer: 1,
      again: 0,
      changes: ({ userEvents: [first, ...rest] }) => ({
        userEvents: [...(first ? [{ ...first, ...NO_ORIGIN }] : []), ...rest],
      }),
    },
    { when: 'of none', run: (tx) => tx.userEvents.forgetOrigins('ada', 0), answer: 0, changes: unchanged },
  ],
  'instances.put': [
    {
      run: (tx) => tx.instances.put(instance('i-0')),
      changes: ({ instances }) => ({ instances: [instance('i-0'), ...instances] }),
    },
    {
      when: 'in the place of another',
      run: (tx) => tx.instances.put(CHANGED_INSTANCE),
      changes: ({ instances: [, ...rest] }) => ({ instances: [CHANGED_INSTANCE, ...rest] }),
    },
  ],
  'instances.delete': {
    run: (tx) => tx.instances.delete('i-1'),
    changes: ({ instances: [, ...rest] }) => ({ instances: rest }),
  },
  'clients.put': [
    {
      run: (tx) => tx.clients.put(client('new')),
      changes: ({ clients: [app, ...rest] }) => ({ clients: [...(app ? [app] : []), client('new'), ...rest] }),
    },
    {
      when: 'in the place of another',
      run: (tx) => tx.clients.put(CHANGED),
      changes: ({ clients: [, ...rest] }) => ({ clients: [CHANGED, ...rest] }),
    },
  ],
  'clients.delete': {
    run: (tx) => tx.clients.delete('app'),
    answer: true,
    again: false,
    changes: ({ clients: [, ...rest] }) => ({ clients: rest }),
  },
  'clients.takeAssertion': [
    {
      run: (tx) => tx.clients.takeAssertion('web', bytes('assertion'), EXP),
      answer: true,
      again: false,
      changes: unchanged,
    },
    {
      when: 'that came before',
      run: (tx) => tx.clients.takeAssertion('app', bytes('assertion'), EXP),
      answer: false,
      changes: unchanged,
    },
  ],
  'clients.pruneAssertions': [
    {
      async run(tx) {
        await tx.clients.pruneAssertions(START + 60_001);
        return tx.clients.takeAssertion('app', bytes('assertion'), START + 60_000);
      },
      answer: true,
      changes: unchanged,
    },
    {
      when: 'that are not over',
      async run(tx) {
        await tx.clients.pruneAssertions(START + 60_000);
        return tx.clients.takeAssertion('app', bytes('assertion'), EXP);
      },
      answer: false,
      changes: unchanged,
    },
  ],
  'keys.insert': [
    {
      given: (tx) => tx.keys.delete('token-next'),
      run: (tx) => tx.keys.insert({ ...added, state: 'next' }),
      again: REJECTS,
      changes: ({ keys }) => ({
        keys: inOrder(
          [...keys, { ...added, state: 'next', activatedAt: null, retiresAt: null }],
          ...['token-active', 'added', 'token-former', ...EVENT_KEYS],
        ),
      }),
    },
    {
      when: 'as a second active one',
      run: (tx) => tx.keys.insert({ ...added, state: 'active' }),
      answer: REJECTS,
      changes: unchanged,
    },
    {
      when: 'as a second next one',
      run: (tx) => tx.keys.insert({ ...added, state: 'next' }),
      answer: REJECTS,
      changes: unchanged,
    },
  ],
  'keys.activate': [
    {
      given: (tx) => tx.keys.retire('token-active', null),
      run: (tx) => tx.keys.activate('token-next', LATER),
      changes: (before) => {
        const { keys } = patch(before, { state: 'active', activatedAt: LATER }, 'token-next');
        return { keys: inOrder(keys, 'token-next', 'token-former', 'token-active', ...EVENT_KEYS) };
      },
    },
    { when: 'beside another', run: (tx) => tx.keys.activate('token-next', LATER), answer: REJECTS, changes: unchanged },
  ],
  'keys.retire': {
    run: (tx) => tx.keys.retire('event-active', null),
    changes: (before) => {
      const { keys } = patch(before, { state: 'former', retiresAt: null }, 'event-active');
      const tokens = ['token-active', 'token-next', 'token-former'];
      return { keys: inOrder(keys, ...tokens, 'event-next', 'event-former', 'event-active') };
    },
  },
  'keys.revoke': {
    run: (tx) => tx.keys.revoke('token-active'),
    changes: (before) => {
      const { keys } = patch(before, { state: 'revoked', retiresAt: null }, 'token-active');
      return { keys: inOrder(keys, 'token-next', 'token-former', 'token-active', ...EVENT_KEYS) };
    },
  },
  'keys.delete': {
    run: (tx) => tx.keys.delete('token-former'),
    changes: ({ keys }) => ({ keys: keys.filter(({ kid }) => kid !== 'token-former') }),
  },
};

const CHANGED = client('app', {
  ...{ name: 'App', authMethod: 'private_key_jwt', secretHashes: [], mayIntrospect: true, disabled: true },
  ...{ scope: 'read write', audience: ['prices'], jwks: { keys: [] } },
  policy: { accessTokenTtlMs: 60_000, refreshIdleTtlMs: 'never', renewByToken: true },
});
