import { AT, changed, deny, heartbeat, LOG, part, s, USUAL, withHeader } from './signed-log.ts';
import type { Vector } from './vector.ts';

const ODD: readonly unknown[] = [
  ...[undefined, null, true, 0, -1, 1.5, 1e300, '', 'x', 'x'.repeat(2_049), '1'],
  ...[[], ['x'], [[]], {}, { a: 1 }, { a: {} }],
];

/** A log without the expected results, which are those of the reader of this project. */
export type MalformedLog = Omit<Vector, 'expected' | 'tokens'>;

/** Logs with one record of which one member has a value of another type or out of its bounds. */
export function malformedLogs(): MalformedLog[] {
  return [...events(), ...heartbeats()].map(([name, records]) => ({
    ...{ name, about: name, log: LOG, issuers: [LOG], wall: AT + 10_000 },
    steps: [USUAL, { records }],
  }));
}

type Named = readonly [name: string, records: readonly string[]];

const each = (members: readonly string[], make: (member: string, value: unknown) => readonly string[]): Named[] =>
  members.flatMap((member) =>
    ODD.map((value): Named => [`${member} ${JSON.stringify(value)?.slice(0, 20)}`, make(member, value)]),
  );

function events(): Named[] {
  const withSecond = (second: string) => [s(1), second, s(3), heartbeat(3)];
  const members = ['iss', 'iat', 'iat_ms', 'jti', 'txn', 'events', 'epoch', 'seq', 'prev', 'deny', 'version', 'exp'];
  return [
    ...each(members, (member, value) => withSecond(changed(s(2), { [member]: value }))),
    ...each(['iss', 'claim', 'value', 'issuedUntil', 'expiresAt', 'endsSession', 'other'], (member, value) =>
      withSecond(changed(s(2), { deny: [{ ...deny('sid', 's2'), [member]: value }] })),
    ),
    ...each(['alg', 'typ', 'kid', 'crit'], (member, value) =>
      withSecond(withHeader(s(2), { alg: 'RS256', typ: 'secevent+jwt', kid: 'x', [member]: value })),
    ),
    ...ODD.map((value): Named => {
      const [header, , signature] = s(2).split('.');
      return [`payload ${JSON.stringify(value)}`, withSecond([header, part(value ?? null), signature].join('.'))];
    }),
  ];
}

function heartbeats(): Named[] {
  const members = [
    'iss',
    'iat',
    'iat_ms',
    'jti',
    'events',
    'epoch',
    'head',
    'last',
    'floor',
    'wall_ms',
    'time_since',
    'seq',
  ];
  const all = each(members, (member, value) => [
    ...[s(1), s(2), changed(heartbeat(2), { [member]: value })],
    heartbeat(2, { at: AT + 2_000 }),
  ]);
  // Another id is not malformed: it is a fork, which our own reader resolves by a second reading.
  return all.filter(([name]) => !/^last "(x|1)"$/.test(name));
}
