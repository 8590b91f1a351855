import { RescindError } from '@rescind/revocation';
import { createKeySet, parseCompactJws } from '@rescind/token';
import { createSigner, generateSigningKey, publicJwks } from '@rescind/token/signing';
import jwt from 'jsonwebtoken';
import { describe, expect, it } from 'vitest';
import {
  AT,
  AT_SECONDS,
  ec,
  goodClaims,
  goodHeader,
  payloadWith,
  rawToken,
  rsa,
  signedToken,
  verifierOf,
} from './raw-tokens.ts';

/** The detail of a refusal, for operators. */
function detailOf(attempt: () => unknown): string | undefined {
  try {
    attempt();
  } catch (error) {
    if (error instanceof RescindError) return error.detail;
    throw error;
  }
  return expect.unreachable();
}

const header = JSON.stringify(goodHeader());
const payload = JSON.stringify(goodClaims());
const [h, p, s] = signedToken().split('.') as [string, string, string];

describe('the detail of parseCompactJws names the error', () => {
  it.each([
    ['not text', 5 as unknown as string],
    ['too long', 'A'.repeat(8_193)],
    ['not three parts', h],
    ['not three parts', `${h}.${p}`],
    ['not three parts', ''],
    ['header: not base64url', `${h}=.${p}.${s}`],
    ['header: not base64url', `.${p}.${s}`],
    ['payload: not base64url', `${h}.${p}=.${s}`],
    ['payload: not base64url', `${h}..${s}`],
    ['signature: not base64url', `${h}.${p}.${s}=`],
    ['signature: not base64url', `${h}.${p}.`],
    ['header: not JSON', rawToken('{', payload)],
    ['payload: not JSON', rawToken(header, '{"a":')],
    ['payload: not UTF-8', rawToken(header, Buffer.from([0x7b, 0x80, 0x7d]))],
    ['payload: not a JSON object', rawToken(header, '[]')],
    ['payload: not a JSON object', rawToken(header, 'null')],
    ['payload: not a JSON object', rawToken(header, '5')],
    ['payload: a member name twice', rawToken(header, '{"a":1,"a":1}')],
    ['payload: a member name twice', rawToken(header, '{"a":{"b":[{"c":1,"c":1}]}}')],
    ['payload: a member named __proto__', rawToken(header, '{"__proto__":1}')],
    ['payload: a member named __proto__', rawToken(header, '{"a":[{"__proto__":1}]}')],
    ['payload: nested too deep', rawToken(header, `{"a":${'['.repeat(32)}${']'.repeat(32)}}`)],
    ['payload: nested too deep', rawToken(header, `{"a":[{"b":${'['.repeat(40)}${']'.repeat(40)}}]}`)],
    ['payload: a lone surrogate', rawToken(header, '{"a":"\\udc00"}')],
    ['header: alg is not text', rawToken('{"alg":5}', payload)],
    ['header: kid is not text', rawToken('{"alg":"RS256","kid":5}', payload)],
    ['header: typ is not text', rawToken('{"alg":"RS256","typ":5}', payload)],
  ])('%s', (detail, text) => {
    expect(detailOf(() => parseCompactJws(text))).toBe(detail);
  });

  it('accepts null beside nested values, and escapes that are no surrogates', () => {
    const claims = { a: null, b: [null, { c: null }], d: 'C:\\ 🔑 \\u0041' };
    expect(parseCompactJws(signedToken(goodHeader(), claims)).payload).toEqual(claims);
  });
});

describe('the detail of a verifier names the error', () => {
  const detail = (text: string, verifier = verifierOf()) => detailOf(() => verifier.verify(text, AT));
  const without = (claim: string) => {
    const { [claim]: _, ...rest } = goodClaims();
    return signedToken(goodHeader(), rest);
  };

  it.each([
    ['alg is not one of those allowed', signedToken({ ...goodHeader(), alg: 'none' })],
    ['header: crit is present', signedToken({ ...goodHeader(), crit: ['x'] })],
    ['header: b64 is present', signedToken({ ...goodHeader(), b64: true })],
    ['header: zip is present', signedToken({ ...goodHeader(), zip: 'DEF' })],
    ['exp is missing', without('exp')],
    ['iat is missing', without('iat')],
    ['exp is not a time', signedToken(goodHeader(), { ...goodClaims(), exp: 'x' })],
    ['iat is not a time', signedToken(goodHeader(), { ...goodClaims(), iat: 'x' })],
    ['nbf is not a time', signedToken(goodHeader(), { ...goodClaims(), nbf: 'x' })],
    ['sub is missing or wrong', without('sub')],
    ['jti is missing or wrong', signedToken(goodHeader(), { ...goodClaims(), jti: '' })],
    ['client_id is missing or wrong', signedToken(goodHeader(), { ...goodClaims(), client_id: true })],
  ])('%s', (words, text) => {
    expect(detail(text)).toBe(words);
  });

  it('reports a present exp where it is refused', () => {
    expect(detail(signedToken(), verifierOf({ expires: 'absent' }))).toBe('exp is present');
  });

  it('names a wrong option', () => {
    expect(() => verifierOf().verify(signedToken(), Number.NaN)).toThrow(/^at must be a finite number .* got NaN$/);
    expect(() => verifierOf({ toleranceMs: 60_001 })).toThrow(/^toleranceMs must be .* at most 60000, got 60001$/);
    expect(() => verifierOf({ expiryToleranceMs: -1 })).toThrow(
      /^expiryToleranceMs must be .* of at least 0 .*, got -1$/,
    );
    for (const texts of [
      ['at+jwt', 5],
      ['', 'at+jwt'],
      [undefined, 'at+jwt'],
    ]) {
      expect(() => verifierOf({ typ: texts as string[] })).toThrow(/^typ\[\d\] must be a type such as at\+jwt/);
    }
  });

  it('describes wrong algorithms, audience and keys', () => {
    for (const algorithms of [['RS256', 'none'], ['none', 'RS256'], ['HS256']]) {
      expect(() => verifierOf({ algorithms: algorithms as never })).toThrow(/^algorithms\[\d\] must be RS256 or /);
    }
    expect(() => verifierOf({ audience: [5] as never })).toThrow(/^audience\[0\] must be text or a list of text/);
    const keys = { find: () => rsa.privateKey };
    expect(() => verifierOf({ keys }).verify(signedToken(), AT)).toThrow(/^keys.find must return public keys$/);
    // Without a kid the header must be refused before the key set is used, although this set has a key for every kid.
    const { kid: _, ...nameless } = goodHeader();
    const all = { find: () => rsa.publicKey };
    expect(() => verifierOf({ keys: all }).verify(signedToken(nameless), AT)).toThrow(RescindError);
  });

  it('ignores application/ only at the beginning of a type', () => {
    for (const typ of ['xapplication/at+jwt', 'at+application/jwt', 'x/application/at+jwt']) {
      expect(() => verifierOf().verify(signedToken({ ...goodHeader(), typ }), AT)).toThrow(RescindError);
    }
  });

  it('accepts the greatest time of a date, and none after it', () => {
    const last = 8.64e12;
    expect(verifierOf().verify(signedToken(goodHeader(), { ...goodClaims(), exp: last }), AT).payload.exp).toBe(last);
    expect(detail(signedToken(goodHeader(), { ...goodClaims(), exp: last + 1 }))).toBe('exp is not a time');
  });
});

describe('cached headers', () => {
  it('are shared only if nothing in them can be changed', () => {
    const strange = signedToken({ ...goodHeader(), x: { admin: false }, y: 'text' });
    Object.assign(parseCompactJws(strange).header.x as object, { admin: true });
    expect(parseCompactJws(strange).header.x).toEqual({ admin: false });
    expect(parseCompactJws(signedToken()).header).toBe(parseCompactJws(signedToken()).header);
  });
});

describe('signatures', () => {
  it('of ES256 have 64 bytes: one without a leading zero of s is refused', () => {
    for (let n = 0; ; n += 1) {
      const token = signedToken(goodHeader(ec), { ...goodClaims(), n }, ec);
      const bytes = Buffer.from(token.split('.')[2] ?? '', 'base64url');
      if (bytes[32] !== 0) continue;
      const shorter = Buffer.concat([bytes.subarray(0, 32), bytes.subarray(33)]).toString('base64url');
      expect(verifierOf().verify(token, AT).payload.n).toBe(n);
      expect(() => verifierOf().verify(token.split('.').with(2, shorter).join('.'), AT)).toThrow(RescindError);
      return;
    }
  });

  it('of PS256 are verified independently of the clock of the machine', () => {
    const key = generateSigningKey('RS256');
    const [jwk] = publicJwks([key]).keys;
    const keys = createKeySet({ keys: [{ ...jwk, alg: 'PS256' }] });
    const verifier = verifierOf({ keys, algorithms: ['PS256'] });
    const signed = (claims: object) => pssToken({ ...goodClaims(), ...claims }, key);
    const [past, future] = [AT_SECONDS - 20 * 31_536_000, AT_SECONDS + 20 * 31_536_000];
    for (const iat of [past, future]) {
      const token = signed({ iat, nbf: iat, exp: iat + 900 });
      expect(verifier.verify(token, iat * 1000).payload.iat).toBe(iat);
      const [a, b, c = ''] = token.split('.');
      const bytes = Buffer.from(c, 'base64url');
      bytes.writeUInt8(bytes.readUInt8(9) ^ 1, 9);
      const other = bytes.toString('base64url');
      expect(() => verifier.verify(`${a}.${b}.${other}`, iat * 1000)).toThrow(RescindError);
    }
    // The same key, for another algorithm than the one it is published for.
    const rs256 = createSigner(key, { typ: 'at+jwt' })(goodClaims());
    expect(() => verifier.verify(rs256, AT)).toThrow(RescindError);
  });

  it('are refused beside another header or payload', () => {
    const [, otherPayload] = rawToken(header, payloadWith('"x":1')).split('.');
    for (const key of [rsa, ec]) {
      const [head, , signature] = signedToken(goodHeader(key), goodClaims(), key).split('.');
      expect(() => verifierOf().verify(`${head}.${otherPayload}.${signature}`, AT)).toThrow(RescindError);
    }
  });
});

function pssToken(claims: object, { privateKey, kid }: ReturnType<typeof generateSigningKey>): string {
  return jwt.sign(claims, privateKey, {
    algorithm: 'PS256',
    header: { alg: 'PS256', typ: 'at+jwt', kid },
  });
}
