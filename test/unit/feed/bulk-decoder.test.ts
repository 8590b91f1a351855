import type { EventToEncode } from '@rescind/feed/event';
import { createEventDecoder, createEventEncoder } from '@rescind/feed/event';
import { openBulkDecoder } from '@rescind/feed/testing';
import { silentTelemetry } from '@rescind/revocation';
import type { CutOff } from '@rescind/revocation/cut-off';
import { createKeySet } from '@rescind/token';
import { createSigner, generateSigningKey, publicJwks } from '@rescind/token/signing';
import { expect, it } from 'vitest';
import { toCutOff } from '../../support/cut-offs.ts';

const LOG = 'https://users.example';
const OTHER = 'https://elsewhere.example';
const AT = 1_800_000_000_123;
const EPOCH = '000001-abc';
const [key, unknownKey] = [generateSigningKey(), generateSigningKey()];
const sign = createSigner(key, { typ: 'secevent+jwt' });
const encoder = createEventEncoder({ log: LOG, sign });
const options = { log: LOG, issuers: [LOG], keys: createKeySet(publicJwks([key])) };

const cutOff = (claim: string, value: string, change: Partial<CutOff> = {}) => ({
  ...toCutOff({ iss: LOG, claim, value, issuedUntil: AT, expiresAt: AT + 900_000, endsSession: true }),
  ...change,
});

function eventOf(seq: number, cutOffs: readonly CutOff[], change: Partial<EventToEncode> = {}): string {
  const prev = seq === 1 ? null : `e${seq - 1}`;
  return encoder.event({
    epoch: EPOCH,
    seq,
    id: `e${seq}`,
    prev,
    txn: `t${seq}`,
    reason: 'logout',
    at: AT,
    cutOffs,
    ...change,
  });
}

function payloadOf(jws: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString());
}

const first = eventOf(1, [cutOff('sid', 's1')]);
const heartbeat = encoder.heartbeat({ epoch: EPOCH, head: 3, headId: 'e3', lowWatermark: 1, at: AT });
const texts: Readonly<Record<string, string>> = {
  'the first event': first,
  'several entries': eventOf(2, [
    cutOff('sub', 'ü "\\ 日本'),
    cutOff('client_id', 'c', { sessionUntil: -1 }),
    cutOff('kid', 'k'),
  ]),
  'a denied event key': eventOf(3, [cutOff('event_kid', 'k1')]),
  'an issuer that the log does not speak for': eventOf(4, [cutOff('sid', 's', { iss: OTHER }), cutOff('sid', 's2')]),
  'a time beyond the event': sign({
    ...payloadOf(first),
    deny: [{ iss: LOG, claim: 'sub', value: 'u', issuedUntil: AT + 5_000, expiresAt: AT - 1, endsSession: true }],
  }),
  'an unbounded entry': eventOf(6, [
    toCutOff({ iss: LOG, claim: 'jti', value: 'j', expiresAt: AT, endsSession: false }),
  ]),
  'a later version': sign({ ...payloadOf(first), version: 2 }),
  'no position': sign({ ...payloadOf(first), seq: 0 }),
  'another log': sign({ ...payloadOf(first), iss: OTHER }),
  'another signature': `${first.split('.', 2).join('.')}.${heartbeat.split('.')[2]}`,
  'an unknown key': createSigner(unknownKey, { typ: 'secevent+jwt' })(payloadOf(first)),
  'a character beyond ASCII': first.replace('.', '.\u0141'),
  'no JWS': 'no JWS',
  'too long': `${first}${'A'.repeat(70_000)}`,
  'a heartbeat': heartbeat,
};

it('decodes each record as the decoder of single records does', async () => {
  const decoder = createEventDecoder(options);
  const bulk = openBulkDecoder({ ...options, telemetry: silentTelemetry }, decoder);
  try {
    const records = Object.values(texts).map((jws, index) => ({ jws, hint: `${index}`, live: index % 2 === 0 }));
    const decoded = await bulk.decodeBatch(records);
    const expected = decoder.decodeBatch(records);
    expect(Object.fromEntries(Object.keys(texts).map((name, at) => [name, decoded[at]]))).toEqual(
      Object.fromEntries(Object.keys(texts).map((name, at) => [name, expected[at]])),
    );
    expect(new Set(expected.map(({ kind }) => kind))).toEqual(new Set(['event', 'not-understood', 'bad', 'heartbeat']));
  } finally {
    await bulk.close();
  }
});
