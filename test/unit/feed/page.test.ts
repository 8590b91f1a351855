import { createHash } from 'node:crypto';
import { createEventDecoder, createEventEncoder, createPageSigner } from '@rescind/feed/event';
import { createPageVerifier, openBulkDecoder } from '@rescind/feed/testing';
import type { Telemetry } from '@rescind/revocation';
import { silentTelemetry } from '@rescind/revocation';
import { createKeySet } from '@rescind/token';
import type { SigningKey } from '@rescind/token/signing';
import { createSigner, generateSigningKey, publicJwks } from '@rescind/token/signing';
import { describe, expect, it, test } from 'vitest';
import { toCutOff } from '../../support/cut-offs.ts';

const LOG = 'https://users.example';
const PAGE = 'secevent-page+jwt';
const AT = 1_800_000_000_123;
const [key, former, stranger] = [generateSigningKey(), generateSigningKey(), generateSigningKey()];
const options = { log: LOG, issuers: [LOG], keys: createKeySet(publicJwks([key, former])) };

const signsAs = (by: SigningKey) => (payload: object, typ: string) => createSigner(by, { typ })(payload);
const signerOf = (by: SigningKey, log = LOG) => createPageSigner({ log, kid: by.kid, sign: signsAs(by) });

function eventOf(seq: number, by = key): string {
  const cutOffs = [
    toCutOff({ iss: LOG, claim: 'sid', value: `s${seq}`, issuedUntil: AT, expiresAt: AT + 900_000, endsSession: true }),
  ];
  const prev = seq === 1 ? null : `e${seq - 1}`;
  const encoder = createEventEncoder({ log: LOG, sign: createSigner(by, { typ: 'secevent+jwt' }) });
  return encoder.event({
    epoch: '000001-abc',
    seq,
    id: `e${seq}`,
    prev,
    txn: `t${seq}`,
    reason: 'logout',
    at: AT,
    cutOffs,
  });
}

/** The same event with a signature of other bytes. */
function withWrongSignature(event: string): string {
  const [signed, signature = ''] = [event.slice(0, event.lastIndexOf('.')), event.slice(event.lastIndexOf('.') + 1)];
  return `${signed}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
}

const events = Array.from({ length: 20 }, (_, at) => eventOf(at + 1));
const signature = signerOf(key)(events) ?? '';

describe('the signer of pages', () => {
  it('signs a page once', () => {
    let signed = 0;
    const sign = createPageSigner({
      log: LOG,
      kid: key.kid,
      sign(payload, typ) {
        signed += 1;
        return signsAs(key)(payload, typ);
      },
    });
    expect(sign(events)).toBe(signature);
    expect(sign([...events])).toBe(signature);
    expect(sign(events.slice(1))).not.toBe(signature);
    expect(signed).toBe(2);
  });

  it.each([
    ['no event', []],
    ['the first event by another key', [eventOf(1, former), ...events.slice(1)]],
    ['a later event by another key', [...events.slice(0, 19), eventOf(20, former)]],
    ['a text that is no JWS', ['no JWS']],
  ])('signs no page with %s', (_, page) => {
    expect(signerOf(key)(page)).toBeUndefined();
  });
});

describe('the verifier of pages', () => {
  const verify = createPageVerifier(options);

  it('finds the key that has signed a page', () => {
    expect(verify({ signature, events }).equals(createKeySet(publicJwks([key])).find(key.kid, 'RS256') as never)).toBe(
      true,
    );
  });

  const [first = '', second = '', ...others] = events;
  test.each<[string, string, readonly string[], string]>([
    ['an event left out', signature, events.slice(1), 'token_claim_wrong'],
    ['an event more', signature, [...events, eventOf(21)], 'token_claim_wrong'],
    ['two events in the other order', signature, [second, first, ...others], 'token_claim_wrong'],
    [
      'one event with another signature',
      signature,
      [withWrongSignature(first), second, ...others],
      'token_claim_wrong',
    ],
    ['no event', signature, [], 'token_claim_wrong'],
    ['another signature', withWrongSignature(signature), events, 'token_signature_wrong'],
    ['an event as its signature', first, events, 'token_type_wrong'],
    [
      'the signature of another log',
      signerOf(key, 'https://other.example')(events) ?? '',
      events,
      'token_issuer_unknown',
    ],
    [
      'the signature of an unknown key',
      signsAs(stranger)({ iss: LOG, events_sha256: 'x' }, PAGE),
      events,
      'token_key_unknown',
    ],
    ['no digest', signsAs(key)({ iss: LOG }, PAGE), events, 'token_claim_wrong'],
    ['no signature', '', events, 'token_malformed'],
  ])('refuses a page with %s', (_, of, page, code) => {
    expect(() => verify({ signature: of, events: page })).toThrow(expect.objectContaining({ code }));
  });
});

test('a page is no event', () => {
  expect(createEventDecoder(options).decode(signature)).toMatchObject({ kind: 'bad', reason: 'claims' });
});

describe('the decoder of a catch-up', () => {
  async function decode(page: { readonly signature: string; readonly events: readonly string[] }) {
    const counted: unknown[] = [];
    const telemetry: Telemetry = {
      ...silentTelemetry,
      count: (name, labels) => void counted.push([name, labels]),
      log: (_level, event) => void counted.push(event),
    };
    const bulk = openBulkDecoder({ ...options, telemetry }, createEventDecoder(options));
    try {
      const records = page.events.map((jws) => ({ jws, hint: null, live: false, page }));
      // In two batches: a page is verified once.
      const decoded = [await bulk.decodeBatch(records.slice(0, 5)), await bulk.decodeBatch(records.slice(5))].flat();
      return { decoded: decoded.map((one) => (one.kind === 'bad' ? one.reason : one.kind)), counted };
    } finally {
      await bulk.close();
    }
  }
  const of = (changed: readonly string[]) => ({ signature: signerOf(key)(changed) ?? '', events: changed });
  const all = (kind: string, count = events.length) => Array.from({ length: count }, () => kind);

  it('takes the events of a signed page without their own signatures', async () => {
    const changed = events.map(withWrongSignature);
    expect(await decode(of(changed))).toEqual({
      decoded: all('event'),
      counted: [['rescind_feed_pages_total', { result: 'valid' }]],
    });
  });

  it('verifies each event of a page whose signature is invalid', async () => {
    const changed = [...events.slice(0, 19), withWrongSignature(eventOf(20))];
    expect(await decode({ signature, events: changed })).toEqual({
      decoded: [...all('event', 19), 'signature'],
      counted: [['rescind_feed_pages_total', { result: 'invalid' }], 'feed_page_invalid'],
    });
  });

  it('verifies an event that names another key than its page', async () => {
    const page = [...events.slice(0, 18), eventOf(19, former), withWrongSignature(eventOf(20, former))];
    const events_sha256 = createHash('sha256').update(page.join('\n')).digest('base64url');
    const { decoded } = await decode({ signature: signsAs(key)({ iss: LOG, events_sha256 }, PAGE), events: page });
    expect(decoded).toEqual([...all('event', 19), 'signature']);
  });

  it('refuses what is no event in a signed page', async () => {
    const changed = [
      ...events.slice(0, 18),
      events[18]?.replace('.', '.!') ?? '',
      `${events[19]}${'A'.repeat(70_000)}`,
    ];
    expect((await decode(of(changed))).decoded).toEqual([...all('event', 18), 'malformed', 'too_large']);
  });
});
