import type { DecodedRecord, EventToEncode } from '@rescind/feed/event';
import { createEventDecoder, createEventEncoder, readOwnEvent } from '@rescind/feed/event';
import type { CutOff } from '@rescind/revocation/cut-off';
import { NEVER, NO_SESSION, UNBOUNDED } from '@rescind/revocation/cut-off';
import { createKeySet } from '@rescind/token';
import { createSigner, generateSigningKey, publicJwks } from '@rescind/token/signing';
import { describe, expect, it } from 'vitest';
import type { CutOffEntry } from '../../support/cut-offs.ts';
import { toCutOff } from '../../support/cut-offs.ts';

const LOG = 'https://users.example';
const OTHER = 'https://elsewhere.example';
const AT = 1_800_000_000_123;
const EPOCH = '000001-abc';

const key = generateSigningKey();
const sign = createSigner(key, { typ: 'secevent+jwt' });
const encoder = createEventEncoder({ log: LOG, sign });
const keys = createKeySet(publicJwks([key]));
const decoder = createEventDecoder({ log: LOG, issuers: [LOG], keys });

const entry = { iss: LOG, claim: 'sid', value: 's1', expiresAt: AT + 900_000, endsSession: true };
const session: CutOff = toCutOff(entry);

function event(change: Partial<EventToEncode> = {}): EventToEncode {
  return {
    epoch: EPOCH,
    seq: 2,
    id: 'e2',
    prev: 'e1',
    txn: 't2',
    reason: 'logout',
    at: AT,
    cutOffs: [session],
    ...change,
  };
}

function payloadOf(jws: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString());
}

/** Signs a payload that the encoder would refuse. */
function signed(change: Record<string, unknown>, without: string[] = []): string {
  const payload: Record<string, unknown> = { ...payloadOf(encoder.event(event())), ...change };
  for (const name of without) delete payload[name];
  return sign(payload);
}

function decodeAs<K extends DecodedRecord['kind']>(kind: K, jws: string): Extract<DecodedRecord, { kind: K }> {
  const record = decoder.decode(jws);
  expect(record.kind, JSON.stringify(record)).toBe(kind);
  return record as Extract<DecodedRecord, { kind: K }>;
}

const record = (jws: string) => ({ jws, live: true, hint: null });

describe('an event', () => {
  it('is decoded as it was encoded', () => {
    const decoded = decodeAs('event', encoder.event(event()));
    expect(decoded).toMatchObject({
      epoch: EPOCH,
      seq: 2,
      id: 'e2',
      prev: 'e1',
      txn: 't2',
      reason: 'logout',
      at: AT,
      skipped: 0,
      clamped: 0,
    });
    const times = { issuedUntil: UNBOUNDED, expiresAt: AT + 900_000, sessionUntil: UNBOUNDED };
    expect(decoded.cutOffs).toEqual([{ iss: LOG, claim: 'sid', value: 's1', ...times }]);
    expect(readOwnEvent(decoded.jws)).toMatchObject({ txn: 't2', reason: 'logout', cutOffs: decoded.cutOffs });
  });

  it('has its cut-offs as the entries that the protocol defines, with no other member', () => {
    const soft = { iss: LOG, claim: 'sub', value: 'u', issuedUntil: AT, expiresAt: AT + 1, endsSession: false };
    const jws = encoder.event(event({ cutOffs: [session, toCutOff(soft)] }));
    expect(payloadOf(jws).deny).toEqual([entry, soft]);
    expect(decodeAs('event', jws).cutOffs[1]).toMatchObject({ issuedUntil: AT, sessionUntil: NO_SESSION });
  });

  it('keeps a time, however great', () => {
    const late = { ...entry, issuedUntil: Number.MAX_SAFE_INTEGER };
    expect(decodeAs('event', signed({ deny: [late] })).cutOffs[0]).toMatchObject({
      ...{ issuedUntil: 1_800_000_000_999, sessionUntil: 1_800_000_000_999 },
    });
  });

  it('is a security event token: typ, one event, no sub, no exp, no aud, whole seconds', () => {
    const jws = encoder.event(event());
    const header = JSON.parse(Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString());
    expect(header).toEqual({ alg: 'RS256', typ: 'secevent+jwt', kid: key.kid });
    const payload = payloadOf(jws);
    expect(payload).toMatchObject({ iss: LOG, iat: Math.floor(AT / 1000), iat_ms: AT, jti: 'e2', txn: 't2' });
    for (const name of ['sub', 'exp', 'aud']) expect(payload).not.toHaveProperty(name);
    expect(Object.keys(payload.events as object)).toHaveLength(1);
  });

  const caep = 'https://schemas.openid.net/secevent/caep/event-type';
  const risc = 'https://schemas.openid.net/secevent/risc/event-type';
  const T = { issuedUntil: AT, expiresAt: AT + 1 };
  const cases: [string, CutOffEntry, string, object][] = [
    ['logout', entry, `${caep}/session-revoked`, { format: 'complex', session: { format: 'opaque', id: 's1' } }],
    [
      'logout_everywhere',
      { iss: LOG, claim: 'sub', value: 'u', ...T, endsSession: true },
      `${caep}/session-revoked`,
      { format: 'iss_sub', iss: LOG, sub: 'u' },
    ],
    [
      'password_changed',
      { iss: LOG, claim: 'sub', value: 'u', ...T, endsSession: true },
      `${caep}/credential-change`,
      { format: 'iss_sub' },
    ],
    [
      'suspended',
      { iss: LOG, claim: 'sub', value: 'u', ...T, endsSession: true },
      `${risc}/account-disabled`,
      { format: 'iss_sub' },
    ],
    [
      'deleted',
      { iss: LOG, claim: 'sub', value: 'u', ...T, endsSession: true },
      `${risc}/account-purged`,
      { format: 'iss_sub' },
    ],
    [
      'roles_changed',
      { iss: LOG, claim: 'sub', value: 'u', ...T, endsSession: false },
      'https://rescind.dev/events/user-tokens-revoked',
      { format: 'iss_sub' },
    ],
    [
      'credential_changed',
      { iss: LOG, claim: 'sub', value: 'u', ...T, endsSession: true },
      `${caep}/session-revoked`,
      { format: 'iss_sub' },
    ],
    [
      'hijacking',
      { iss: LOG, claim: 'sub', value: 'u', ...T, endsSession: true },
      `${risc}/account-disabled`,
      { format: 'iss_sub' },
    ],
    [
      'reauthenticated',
      { iss: LOG, claim: 'sid', value: 's', ...T, endsSession: false },
      'https://rescind.dev/events/session-tokens-revoked',
      { format: 'complex', session: { format: 'opaque', id: 's' } },
    ],
    [
      'token_revoked',
      { iss: LOG, claim: 'jti', value: 'j', expiresAt: AT + 1, endsSession: false },
      'https://rescind.dev/events/token-revoked',
      { format: 'jwt_id', iss: LOG, jti: 'j' },
    ],
    [
      'key_compromised',
      { iss: LOG, claim: 'kid', value: 'k', expiresAt: NEVER, endsSession: false },
      'https://rescind.dev/events/key-revoked',
      { format: 'opaque', id: 'k' },
    ],
    [
      'emergency',
      { iss: LOG, claim: 'iss', value: LOG, ...T, endsSession: true },
      'https://rescind.dev/events/issuer-revoked',
      { format: 'opaque', id: LOG },
    ],
    [
      'client_withdrawn',
      { iss: LOG, claim: 'client_id', value: 'c', ...T, endsSession: true },
      'https://rescind.dev/events/client-revoked',
      { format: 'complex', application: { format: 'opaque', id: 'c' } },
    ],
    [
      'tenant_closed',
      { iss: LOG, claim: 'tenant', value: 't', ...T, endsSession: false },
      'https://rescind.dev/events/claim-revoked',
      { format: 'complex', tenant: { format: 'opaque', id: 't' } },
    ],
    [
      'constructor',
      { iss: LOG, claim: 'constructor', value: 't', ...T, endsSession: false },
      'https://rescind.dev/events/claim-revoked',
      { format: 'opaque', id: 't' },
    ],
  ];
  it.each(cases)('%s has the type and the subject of the vocabulary', (reason, denial, type, subject) => {
    const jws = encoder.event(event({ reason, cutOffs: [toCutOff(denial)] }));
    const payload = payloadOf(jws);
    expect(Object.keys(payload.events as object)).toEqual([type]);
    expect(payload).toMatchObject({ reason, sub_id: subject });
    expect(payload.events).toEqual({ [type]: membersOf(type, reason) });
    expect(decodeAs('event', jws)).toMatchObject({ reason, type });
  });

  /** The members that CAEP 1.0 and RISC 1.0 define for a type; for types of this project, the reason. */
  function membersOf(type: string, reason: string): object {
    if (type === `${risc}/account-disabled`) return reason === 'hijacking' ? { reason } : {};
    if (type === `${risc}/account-purged`) return {};
    if (!type.startsWith(caep)) return { reason };
    const credential = { credential_type: 'password', change_type: 'update' };
    return { event_timestamp: Math.floor(AT / 1000), ...(type.endsWith('/credential-change') ? credential : {}) };
  }

  it('writes RISC’s word for bulk accounts', () => {
    const cutOffs = [toCutOff({ iss: LOG, claim: 'sub', value: 'u', ...T, endsSession: true })];
    expect(payloadOf(encoder.event(event({ reason: 'bulk_account', cutOffs }))).events).toEqual({
      [`${risc}/account-disabled`]: { reason: 'bulk-account' },
    });
  });

  it('has a type of its own and no subject for several cut-offs, whatever the reason', () => {
    const sub = (value: string) => toCutOff({ iss: LOG, claim: 'sub', value, ...T, endsSession: true });
    for (const reason of ['logout', 'password_changed', 'suspended', 'deleted']) {
      const payload = payloadOf(encoder.event(event({ reason, cutOffs: [sub('u'), sub('v')] })));
      expect(payload.events).toEqual({ 'https://rescind.dev/events/several-revoked': { reason } });
      expect(payload).not.toHaveProperty('sub_id');
    }
  });

  it.each<[string, { readonly reason: string }]>([
    ['session-revoked', { reason: 'logged_out' }],
    ['token-claims-change', { reason: 'roles_changed', ...{ claims: {} } }],
    ['credential-change', { reason: 'credential_changed', ...{ credential_type: 'password', change_type: 'update' } }],
  ])('reads the reason of %s where the version before wrote it', (name, object) => {
    const jws = signed({ events: { [`${caep}/${name}`]: { event_timestamp: 1, ...object } } }, ['reason']);
    expect(decodeAs('event', jws)).toMatchObject({ reason: object.reason, type: `${caep}/${name}` });
  });

  it('limits T to its own second, and E to its time or later', () => {
    const late = { iss: LOG, claim: 'sub', value: 'u', issuedUntil: AT + 5_000, expiresAt: 5, endsSession: true };
    const decoded = decodeAs('event', signed({ deny: [late, entry] }));
    expect(decoded.clamped).toBe(1);
    expect(decoded.cutOffs[0]).toMatchObject({ issuedUntil: 1_800_000_000_999, expiresAt: AT });
    expect(decoded.cutOffs[1]).toMatchObject({ issuedUntil: UNBOUNDED });
  });

  it('never expires if it revokes a key', () => {
    const key = { iss: LOG, claim: 'kid', value: 'k', expiresAt: AT, endsSession: false };
    expect(decodeAs('event', signed({ deny: [key] })).cutOffs[0]?.expiresAt).toBe(NEVER);
  });

  it('skips and counts entries about untrusted issuers', () => {
    const decoded = decodeAs('event', encoder.event(event({ cutOffs: [{ ...session, iss: OTHER }, session] })));
    expect(decoded.skipped).toBe(1);
    expect(decoded.cutOffs.map(({ iss }) => iss)).toEqual([LOG]);
  });

  it('is applied for another issuer that the options name', () => {
    const wider = createEventDecoder({ log: LOG, issuers: [LOG, OTHER], keys });
    const decoded = wider.decode(encoder.event(event({ cutOffs: [{ ...session, iss: OTHER }] })));
    expect(decoded).toMatchObject({ kind: 'event', skipped: 0, cutOffs: [{ iss: OTHER }] });
  });

  it('denies although its reason is unreadable', () => {
    const jws = signed({ reason: 7, events: { 'https://x.example/y': { reason: 'no\r\nno' } } });
    expect(decodeAs('event', jws)).toMatchObject({ reason: 'unspecified', cutOffs: [{ value: 's1' }] });
  });
});

describe('a signed event of an unknown version', () => {
  it.each([
    ['a later version', { version: 2 }, 'version'],
    ['two events', { events: { a: {}, b: {} } }, 'events'],
    ['no event', { events: {} }, 'events'],
    ['no txn', { txn: 7 }, 'txn'],
    ['no deny', { deny: 'all' }, 'deny'],
    ['an empty deny', { deny: [] }, 'deny'],
    ['too many entries', { deny: Array(1001).fill(1) }, 'deny'],
    ['an entry that is none', { deny: [null] }, 'denial'],
    ['an unknown member', { deny: [{ ...entry, unless: 'x' }] }, 'denial'],
    ['no T where one must be', { deny: [{ ...entry, claim: 'sub' }] }, 'denial'],
    ['a T of half a millisecond', { deny: [{ ...entry, issuedUntil: 1.5 }] }, 'denial'],
    ['an endless E', { deny: [{ ...entry, expiresAt: 1e300 }] }, 'denial'],
    ['a value of another type', { deny: [{ ...entry, value: 5 }] }, 'denial'],
    ['a value too long', { deny: [{ ...entry, value: 'v'.repeat(1025) }] }, 'denial'],
    ['an empty claim', { deny: [{ ...entry, claim: '' }] }, 'denial'],
    ['no endsSession', { deny: [{ ...entry, endsSession: 'yes' }] }, 'denial'],
  ])('%s keeps its position', (_, change, reason) => {
    expect(decodeAs('not-understood', signed(change))).toMatchObject({
      epoch: EPOCH,
      seq: 2,
      id: 'e2',
      prev: 'e1',
      reason,
    });
  });

  it.each([
    ['no seq', {}, ['seq']],
    ['seq 0', { seq: 0 }, []],
    ['seq as text', { seq: '2' }, []],
    ['no prev', { prev: null }, []],
    ['a prev before the first', { seq: 1 }, []],
    ['an epoch with a space', { epoch: 'a b' }, []],
    ['no iat_ms', {}, ['iat_ms']],
    ['an iat_ms of another second', { iat_ms: AT + 1_000 }, []],
    ['an id too long', { jti: 'j'.repeat(129) }, []],
  ])('%s has no position', (_, change, without) => {
    expect(decodeAs('bad', signed(change, without)).reason).toBe('no_position');
  });
});

describe('a record that the log has not signed', () => {
  const good = encoder.event(event());
  const [header, payload, signature] = good.split('.') as [string, string, string];
  const strangerKey = generateSigningKey();
  const stranger = createSigner(strangerKey, { typ: 'secevent+jwt' });
  const foreign = createSigner({ ...strangerKey, kid: key.kid }, { typ: 'secevent+jwt' });

  it.each([
    ['nothing', '', 'malformed'],
    ['rubbish', '{"seq":3}', 'malformed'],
    ['a half', `${header}.${payload}`, 'malformed'],
    ['a padded one', `${good}=`, 'malformed'],
    ['a changed payload', `${header}.${payload.slice(0, -4)}AAAA.${signature}`, 'malformed'],
    ['an unknown key', stranger(payloadOf(good)), 'key_unknown'],
    ['a stranger using our key id', foreign(payloadOf(good)), 'signature'],
    ['an access token', createSigner(key, { typ: 'at+jwt' })(payloadOf(good)), 'claims'],
    ['another log', sign({ ...payloadOf(good), iss: OTHER }), 'claims'],
    ['one that expires', sign({ ...payloadOf(good), exp: 4_000_000_000 }), 'claims'],
    [
      'one with no algorithm',
      `${Buffer.from('{"alg":"none","typ":"secevent+jwt"}').toString('base64url')}.${payload}.AA`,
      'signature',
    ],
    ['one too large', `${good}${'A'.repeat(65_536)}`, 'too_large'],
  ])('%s is ignored', (_, jws, reason) => {
    expect(decodeAs('bad', jws).reason).toBe(reason);
  });

  it('reports the name of another log that the same key signs, unless it is too long', () => {
    const named = (iss: string) => decodeAs('bad', sign({ ...payloadOf(good), iss })).foreignLog;
    expect([named(OTHER), named('x'.repeat(257))]).toEqual([OTHER, undefined]);
    expect(decodeAs('bad', foreign({ ...payloadOf(good), iss: OTHER })).foreignLog).toBe(undefined);
  });

  it('reports the unknown key and the epoch that it claims', () => {
    const claimed = { kid: expect.any(String), epoch: EPOCH };
    expect(decodeAs('bad', stranger(payloadOf(good)))).toMatchObject({ reason: 'key_unknown', claimed });
    const rubbish = `${Buffer.from('{"alg":"RS256","typ":"secevent+jwt","kid":"k1"}').toString('base64url')}.e30.AA`;
    expect(decodeAs('bad', rubbish)).toMatchObject({ claimed: { kid: 'k1', epoch: null } });
  });
});

describe('a heartbeat', () => {
  const heartbeat = { epoch: EPOCH, head: 7, headId: 'e7', lowWatermark: 3, at: AT };

  it('is decoded as it was encoded', () => {
    expect(decodeAs('heartbeat', encoder.heartbeat(heartbeat))).toMatchObject(heartbeat);
    expect(
      decodeAs('heartbeat', encoder.heartbeat({ ...heartbeat, head: 0, headId: null, lowWatermark: 1 })),
    ).toMatchObject({
      head: 0,
    });
  });

  it.each([
    ['a low watermark beyond the head', { lowWatermark: 9 }, { floor: 9 }],
    ['no id of its head', { headId: null }, { last: null }],
    ['the id of no event', { head: 0, lowWatermark: 1 }, { head: 0, floor: 1 }],
    ['a low watermark of 0', { lowWatermark: 0 }, { floor: 0 }],
    ['half a head', { head: 1.5 }, { head: 1.5 }],
  ])('with %s is neither encoded nor decoded', (_, change, claims) => {
    expect(() => encoder.heartbeat({ ...heartbeat, ...change })).toThrow(TypeError);
    expect(decodeAs('bad', sign({ ...payloadOf(encoder.heartbeat(heartbeat)), ...claims })).reason).toBe('no_position');
  });

  it('of a later version is not decoded', () => {
    expect(decodeAs('bad', sign({ ...payloadOf(encoder.heartbeat(heartbeat)), version: 2 })).reason).toBe(
      'no_position',
    );
  });
});

describe('a batch', () => {
  const beats = [1, 2, 3, 4].map((head) =>
    encoder.heartbeat({ epoch: EPOCH, head, headId: `e${head}`, lowWatermark: 1, at: AT + head }),
  ) as [string, string, string, string];
  const one = encoder.event(event());

  it('verifies its first and its last heartbeat only', () => {
    const kinds = decoder
      .decodeBatch([beats[0], one, beats[1], beats[2], beats[3]].map(record))
      .map(({ kind }) => kind);
    expect(kinds).toEqual(['heartbeat', 'event', 'skipped', 'skipped', 'heartbeat']);
  });

  it('is decoded by its content, whatever the transport claims', () => {
    const named = [beats[0], one, beats[1], beats[2]];
    const batch = named.map((jws) => ({ ...record(jws), isEvent: true }));
    expect(decoder.decodeBatch(batch).map(({ kind }) => kind)).toEqual([
      'heartbeat',
      'event',
      'heartbeat',
      'heartbeat',
    ]);
    const denied = named.map((jws) => ({ ...record(jws), isEvent: false }));
    expect(decoder.decodeBatch(denied).map(({ kind }) => kind)).toEqual(['heartbeat', 'event', 'skipped', 'heartbeat']);
  });

  it('ignores an unsigned heartbeat', () => {
    const forged = `${beats[3].slice(0, beats[3].lastIndexOf('.'))}.${'A'.repeat(342)}`;
    const decoded = decoder.decodeBatch([forged, beats[0], beats[1], beats[2], forged].map(record));
    expect(decoded.map(({ kind }) => kind)).toEqual(['bad', 'heartbeat', 'skipped', 'heartbeat', 'bad']);
  });

  it('keeps the order, hint and liveness of the transport', () => {
    const decoded = decoder.decodeBatch([
      { jws: 'x', live: false, hint: '1' },
      { jws: one, live: true, hint: '2' },
    ]);
    expect(decoded).toMatchObject([
      { kind: 'bad', live: false, hint: '1' },
      { kind: 'event', live: true, hint: '2', jws: one },
    ]);
    expect(decoder.decodeBatch([])).toEqual([]);
  });
});

describe('the encoder', () => {
  it.each([
    ['no cut-off', { cutOffs: [] }],
    ['a T beyond its second', { cutOffs: [toCutOff({ ...entry, claim: 'sub', issuedUntil: AT + 1_000 })] }],
    ['no T where one must be', { cutOffs: [{ ...session, claim: 'sub' }] }],
    ['merged cut-offs', { cutOffs: [{ ...session, sessionUntil: AT }] }],
    ['cut-offs of no session and a time', { cutOffs: [{ ...session, issuedUntil: AT }] }],
    ['a reason that is no word', { reason: 'Logged out' }],
    ['seq 1 with a prev', { seq: 1 }],
    [
      'more than fits',
      { cutOffs: Array.from({ length: 900 }, (_, i) => ({ ...session, value: `${i}`.padStart(80, '0') })) },
    ],
  ])('refuses %s', (_, change) => {
    expect(() => encoder.event(event(change))).toThrow(TypeError);
  });

  it('fits 200 sessions into one event', () => {
    const cutOffs = Array.from({ length: 200 }, (_, i) => ({ ...session, value: `${i}`.padStart(36, '0') }));
    expect(decodeAs('event', encoder.event(event({ cutOffs }))).cutOffs).toHaveLength(200);
  });
});
