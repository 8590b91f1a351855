import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  AT,
  by,
  changed,
  dead,
  deny,
  E1,
  E2,
  EXPIRES,
  event,
  FORGED,
  former,
  heartbeat,
  LOG,
  next,
  OTHER,
  part,
  present,
  s,
  served,
  setOf,
  stranger,
  token,
  USUAL,
  until,
  withHeader,
} from './signed-log.ts';
import type { Vector } from './vector.ts';

/**
 * Writes docs/vectors: signed logs, and what a reader has to conclude from each. Apart from keys, signatures and the `jti` of heartbeats, each
 * run writes the same.
 */
const CAEP = 'https://schemas.openid.net/secevent/caep/event-type';

const complete = (seq: number, at = AT + 1_000, epoch: string = E1) => ({
  ...{ epoch, seq, head: seq, complete: true, completeAt: at, suspect: null },
});

const vectors: Omit<Vector, 'log' | 'issuers' | 'wall'>[] = [
  {
    name: 'every-claim',
    about: 'One event of each kind, then a heartbeat. Each cut-off denies the tokens it names and no others.',
    steps: [
      USUAL,
      {
        records: [
          event(1, [deny('sid', 's1')]),
          event(2, [deny('sub', 'hard', until(AT))], { reason: 'password_changed' }),
          event(3, [deny('sub', 'soft', until(AT, false))], { reason: 'roles_changed' }),
          event(4, [deny('client_id', 'app', until(AT))], { reason: 'client_suspended' }),
          event(5, [deny('jti', 'j1', { endsSession: false })], { reason: 'token_revoked' }),
          event(6, [deny('kid', 'stolen', { endsSession: false })], { reason: 'key_compromised' }),
          event(7, [deny('tenant', '42', until(AT))], { reason: 'tenant_closed' }),
          event(8, [deny('iss', LOG, until(AT - 7_200_000))], { reason: 'emergency' }),
          event(9, [deny('event_kid', 'earlier-key', until(AT, false))], { reason: 'key_compromised' }),
          event(10, [deny('sid', 'a'), deny('sid', 'b')], { reason: 'device_lost' }),
          heartbeat(10),
        ],
      },
    ],
    expected: complete(10),
    tokens: [
      token({ sid: 'other', sub: 'other', jti: 'j2', client_id: 'other', tenant: 'x' }),
      token({ sid: 's1', iat: Math.floor(AT / 1000) + 900, iat_ms: AT + 900_000 }, by('sid', 's1')),
      token({ sub: 'hard' }, by('sub', 'hard')),
      token({ sub: 'hard', iat_ms: AT + 1 }),
      token({ sub: 'hard', iat_ms: AT + 5_000 }, by('sub', 'hard')),
      token({ sub: 'soft' }, by('sub', 'soft'), false),
      token({ client_id: 'app' }, by('client_id', 'app')),
      token({ jti: 'j1' }, by('jti', 'j1'), false),
      token({}, by('kid', 'stolen'), false, 'stolen'),
      token({ kid: 'stolen' }),
      token({ tenant: '42' }, by('tenant', '42')),
      token({ tenant: 42 }, by('tenant', '42')),
      token({ tenant: ['7', 42] }, by('tenant', '42')),
      token({ tenant: ['7'] }),
      token({ tenant: { id: 42 } }, { unjudgeable: 'tenant' }),
      token({ tenant: null }, { unjudgeable: 'tenant' }),
      token({ iat: undefined }, { unjudgeable: 'iat' }),
      token({ iat: Math.floor(AT / 1000) - 7_201, iat_ms: undefined }, by('iss', LOG)),
      token({ iss: OTHER, sub: 'hard' }),
      token({ sid: 'b' }, by('sid', 'b')),
    ],
  },
  {
    name: 'earlier-types',
    about:
      'Events as earlier versions wrote them: other types, the reason inside them, a subject although there are two cut-offs.',
    steps: [
      USUAL,
      {
        records: [
          changed(event(1, [deny('sub', 'soft', until(AT, false))]), {
            ...{
              reason: undefined,
              events: { [`${CAEP}/token-claims-change`]: { reason: 'roles_changed', claims: {} } },
            },
          }),
          changed(event(2, [deny('sid', 'a'), deny('sid', 'b')]), {
            ...{ reason: undefined, events: { [`${CAEP}/session-revoked`]: { reason: 'device_lost' } } },
            sub_id: { format: 'complex', session: { format: 'opaque', id: 'a' } },
          }),
          heartbeat(2),
        ],
      },
    ],
    expected: complete(2),
    tokens: [
      token({ sub: 'soft' }, by('sub', 'soft'), false),
      token({ sid: 'a' }, by('sid', 'a')),
      token({ sid: 'b' }, by('sid', 'b')),
    ],
  },
  {
    name: 'merge',
    about: 'Cut-offs of one value merge by the greatest of each time, whatever their order; duplicates change nothing.',
    steps: [
      USUAL,
      {
        records: [
          event(1, [deny('sub', 'u', until(AT))]),
          event(2, [deny('sub', 'u', { ...until(AT - 10_000), expiresAt: EXPIRES + 1 })]),
          event(1, [deny('sub', 'u', until(AT))]),
          event(3, [deny('sub', 'u', until(AT + 400, false))]),
          heartbeat(3),
          event(2, [deny('sub', 'u', until(AT - 10_000))]),
        ],
      },
    ],
    expected: complete(3),
    tokens: [
      token({ sub: 'u' }, by('sub', 'u')),
      token({ sub: 'u', iat_ms: AT + 400 }, by('sub', 'u'), false),
      token({ sub: 'u', iat_ms: AT + 401 }),
    ],
  },
  {
    name: 'gap',
    about: 'Event 3 is missing. Denials behind the gap apply; the position stays, and the view is not complete.',
    steps: [USUAL, { records: [s(1), s(2), s(4), heartbeat(4)] }],
    expected: { epoch: E1, seq: 2, head: 4, complete: false, completeAt: 0, suspect: 'gap' },
    tokens: [dead(1), dead(4), token({ sid: 's3' })],
  },
  {
    name: 'gap-closed',
    about: 'The missing event arrives late, from the other transport: the position passes over the events behind it.',
    steps: [USUAL, { records: [s(1), s(3), s(4), heartbeat(4), s(2)] }],
    expected: complete(4),
    tokens: [dead(2), dead(4)],
  },
  {
    name: 'fork-prev',
    about: 'Event 3 names another predecessor than the event 2 that was read: there are two histories.',
    steps: [USUAL, { records: [s(1), s(2), heartbeat(2), event(3, [deny('sid', 's3')], { prev: 'other' })] }],
    expected: { epoch: E1, complete: false, completeAt: AT + 1_000, suspect: 'fork' },
    tokens: [dead(2), dead(3)],
  },
  {
    name: 'fork-last',
    about: 'A heartbeat names another event at its head than the one that was read.',
    steps: [USUAL, { records: [s(1), s(2), heartbeat(2), heartbeat(2, { headId: 'other', at: AT + 2_000 })] }],
    expected: { epoch: E1, complete: false, completeAt: AT + 1_000, suspect: 'fork' },
    tokens: [dead(2)],
  },
  {
    name: 'forged',
    about: 'Records that the log did not sign, or that are none of its records, are counted and ignored.',
    steps: [
      USUAL,
      {
        records: [
          s(1),
          'rubbish',
          '',
          'a.b.c',
          s(2).replace(/\.[^.]*$/, '.AAAA'),
          withHeader(event(2, [deny('sid', 'forged')], {}, stranger), {
            ...{ alg: 'RS256', typ: 'secevent+jwt', kid: present.kid },
          }),
          event(2, [deny('sid', 'forged')], {}, stranger),
          `${part({ alg: 'none', typ: 'secevent+jwt', kid: present.kid })}.${s(2).split('.')[1]}.`,
          changed(event(2, [deny('sid', 'forged')]), {}, present, 'at+jwt'),
          changed(event(2, [deny('sid', 'forged')]), { iss: OTHER }),
          changed(event(2, [deny('sid', 'forged')]), { seq: 0 }),
          changed(event(2, [deny('sid', 'forged')]), { prev: null }),
          changed(event(2, [deny('sid', 'forged')]), { iat_ms: AT + 1_000 }),
          changed(event(2, [deny('sid', 'forged')]), { exp: Math.floor(AT / 1000) + 60 }),
          changed(heartbeat(1), { head: -1 }),
          changed(heartbeat(1), { floor: 9 }),
          heartbeat(1),
        ],
      },
    ],
    expected: complete(1),
    tokens: [dead(1), token({ sid: 'forged' }), token({ sid: 's2' })],
  },
  {
    name: 'unknown-version',
    about: 'A signed event of version 2 moves the position and is quarantined: the view is not complete any more.',
    steps: [
      USUAL,
      { records: [s(1), heartbeat(1), changed(s(2), { version: 2 }), s(3), heartbeat(3, { at: AT + 2_000 })] },
    ],
    expected: { epoch: E1, seq: 3, head: 3, complete: false, completeAt: AT + 1_000, suspect: 'quarantined' },
    tokens: [dead(1), token({ sid: 's2' }), dead(3)],
  },
  {
    name: 'unknown-denial',
    about: 'An entry of deny with a member that this version does not know quarantines the whole event.',
    steps: [USUAL, { records: [changed(s(1), { deny: [{ ...deny('sid', 's1'), scope: 'read' }] }), heartbeat(1)] }],
    expected: { epoch: E1, seq: 1, head: 1, complete: false, completeAt: 0, suspect: 'quarantined' },
    tokens: [token({ sid: 's1' })],
  },
  {
    name: 'malformed',
    about:
      'Signed events of which the position can be read and the denials cannot: each moves the position and is quarantined.',
    steps: [
      USUAL,
      {
        records: [
          s(1),
          ...[null, 5, 'x', {}, [], [null], [7], [{ ...deny('sid', 's1'), value: 7 }]].map((entries, index) =>
            changed(s(index + 2), { deny: entries }),
          ),
          ...[null, 7, ''].map((txn, index) => changed(s(index + 10), { txn })),
          ...[null, 7, [], {}, { a: 1 }, { a: {}, b: {} }].map((events, index) => changed(s(index + 13), { events })),
          ...[null, true, '1', 0].map((version, index) => changed(s(index + 19), { version })),
          s(23),
          heartbeat(23),
        ],
      },
    ],
    expected: { epoch: E1, seq: 23, head: 23, complete: false, completeAt: 0, suspect: 'quarantined' },
    tokens: [dead(1), token({ sid: 's2' }), token({ sid: 's22' }), dead(23)],
  },
  {
    name: 'unknown-version-passed',
    about: 'The low watermark passes the quarantined event: it denies nothing any more, and the view is complete.',
    steps: [USUAL, { records: [changed(s(1), { version: 2 }), s(2), heartbeat(2, { lowWatermark: 2 })] }],
    expected: complete(2),
    tokens: [dead(2)],
  },
  {
    name: 'low-watermark',
    about: 'The topic begins with event 5. Nothing below still denies, so the position jumps to 4.',
    steps: [USUAL, { records: [s(5), s(6), heartbeat(6, { lowWatermark: 5 })] }],
    expected: complete(6),
    tokens: [dead(5), dead(6)],
  },
  {
    name: 'late-heartbeat',
    about: 'A later heartbeat with a lower head proves nothing about age: its issuer has forgotten event 2.',
    steps: [USUAL, { records: [s(1), s(2), heartbeat(2), heartbeat(1, { at: AT + 9_000 })] }],
    expected: { epoch: E1, seq: 2, head: 2, completeAt: AT + 1_000 },
    tokens: [dead(2)],
  },
  {
    name: 'heartbeat-ahead',
    about: "The heartbeat is more than 60 s ahead of the reader's clock: it completes no first reading.",
    steps: [USUAL, { records: [s(1), heartbeat(1, { at: AT + 120_000 })] }],
    expected: { epoch: E1, seq: 1, head: 1, complete: false, completeAt: 0, suspect: 'clock' },
    tokens: [dead(1)],
  },
  {
    name: 'other-issuer',
    about: 'The log may not speak for this issuer: the entry is skipped and counted, the others apply.',
    steps: [USUAL, { records: [event(1, [deny('sid', 's1', { iss: OTHER }), deny('sid', 's1')]), heartbeat(1)] }],
    expected: complete(1),
    tokens: [token({ iss: OTHER, sid: 's1' }), dead(1)],
  },
  {
    name: 'cut-off-ahead',
    about: 'An event denies nothing that is issued after the second in which it was made, whatever it says.',
    steps: [
      USUAL,
      { records: [changed(s(1), { deny: [{ ...deny('sub', 'u'), issuedUntil: AT + 86_400_000 }] }), heartbeat(1)] },
    ],
    expected: complete(1),
    tokens: [
      token({ sub: 'u', iat_ms: AT + 499 }, by('sub', 'u')),
      token({ sub: 'u', iat: Math.floor(AT / 1000) + 1, iat_ms: AT + 500 }),
    ],
  },
  {
    name: 'forged-epoch',
    about: 'A former key signs a newer epoch that the set does not name: its denials apply, nothing else.',
    steps: [
      USUAL,
      {
        records: [
          s(1),
          event(1, [deny('sid', 'denied')], { epoch: FORGED, id: 'x1' }, former),
          heartbeat(1, { epoch: FORGED, headId: 'x1', at: AT + 3_000 }, former),
          heartbeat(7, { headId: 'x7', at: AT + 3_000 }, former),
          heartbeat(1),
        ],
      },
    ],
    expected: complete(1),
    tokens: [dead(1), token({ sid: 'denied' }, by('sid', 'denied'))],
  },
  {
    name: 'key-revokes-itself',
    about: 'The closing event denies the key that signed it: nothing that the key signed is accepted from here on.',
    steps: [
      USUAL,
      {
        records: [s(1), heartbeat(1)],
      },
      {
        records: [
          event(2, [deny('event_kid', present.kid, until(AT, false))], { reason: 'key_compromised' }),
          s(3),
          heartbeat(3, { at: AT + 2_000 }),
        ],
      },
    ],
    expected: { epoch: '', seq: 0, complete: false, completeAt: AT + 1_000, suspect: 'epoch' },
    tokens: [dead(1), token({ sid: 's3' })],
  },
  {
    name: 'key-revoked',
    about: 'The set names the epoch after the revocation: the reader enters it, and rows of the old epoch stay.',
    steps: [
      USUAL,
      { records: [s(1), heartbeat(1), event(2, [deny('event_kid', present.kid, until(AT, false))]), s(3)] },
      setOf(E2, next, former),
      {
        records: [
          event(1, [deny('event_kid', present.kid, until(AT, false))], { epoch: E2, id: 'n1' }, next),
          event(2, [deny('sid', 'new')], { epoch: E2, id: 'n2', prev: 'n1' }, next),
          s(4),
          heartbeat(9, { at: AT + 9_000 }),
          heartbeat(2, { epoch: E2, headId: 'n2', at: AT + 5_000 }, next),
        ],
      },
    ],
    expected: complete(2, AT + 5_000, E2),
    tokens: [dead(1), token({ sid: 's3' }), token({ sid: 's4' }), token({ sid: 'new' }, by('sid', 'new'))],
  },
  {
    name: 'epoch-after-rotation',
    about: 'A planned rotation: both keys are published, the new one signs the new epoch.',
    steps: [
      USUAL,
      { records: [s(1), heartbeat(1)] },
      setOf(E2, next, present),
      {
        records: [
          event(1, [deny('sid', 'new')], { epoch: E2, id: 'n1' }, next),
          heartbeat(1, { epoch: E2, headId: 'n1', at: AT + 5_000 }, next),
          s(2),
        ],
      },
    ],
    expected: complete(1, AT + 5_000, E2),
    tokens: [dead(1), dead(2), token({ sid: 'new' }, by('sid', 'new'))],
  },
  {
    name: 'epoch-before-its-records',
    about:
      'A set names the epoch of a planned rotation, and no record of that epoch has arrived: the reader stays where it is.',
    steps: [USUAL, { records: [s(1), heartbeat(1)] }, setOf(E2, next, present), { records: [s(2)] }],
    expected: { epoch: E1, seq: 2, head: 2, completeAt: AT + 1_000 },
    tokens: [dead(1), dead(2)],
  },
  {
    name: 'epoch-of-an-earlier-fetch',
    about:
      'The set that was fetched before the first record names its epoch; a set that is fetched after the record does not, since the key was revoked. The reader does not enter the epoch.',
    steps: [USUAL, served(setOf(E2, next, former)), { records: [s(1), heartbeat(1)] }],
    expected: { epoch: '', seq: 0, complete: false, completeAt: 0 },
    tokens: [dead(1)],
  },
];

const folder = join(import.meta.dirname, '../../docs/vectors');
mkdirSync(folder, { recursive: true });
for (const vector of vectors) {
  const whole: Vector = { ...vector, log: LOG, issuers: [LOG], wall: AT + 10_000 };
  writeFileSync(join(folder, `${vector.name}.json`), `${JSON.stringify(whole, null, 2)}\n`);
}
