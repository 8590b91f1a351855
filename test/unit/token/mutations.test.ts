import { parseCompactJws } from '@rescind/token';
import type { SigningKey } from '@rescind/token/signing';
import { createSigner, publicJwks } from '@rescind/token/signing';
import fc from 'fast-check';
import * as jose from 'jose';
import { describe, expect, it } from 'vitest';
import { AT, ec, goodClaims, goodHeader, rawToken, rsa, signedToken, verifierOf } from './raw-tokens.ts';
import { refusal } from './refusals.ts';

const keySet = jose.createLocalJWKSet({ keys: publicJwks([rsa, ec]).keys.map((key) => ({ ...key })) });
const verifier = verifierOf();

async function joseAccepts(token: string): Promise<boolean> {
  try {
    await jose.jwtVerify(token, keySet, {
      typ: 'at+jwt',
      issuer: 'https://issuer.example',
      audience: 'prices',
      algorithms: ['RS256', 'ES256'],
      currentDate: new Date(AT),
      clockTolerance: 60,
      requiredClaims: ['exp', 'sub', 'jti', 'client_id', 'iat'],
    });
    return true;
  } catch {
    return false;
  }
}

/** Whether it is accepted here. A token that jose refuses must not be accepted. */
async function acceptedByBoth(token: string): Promise<boolean> {
  // Anything thrown that is not a RescindError fails the test.
  const accepted = refusal(() => verifier.verify(token, AT)) === 'accepted';
  if (accepted) expect(await joseAccepts(token), 'jose refuses what is accepted here').toBe(true);
  return accepted;
}

const key = fc.constantFrom<SigningKey>(rsa, ec);
const signed = (one: SigningKey) => createSigner(one, { typ: 'at+jwt' })(goodClaims());
const tokens = new Map([rsa, ec].map((one) => [one, signed(one)]));
const goodToken = key.map((one) => tokens.get(one) ?? '');

describe('a good token', () => {
  it('is accepted by this verifier and by jose', async () => {
    for (const token of tokens.values()) expect(await acceptedByBoth(token)).toBe(true);
  });

  it('made by jose is accepted by this verifier and by jose', async () => {
    const isFree = (name: string) => !Object.hasOwn(goodClaims(), name) && name !== 'nbf';
    const claims = fc
      .dictionary(fc.string({ minLength: 1 }).filter(isFree), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 5 })
      // The one name that jose takes and parseCompactJws does not.
      .filter((extra) => !JSON.stringify(extra).includes('__proto__'));
    await fc.assert(
      fc.asyncProperty(key, claims, async (one, extra) => {
        const payload = { ...goodClaims(), ...extra };
        const token = await new jose.SignJWT(payload)
          .setProtectedHeader({ alg: one.alg, kid: one.kid, typ: 'at+jwt' })
          .sign(one.privateKey);
        expect(await acceptedByBoth(token)).toBe(true);
        // Compared as JSON, in which -0 is written as 0.
        expect(verifier.verify(token, AT).payload).toEqual(JSON.parse(JSON.stringify(payload)));
      }),
      { numRuns: 200 },
    );
  });
});

describe('a changed token is refused', () => {
  it('when one character differs', async () => {
    const character = fc.oneof(
      fc.constantFrom(...'ABCXYZabcxyz0189-_.=+/ \n\0'),
      fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }),
    );
    await fc.assert(
      fc.asyncProperty(goodToken, fc.nat(), character, async (token, index, char) => {
        const at = index % token.length;
        const changed = token.slice(0, at) + char + token.slice(at + 1);
        fc.pre(changed !== token);
        expect(await acceptedByBoth(changed)).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });

  it('when one part is replaced', async () => {
    await fc.assert(
      fc.asyncProperty(goodToken, fc.nat(2), fc.uint8Array({ maxLength: 300 }), async (token, part, bytes) => {
        const changed = token.split('.').with(part, Buffer.from(bytes).toString('base64url')).join('.');
        expect(await acceptedByBoth(changed)).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('when it is truncated, repeated or its parts are swapped', async () => {
    await fc.assert(
      fc.asyncProperty(
        goodToken,
        fc.nat(),
        fc.nat(),
        fc.constantFrom('cut', 'repeat', 'swap'),
        async (token, a, b, how) => {
          const [from, to] = [a % token.length, b % token.length].sort((x, y) => x - y) as [number, number];
          const piece = token.slice(from, to);
          const changed = {
            cut: token.slice(0, from) + token.slice(to),
            repeat: token.slice(0, to) + piece + token.slice(to),
            swap: piece + token.slice(0, from) + token.slice(to),
          }[how];
          fc.pre(changed !== token);
          expect(await acceptedByBoth(changed)).toBe(false);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a malformed token signed with the right key', () => {
  it('is never accepted where jose refuses its header', async () => {
    const names = fc.constantFrom('alg', 'typ', 'kid', 'crit', 'b64', 'zip', 'jwk', 'jku', 'x5c', 'x5u', 'cty', 'x');
    const values = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom<unknown>(
        'RS256',
        'ES256',
        'HS256',
        'none',
        'at+jwt',
        'application/AT+JWT',
        'JWT',
        ['b64'],
        [],
        rsa.kid,
        ec.kid,
      ),
    );
    await fc.assert(
      fc.asyncProperty(key, names, values, async (one, name, value) => {
        await acceptedByBoth(signedToken({ ...goodHeader(one), [name]: value }, goodClaims(), one));
      }),
      { numRuns: 500 },
    );
  });

  it('is never accepted where jose refuses a claim', async () => {
    const names = fc.constantFrom(...Object.keys(goodClaims()), 'nbf');
    const times = fc.integer({ min: -120, max: 1_020 }).map((seconds) => AT / 1000 + seconds);
    const values = fc.oneof(fc.jsonValue({ maxDepth: 2 }), times, times.map(String), fc.constant(['prices']));
    await fc.assert(
      fc.asyncProperty(key, names, values, async (one, name, value) => {
        await acceptedByBoth(signedToken(goodHeader(one), { ...goodClaims(), [name]: value }, one));
      }),
      { numRuns: 500 },
    );
  });

  it('is never accepted where jose refuses the text of its payload', async () => {
    const payload = Buffer.from(JSON.stringify(goodClaims()));
    await fc.assert(
      fc.asyncProperty(
        key,
        fc.nat(payload.length),
        fc.nat(3),
        fc.uint8Array({ maxLength: 6 }),
        async (one, at, gone, bytes) => {
          const changed = Buffer.concat([payload.subarray(0, at), bytes, payload.subarray(at + gone)]);
          await acceptedByBoth(rawToken(JSON.stringify(goodHeader(one)), changed, one));
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe('parseCompactJws', () => {
  it('accepts one encoding only: the accepted text is its parts in base64url', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(fc.constantFrom(...tokens.values()), bytes, (token, signature) => {
        const [h, p] = token.split('.');
        const text = `${h}.${p}.${Buffer.from(signature).toString('base64url')}`;
        expect(parseCompactJws(text).text).toBe(text);
      }),
    );
  });

  it('returns a token or throws token_malformed for every text', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.base64String(),
      fc
        .array(fc.constantFrom('.', '{', '}', 'e30', 'AA', '"', '=', '-_'), { maxLength: 12 })
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        expect(refusal(() => parseCompactJws(candidate))).toBe('token_malformed');
      }),
      { numRuns: 2_000 },
    );
  });

  it('finds a duplicate member wherever it is, and nothing else', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.string(), (value, name) => {
        fc.pre(!JSON.stringify([value, name]).includes('__proto__'));
        const member = `${JSON.stringify(name)}:${JSON.stringify(value)}`;
        const header = JSON.stringify(goodHeader());
        const once = rawToken(header, `{"in":[{${member}}]}`, ec);
        const twice = rawToken(header, `{"in":[{${member},${member}}]}`, ec);
        expect(refusal(() => parseCompactJws(once))).toBe('accepted');
        expect(refusal(() => parseCompactJws(twice))).toBe('token_malformed');
      }),
      { numRuns: 300 },
    );
  });
});
