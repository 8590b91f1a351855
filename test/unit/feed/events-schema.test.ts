import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEventEncoder } from '@rescind/feed/event';
import type { AnySchemaObject } from 'ajv/dist/2020.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { readVectors } from '../../readers/vector.ts';
import { toCutOff } from '../../support/cut-offs.ts';

const schema: AnySchemaObject = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../docs/events.schema.json'), 'utf8'),
);
const validates = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false }).compile(schema);

const AT = 1_800_000_000_500;
const LOG = 'https://login.example';
/** Payloads as they are: nothing here is about signatures. */
const encoder = createEventEncoder({ log: LOG, sign: (payload) => JSON.stringify(payload) });
const entry = { iss: LOG, claim: 'sub', value: 'u', issuedUntil: AT, expiresAt: AT + 1, endsSession: true };
const place = { epoch: '000001-a', seq: 2, id: 'e2', prev: 'e1', txn: 't', at: AT };

const encodeEvent = (change: Partial<typeof entry> = {}, reason = 'logout', seq = 2): Record<string, unknown> => {
  const cutOffs = [toCutOff({ ...entry, ...change })];
  return JSON.parse(encoder.event({ ...place, seq, prev: seq === 1 ? null : 'e1', reason, cutOffs }));
};
const encodeHeartbeat = (change: object = {}): Record<string, unknown> =>
  JSON.parse(encoder.heartbeat({ epoch: '000001-a', head: 2, headId: 'e2', lowWatermark: 1, at: AT, ...change }));

describe('docs/events.schema.json', () => {
  it.each(['jti', 'sid', 'kid', 'sub', 'client_id', 'tenant', 'group', 'iss', 'event_kid', 'other'])(
    'accepts the event that denies by %s, hard and soft',
    (claim) => {
      expect(validates(encodeEvent({ claim }))).toBe(true);
      expect(validates(encodeEvent({ claim, endsSession: false }))).toBe(true);
    },
  );

  it.each(['password_changed', 'suspended', 'deleted', 'roles_changed'])('accepts the reason %s', (reason) => {
    expect(validates(encodeEvent({}, reason, 1))).toBe(true);
  });

  it('accepts heartbeats, of an empty log and after the clock was set', () => {
    expect(validates(encodeHeartbeat())).toBe(true);
    expect(validates(encodeHeartbeat({ head: 0, headId: null, wall: AT - 5, timeSince: '000001-a' }))).toBe(true);
  });

  it.each<[string, object]>([
    ['an unknown version', { version: 2 }],
    ['no txn', { txn: undefined }],
    ['seq 0', { seq: 0 }],
    ['a predecessor of seq 1', { seq: 1 }],
    ['no predecessor of seq 2', { prev: null }],
    ['an expiry', { exp: 1 }],
    ['an epoch with a space', { epoch: 'a b' }],
    ['two types', { events: { a: {}, b: {} } }],
    ['an empty deny', { deny: [] }],
    ['a denial with an unknown member', { deny: [{ ...entry, scope: 'x' }] }],
    ['an unbounded cut-off by sub', { deny: [{ ...entry, issuedUntil: undefined }] }],
    ['a value that is a number', { deny: [{ ...entry, value: 1 }] }],
    ['a fraction of a millisecond', { iat_ms: AT + 0.5 }],
  ])('refuses an event with %s', (_, change) => {
    expect(validates(JSON.parse(JSON.stringify({ ...encodeEvent(), ...change })))).toBe(false);
  });

  it.each<[string, object]>([
    ['a negative head', { head: -1 }],
    ['an id of an empty log', { head: 0 }],
    ['no id at its head', { last: null }],
    ['floor 0', { floor: 0 }],
    ['a seq', { seq: 1 }],
  ])('refuses a heartbeat with %s', (_, change) => {
    expect(validates({ ...encodeHeartbeat(), ...change })).toBe(false);
  });

  it('accepts the records of the vector every-claim', () => {
    const vector = readVectors().find(({ name }) => name === 'every-claim');
    const records = vector?.steps.flatMap((step) => ('records' in step ? step.records : [])) ?? [];
    expect(records.length).toBeGreaterThan(10);
    for (const jws of records) {
      expect(validates(JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()))).toBe(true);
    }
  });
});
