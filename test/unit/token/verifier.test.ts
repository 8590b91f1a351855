import type { KeySet } from '@rescind/token';
import { createKeySet, createVerifier } from '@rescind/token';
import { createSigner, generateSigningKey, publicJwks } from '@rescind/token/signing';
import { describe, expect, it } from 'vitest';
import {
  AT,
  AT_SECONDS,
  base64url,
  ec,
  goodClaims,
  goodHeader,
  hmacToken,
  payloadWith,
  rawToken,
  rsa,
  signedToken,
  verifierOf,
} from './raw-tokens.ts';
import { refusal } from './refusals.ts';

const verifier = verifierOf();
const verdict = (text: string, at = AT) => refusal(() => verifier.verify(text, at));
const withClaims = (claims: Record<string, unknown>) => signedToken(goodHeader(), { ...goodClaims(), ...claims });
const without = (claim: string) => {
  const { [claim]: _, ...rest } = goodClaims();
  return signedToken(goodHeader(), rest);
};

describe('a good token', () => {
  it.each([rsa, ec])('is verified: $alg', (key) => {
    const token = createSigner(key, { typ: 'at+jwt' })(goodClaims());
    expect(verifier.verify(token, AT)).toEqual({ token, header: goodHeader(key), payload: goodClaims() });
  });

  it('is refused when one bit of its signature, header or payload differs', () => {
    const token = signedToken();
    const other = signedToken(goodHeader(), { ...goodClaims(), sub: 'user-2' });
    const [h, p, s] = token.split('.');
    const [, p2, s2] = other.split('.');
    expect(verdict(`${h}.${p2}.${s}`)).toBe('token_signature_wrong');
    expect(verdict(`${h}.${p}.${s2}`)).toBe('token_signature_wrong');
    expect(verdict(`${base64url(JSON.stringify({ ...goodHeader(), x: 1 }))}.${p}.${s}`)).toBe('token_signature_wrong');
    expect(verdict(`${h}.${p}.${'A'.repeat(342)}`)).toBe('token_signature_wrong');
  });
});

describe('security 1: only algorithms on the list', () => {
  it.each([
    'none',
    'None',
    'nOnE',
    '',
    'HS256',
    'hs256',
    'rs256',
    'RS256 ',
    'ES384',
    'RS512',
    'PS256',
    'EdDSA',
    'constructor',
  ])('refuses alg %j', (alg) => {
    expect(verdict(signedToken({ ...goodHeader(), alg }))).toBe('token_signature_wrong');
  });

  it('refuses an algorithm that has a key but is not on the list', () => {
    const onlyRsa = verifierOf({ algorithms: ['RS256'] });
    expect(refusal(() => onlyRsa.verify(signedToken(), AT))).toBe('accepted');
    const token = signedToken(goodHeader(ec), goodClaims(), ec);
    expect(refusal(() => onlyRsa.verify(token, AT))).toBe('token_signature_wrong');
    expect(verdict(token)).toBe('accepted');
  });

  it('is not created without algorithms, or with one that has a shared secret', () => {
    for (const alg of ['none', 'HS256', 'EdDSA448', 'toString']) {
      expect(() => verifierOf({ algorithms: [alg as 'RS256'] })).toThrow(TypeError);
    }
    expect(() => verifierOf({ algorithms: [] })).toThrow(TypeError);
  });
});

describe('security 2: each key is for one algorithm', () => {
  it('refuses an RS256 header with a key published for PS256, though the signature is right', () => {
    const [jwk] = publicJwks([rsa]).keys;
    const keys = createKeySet({ keys: [{ ...jwk, alg: 'PS256' }] });
    const both = verifierOf({ keys, algorithms: ['RS256', 'PS256'] });
    expect(refusal(() => both.verify(signedToken(), AT))).toBe('token_key_unknown');
  });

  it('refuses the kid of the EC key with an RSA algorithm, and that of the RSA key with an EC algorithm', () => {
    expect(verdict(signedToken({ ...goodHeader(), kid: ec.kid }))).toBe('token_key_unknown');
    expect(verdict(signedToken({ ...goodHeader(ec), kid: rsa.kid }, goodClaims(), ec))).toBe('token_key_unknown');
  });

  it('refuses a key of another type even if the key set returns it', () => {
    const careless: Pick<KeySet, 'find'> = { find: () => ec.publicKey };
    expect(refusal(() => verifierOf({ keys: careless }).verify(signedToken(), AT))).toBe('token_signature_wrong');
  });

  it('throws for a key that is not public', () => {
    const careless: Pick<KeySet, 'find'> = { find: () => rsa.privateKey };
    expect(() => verifierOf({ keys: careless }).verify(signedToken(), AT)).toThrow(TypeError);
  });
});

describe('security 3: a public key is not a shared secret', () => {
  const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const [jwk] = publicJwks([rsa]).keys;
  const secrets: [string, string | Buffer][] = [
    ['PEM', pem],
    ['PEM with a leading newline', `\n${pem}`],
    ['PEM without its end', pem.trimEnd()],
    ['PKCS#1', rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString()],
    ['DER', rsa.publicKey.export({ type: 'spki', format: 'der' })],
    ['JWK', JSON.stringify(jwk)],
    ['JWK Set', JSON.stringify(publicJwks([rsa]))],
    ['modulus', jwk?.n ?? ''],
    ['nothing', ''],
  ];

  it.each(secrets)('refuses HS256 with the %s', (_, secret) => {
    expect(verdict(hmacToken({ ...goodHeader(), alg: 'HS256' }, goodClaims(), secret))).toBe('token_signature_wrong');
    expect(verdict(hmacToken(goodHeader(), goodClaims(), secret))).toBe('token_signature_wrong');
  });
});

describe('security 4: a key in the header is not used', () => {
  const thief = generateSigningKey('ES256');
  const stolen = publicJwks([thief]);

  it.each([
    ['jwk', { jwk: stolen.keys[0] }],
    ['jku', { jku: 'http://127.0.0.1:9/jwks.json' }],
    ['x5u', { x5u: 'http://127.0.0.1:9/cert.pem' }],
    ['x5c', { x5c: [base64url('certificate')] }],
  ])('ignores %s', (_, members) => {
    const header = { ...goodHeader(thief), ...members };
    expect(verdict(signedToken(header, goodClaims(), thief))).toBe('token_key_unknown');
    expect(verdict(signedToken({ ...header, kid: ec.kid }, goodClaims(), thief))).toBe('token_signature_wrong');
    // Next to a known kid these members have no effect.
    expect(verdict(signedToken({ ...goodHeader(), ...members }))).toBe('accepted');
  });
});

describe('security 5: a kid is only compared', () => {
  it.each([
    '../../dev/null',
    "' OR 1=1--",
    'k'.repeat(5_000),
    'a\0b',
    '',
    '__proto__',
    'constructor',
    ' ',
    rsa.kid.toUpperCase(),
    `${rsa.kid} `,
  ])('refuses %j', (kid) => {
    expect(verdict(signedToken({ ...goodHeader(), kid }))).toBe('token_key_unknown');
  });

  it('refuses a kid of 10 kB', () => {
    expect(verdict(signedToken({ ...goodHeader(), kid: 'k'.repeat(10_000) }))).toBe('token_malformed');
  });

  it.each([[[rsa.kid]], [7], [null], [{}]])('refuses a kid that is not text: %j', (kid) => {
    expect(verdict(signedToken({ ...goodHeader(), kid }))).toBe('token_malformed');
  });

  it('refuses a token without a kid', () => {
    expect(verdict(signedToken({ alg: 'RS256', typ: 'at+jwt' }))).toBe('token_key_unknown');
  });
});

describe('security 7: no extension is supported', () => {
  it.each([
    { crit: ['x'], x: 1 },
    { crit: [] },
    { crit: null },
    { crit: ['b64'], b64: false },
    { crit: ['exp'], exp: 1 },
    { b64: false },
    { b64: true },
    { zip: 'DEF' },
  ])('refuses %j', (members) => {
    expect(verdict(signedToken({ ...goodHeader(), ...members }))).toBe('token_malformed');
  });
});

describe('security 8: signatures that sign nothing', () => {
  const [h, p, s] = signedToken(goodHeader(ec), goodClaims(), ec).split('.') as [string, string, string];
  const bytes = Buffer.from(s, 'base64url');
  const zero = Buffer.alloc(32);

  it.each([
    ['r = s = 0', Buffer.concat([zero, zero])],
    ['r = 0', Buffer.concat([zero, bytes.subarray(32)])],
    ['s = 0', Buffer.concat([bytes.subarray(0, 32), zero])],
    ['one byte', Buffer.from([0])],
    ['half', bytes.subarray(0, 32)],
    ['one byte more', Buffer.concat([bytes, Buffer.from([0])])],
    ['DER', Buffer.concat([Buffer.from([0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00])])],
  ])('refuses ES256 with %s', (_, signature) => {
    expect(verdict(`${h}.${p}.${signature.toString('base64url')}`)).toBe('token_signature_wrong');
  });

  it('refuses RS256 with zeros', () => {
    const [rh, rp] = signedToken().split('.');
    expect(verdict(`${rh}.${rp}.${Buffer.alloc(256).toString('base64url')}`)).toBe('token_signature_wrong');
  });
});

describe('security 12: the type is one of the configured', () => {
  it.each(['at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/AT+jwt'])('accepts %s', (typ) => {
    expect(verdict(signedToken({ ...goodHeader(), typ }))).toBe('accepted');
  });

  it.each([
    'JWT',
    'logout+jwt',
    'secevent+jwt',
    'application/application/at+jwt',
    'text/at+jwt',
    'at+jwt ',
    'at',
    '',
    'application/',
  ])('refuses %j', (typ) => {
    expect(verdict(signedToken({ ...goodHeader(), typ }))).toBe('token_type_wrong');
  });

  it('refuses a token without a typ', () => {
    expect(verdict(signedToken({ alg: 'RS256', kid: rsa.kid }))).toBe('token_type_wrong');
  });

  it('accepts the types of another profile', () => {
    const keycloak = verifierOf({ typ: ['JWT', 'application/at+jwt'] });
    for (const typ of ['JWT', 'jwt', 'at+jwt']) {
      expect(refusal(() => keycloak.verify(signedToken({ ...goodHeader(), typ }), AT))).toBe('accepted');
    }
  });
});

describe('security 13: the issuer is this issuer, and the key is of its set', () => {
  it.each([
    'https://issuer.example/',
    'https://ISSUER.example',
    'https://other.example',
    '',
    5,
    null,
    ['https://issuer.example'],
  ])('refuses iss %j', (iss) => {
    expect(verdict(withClaims({ iss }))).toBe('token_issuer_unknown');
  });

  it('refuses a token without an iss', () => {
    expect(verdict(without('iss'))).toBe('token_issuer_unknown');
  });

  it('refuses the right iss under a key of another issuer', () => {
    const other = generateSigningKey('ES256');
    expect(verdict(signedToken(goodHeader(other), goodClaims(), other))).toBe('token_key_unknown');
  });
});

describe('security 14: the audience contains this service', () => {
  it.each([['prices'], [['prices']], [['orders', 'prices']]])('accepts %j', (aud) => {
    expect(verdict(withClaims({ aud }))).toBe('accepted');
  });

  it.each([
    ['orders'],
    [['orders']],
    [[]],
    [''],
    ['prices '],
    [null],
    [5],
    [{ prices: true }],
    [['prices', 5]],
    [[['prices']]],
  ])('refuses %j', (aud) => {
    expect(verdict(withClaims({ aud }))).toBe('token_audience_wrong');
  });

  it('refuses a token without an aud', () => {
    expect(verdict(without('aud'))).toBe('token_audience_wrong');
  });

  it('accepts any of several', () => {
    const several = verifierOf({ audience: ['orders', 'prices'] });
    expect(refusal(() => several.verify(withClaims({ aud: ['x', 'orders'] }), AT))).toBe('accepted');
    expect(refusal(() => several.verify(withClaims({ aud: ['x'] }), AT))).toBe('token_audience_wrong');
  });

  it('does not check the audience only with `null`', () => {
    expect(refusal(() => verifierOf({ audience: null }).verify(without('aud'), AT))).toBe('accepted');
    for (const audience of [undefined, '', [], ['']]) {
      expect(() => verifierOf({ audience: audience as string })).toThrow(TypeError);
    }
  });
});

describe('security 15: times are enforced, with a tolerance of 60 s at most', () => {
  const exp = AT + 900_000;

  it('expires at exp, to the millisecond', () => {
    expect(verdict(signedToken(), exp - 1)).toBe('accepted');
    expect(verdict(signedToken(), exp)).toBe('token_expired');
  });

  it('tolerates an expiry for expiryToleranceMs only', () => {
    const lenient = verifierOf({ expiryToleranceMs: 60_000 });
    expect(refusal(() => lenient.verify(signedToken(), exp + 59_999))).toBe('accepted');
    expect(refusal(() => lenient.verify(signedToken(), exp + 60_000))).toBe('token_expired');
  });

  it('tolerates an iat or nbf up to 60 s ahead', () => {
    expect(verdict(withClaims({ iat: AT_SECONDS + 60 }))).toBe('accepted');
    expect(verdict(withClaims({ iat: AT_SECONDS + 61 }))).toBe('token_not_yet_valid');
    expect(verdict(withClaims({ nbf: AT_SECONDS + 60 }))).toBe('accepted');
    expect(verdict(withClaims({ nbf: AT_SECONDS + 61 }))).toBe('token_not_yet_valid');
    const strict = verifierOf({ toleranceMs: 0 });
    expect(refusal(() => strict.verify(signedToken(), AT))).toBe('accepted');
    expect(refusal(() => strict.verify(signedToken(), AT - 1))).toBe('token_not_yet_valid');
  });

  it.each([Number.POSITIVE_INFINITY, Number.NaN, -1, 60_001, '5', null])(
    'refuses to be made with a tolerance of %s',
    (ms) => {
      expect(() => verifierOf({ toleranceMs: ms as number })).toThrow(TypeError);
      expect(() => verifierOf({ expiryToleranceMs: ms as number })).toThrow(TypeError);
    },
  );

  it.each(['exp', 'iat'])('refuses a token without %s', (claim) => {
    expect(verdict(without(claim))).toBe('token_claim_wrong');
  });

  it.each(['exp', 'iat', 'nbf'])('refuses an %s that is not a time', (claim) => {
    for (const written of ['"1893457000"', '1e400', '-1e400', '1e300', 'null', 'true', '[1893457000]', '{}', '""']) {
      const { [claim]: _, ...rest } = goodClaims();
      const text = JSON.stringify(rest).replace(/\}$/, `,"${claim}":${written}}`);
      expect(verdict(rawToken(JSON.stringify(goodHeader()), text)), written).toBe('token_claim_wrong');
    }
  });

  it('accepts a fraction of a second (RFC 7519 section 2)', () => {
    expect(verdict(withClaims({ exp: AT_SECONDS + 0.5 }), AT + 499)).toBe('accepted');
    expect(verdict(withClaims({ exp: AT_SECONDS + 0.5 }), AT + 500)).toBe('token_expired');
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, undefined, '1'])(
    'throws when the time to compare with is %s',
    (at) => {
      expect(() => verifier.verify(signedToken(), at as number)).toThrow(TypeError);
    },
  );
});

describe('a text that was verified before', () => {
  const again = (text: string, key = rsa.publicKey, at = AT, by = verifier) => by.verifyAgain(text, at, key);
  /** An unsigned text: the result shows whether the signature was verified. */
  const unsigned = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) => {
    const token = signedToken({ ...goodHeader(), ...header }, { ...goodClaims(), ...claims });
    return token.split('.').with(2, 'A'.repeat(342)).join('.');
  };

  it('is verified again without its signature', () => {
    expect(again(unsigned())).toEqual({ token: unsigned(), header: goodHeader(), payload: goodClaims() });
    expect(verdict(unsigned())).toBe('token_signature_wrong');
  });

  it('is accepted when its key was read again', () => {
    const [jwk] = publicJwks([rsa]).keys;
    const readAgain = createKeySet({ keys: [jwk] }).find(rsa.kid, 'RS256');
    expect(readAgain).not.toBe(rsa.publicKey);
    expect(again(unsigned(), readAgain)?.payload).toEqual(goodClaims());
  });

  it('is not accepted when its key has changed', () => {
    expect(again(unsigned(), ec.publicKey)).toBeUndefined();
    const replaced = verifierOf({ keys: { find: () => ec.publicKey } });
    expect(again(unsigned(), rsa.publicKey, AT, replaced)).toBeUndefined();
  });

  it.each([
    ['token_malformed', () => again(`${unsigned()}=`)],
    ['token_malformed', () => again(unsigned({}, { crit: ['x'] }))],
    ['token_type_wrong', () => again(unsigned({}, { typ: 'jwt' }))],
    ['token_key_unknown', () => again(unsigned({}, { kid: 'unknown' }))],
    ['token_signature_wrong', () => again(unsigned({}, { alg: 'none' }))],
    ['token_issuer_unknown', () => again(unsigned({ iss: 'https://other.example' }))],
    ['token_audience_wrong', () => again(unsigned({ aud: 'orders' }))],
    ['token_claim_wrong', () => again(unsigned({ sub: '' }))],
    ['token_expired', () => again(unsigned(), rsa.publicKey, AT + 900_000)],
    ['token_not_yet_valid', () => again(unsigned(), rsa.publicKey, AT - 60_001)],
  ])('is refused for anything else: %s', (code, ask) => {
    expect(refusal(ask)).toBe(code);
  });
});

describe('security 16: required claims are text or numbers', () => {
  it.each(['sub', 'jti', 'client_id'])('refuses a token without a usable %s', (claim) => {
    expect(verdict(without(claim))).toBe('token_claim_wrong');
    for (const value of ['', null, true, [], ['a'], {}]) {
      expect(verdict(withClaims({ [claim]: value }))).toBe('token_claim_wrong');
    }
  });

  it('treats inherited members as absent', () => {
    const strange = verifierOf({ requiredClaims: ['constructor', 'toString'] });
    expect(refusal(() => strange.verify(signedToken(), AT))).toBe('token_claim_wrong');
  });

  it('refuses a number that is not finite', () => {
    expect(verdict(rawToken(JSON.stringify(goodHeader()), payloadWith('"z":1').replace('"token-1"', '1e999')))).toBe(
      'token_claim_wrong',
    );
  });
});

describe('security event tokens', () => {
  const eventKey = generateSigningKey('ES256');
  const claims = { iss: 'https://issuer.example', iat: AT_SECONDS, jti: 'event-1', events: {} };
  const token = createSigner(eventKey, { typ: 'secevent+jwt' })(claims);
  const events = createVerifier({
    keys: createKeySet(publicJwks([eventKey])),
    issuer: 'https://issuer.example',
    audience: null,
    typ: ['secevent+jwt'],
    expires: 'absent',
  });

  it('are verified without exp and aud by a verifier that requires neither', () => {
    expect(events.verify(token, AT).payload).toEqual(claims);
    const silent = verifierOf({ keys: createKeySet(publicJwks([eventKey])), typ: ['secevent+jwt'], audience: null });
    expect(refusal(() => silent.verify(token, AT))).toBe('token_claim_wrong');
  });

  it('are refused when they have an exp', () => {
    const expiring = createSigner(eventKey, { typ: 'secevent+jwt' })({ ...claims, exp: AT_SECONDS + 900 });
    expect(refusal(() => events.verify(expiring, AT))).toBe('token_claim_wrong');
  });

  it('can be verified without a time', () => {
    expect(refusal(() => events.verify(token, AT - 3_600_000))).toBe('token_not_yet_valid');
    expect(refusal(() => events.verify(token, Number.MAX_SAFE_INTEGER))).toBe('accepted');
  });

  it('are not verified by the keys of access tokens, nor the reverse', () => {
    const asEvent = createSigner(rsa, { typ: 'secevent+jwt' })(claims);
    const asAccess = createSigner(eventKey, { typ: 'at+jwt' })(goodClaims());
    expect(refusal(() => events.verify(asEvent, AT))).toBe('token_key_unknown');
    expect(verdict(asAccess)).toBe('token_key_unknown');
    expect(refusal(() => events.verify(signedToken(), AT))).toBe('token_type_wrong');
    expect(verdict(token)).toBe('token_type_wrong');
    // The kid of the other set does not match.
    const borrowed = signedToken({ alg: 'ES256', typ: 'secevent+jwt', kid: eventKey.kid }, claims, ec);
    expect(refusal(() => events.verify(borrowed, AT))).toBe('token_signature_wrong');
  });
});

describe('its options', () => {
  it.each([
    ['keys', undefined],
    ['issuer', ''],
    ['issuer', 5],
    ['typ', []],
    ['typ', 'at+jwt'],
    ['expires', 'never'],
    ['maxBytes', 0],
    ['maxBytes', Number.NaN],
    ['requiredClaims', 'sub'],
  ])('refuses %s: %j', (name, value) => {
    expect(() => verifierOf({ [name]: value })).toThrow(new RegExp(name));
  });

  it('limit the length', () => {
    expect(refusal(() => verifierOf({ maxBytes: 100 }).verify(signedToken(), AT))).toBe('token_malformed');
  });
});
