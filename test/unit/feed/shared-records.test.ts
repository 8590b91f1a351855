import { createPublicKey } from 'node:crypto';
import type { DecodedRecord, EventRecord } from '@rescind/feed/event';
import { createEventDecoder, createEventEncoder } from '@rescind/feed/event';
import type { SigningKey } from '@rescind/token/signing';
import { createSigner, generateSigningKey } from '@rescind/token/signing';
import { describe, expect, it, vi } from 'vitest';
import { toCutOff } from '../../support/cut-offs.ts';

const LOG = 'https://users.example';
const OTHER = 'https://elsewhere.example';
const AT = 1_800_000_000_123;
const POSITION = { epoch: '000001-abc', at: AT };

const key = generateSigningKey();
const impostor: SigningKey = { ...generateSigningKey(), kid: key.kid };
const signerOf = (by: SigningKey) => createSigner(by, { typ: 'secevent+jwt' });
const encoderOf = (by: SigningKey) => createEventEncoder({ log: LOG, sign: signerOf(by) });

function encode(id: string, { by = key, iss = LOG } = {}): string {
  const cutOffs = [toCutOff({ iss, claim: 'sid', value: id, expiresAt: AT + 900_000, endsSession: true })];
  return encoderOf(by).event({ ...POSITION, seq: 2, id, prev: 'e1', txn: id, reason: 'logout', cutOffs });
}

/** A decoder of a reader with this key alone, in an object of its own. */
function readerOf(signingKey = key, { log = LOG, issuers = [LOG] } = {}) {
  const publicKey = createPublicKey(signingKey.privateKey);
  const isHeld = (kid: string, alg: string) => kid === signingKey.kid && alg === signingKey.alg;
  const find = vi.fn((kid: string, alg: string) => (isHeld(kid, alg) ? publicKey : undefined));
  const keys = { find, kids: () => [signingKey.kid] };
  return { keys, equals: vi.spyOn(publicKey, 'equals'), ...createEventDecoder({ log, issuers, keys }) };
}

const event = (record: DecodedRecord | undefined): EventRecord => {
  if (record?.kind !== 'event') throw new Error(`decoded as ${JSON.stringify(record)}`);
  return record;
};

/** Whether both are of one decode: then the cut-offs are one object. */
const areShared = (one: DecodedRecord | undefined, other: DecodedRecord | undefined) =>
  event(one).cutOffs === event(other).cutOffs;

describe('decoders of one process', () => {
  it('share the record of a text that another one verified with the same key', () => {
    const text = encode('shared');
    const first = readerOf().decode(text);
    const other = readerOf();
    const second = other.decode(text);
    expect(second).toEqual(first);
    expect(areShared(second, first)).toBe(true);
    expect(other.equals).toHaveReturnedWith(true);
    expect(other.keys.find.mock.calls).toEqual([[key.kid, key.alg]]);
  });

  it('share heartbeats and events of a later version', () => {
    const heartbeat = encoderOf(key).heartbeat({ ...POSITION, head: 2, headId: 'e2', lowWatermark: 1 });
    const payload = JSON.parse(Buffer.from(encode('later').split('.')[1] ?? '', 'base64url').toString());
    const later = signerOf(key)({ ...payload, version: 2 });
    for (const [text, kind] of [
      [heartbeat, 'heartbeat'],
      [later, 'not-understood'],
    ] as const) {
      const first = readerOf().decode(text);
      const other = readerOf();
      expect(other.decode(text)).toEqual(first);
      expect(first.kind).toBe(kind);
      expect(other.equals).toHaveReturnedWith(true);
    }
  });

  it('give each record the delivery of its own reader', () => {
    const jws = encode('delivered');
    const [first] = readerOf().decodeBatch([{ jws, live: true, hint: '7' }]);
    const [second] = readerOf().decodeBatch([{ jws, live: false, hint: null }]);
    expect(first).toMatchObject({ jws, live: true, hint: '7' });
    expect(second).toMatchObject({ jws, live: false, hint: null });
    expect(areShared(first, second)).toBe(true);
  });

  it('compute the signature when another key has the same name', () => {
    const text = encode('other key');
    readerOf().decode(text);
    expect(readerOf(impostor).decode(text)).toMatchObject({ kind: 'bad', reason: 'signature' });
    expect(event(readerOf().decode(text)).txn).toBe('other key');
  });

  it('refuse a text that differs by one character of its payload or signature', () => {
    const text = encode('altered');
    const forged = encode('forged!', { by: impostor });
    const reader = readerOf();
    reader.decode(text);
    const [header, payload, signature] = text.split('.');
    const [, otherPayload, otherSignature] = forged.split('.');
    for (const wrong of [`${header}.${otherPayload}.${signature}`, `${header}.${payload}.${otherSignature}`, forged]) {
      for (let time = 1; time <= 2; time += 1)
        expect(reader.decode(wrong)).toMatchObject({ kind: 'bad', reason: 'signature' });
    }
  });

  it('do not accept a text whose key is no longer in the set of the reader', () => {
    const text = encode('revoked key');
    readerOf().decode(text);
    const without = readerOf(generateSigningKey());
    const claimed = { kid: key.kid, epoch: POSITION.epoch };
    expect(without.decode(text)).toEqual({
      kind: 'bad',
      jws: text,
      live: false,
      hint: null,
      reason: 'key_unknown',
      claimed,
    });
  });

  it('decode a text anew for another log and for other issuers', () => {
    const text = encode('settings', { iss: OTHER });
    const first = event(readerOf().decode(text));
    expect(first).toMatchObject({ cutOffs: [], skipped: 1 });
    const wider = event(readerOf(key, { issuers: [LOG, OTHER] }).decode(text));
    expect(wider).toMatchObject({ cutOffs: [{ iss: OTHER, value: 'settings' }], skipped: 0 });
    expect(event(readerOf().decode(text))).toEqual(first);
    expect(readerOf(key, { log: OTHER }).decode(text)).toMatchObject({ kind: 'bad', reason: 'claims' });
  });

  it('share nothing that a caller can change', () => {
    const text = encode('frozen');
    const { cutOffs, kills } = event(readerOf().decode(text));
    expect([cutOffs, cutOffs[0], kills].every(Object.isFrozen)).toBe(true);
  });

  it('forget all but the last 64 texts', () => {
    const text = encode('forgotten');
    const first = readerOf().decode(text);
    for (let other = 1; other <= 63; other += 1) readerOf().decode(encode(`other ${other}`));
    expect(areShared(readerOf().decode(text), first)).toBe(true);
    readerOf().decode(encode('other 64'));
    expect(areShared(readerOf().decode(text), first)).toBe(false);
  });
});
