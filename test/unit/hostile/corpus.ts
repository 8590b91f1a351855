import { generateKeyPairSync } from 'node:crypto';
import type { ErrorCode } from '@rescind/revocation';
import type { SigningKey } from '@rescind/token/signing';
import { generateSigningKey, publicJwks } from '@rescind/token/signing';
import { base64url, hmacToken, rawToken, signedToken } from '../token/raw-tokens.ts';
import type { HostileToken } from './hostile-token.ts';
import { PUBLISHED } from './published.ts';

/** A valid token: each hostile one has one thing wrong. */
export interface Good {
  readonly rsa: SigningKey;
  readonly ec: SigningKey;
  readonly claims: Readonly<Record<string, unknown>>;
}

type Entries = Readonly<Record<string, string>>;

const thief = generateSigningKey('RS256');

export function hostileTokens(good: Good): HostileToken[] {
  return [
    ...withCode(1, 'token_signature_wrong', otherAlgorithms(good)),
    ...withCode(2, 'token_key_unknown', otherKeys(good)),
    ...withCode(3, 'token_signature_wrong', confusions(good)),
    ...withCode(4, 'token_key_unknown', ownKeys(good)),
    ...withCode(5, 'token_key_unknown', kids(good)),
    ...withCode(5, 'token_malformed', kidsThatAreNone(good)),
    ...withCode(7, 'token_malformed', extensions(good)),
    ...withCode(8, 'token_malformed', otherSerialisations(good)),
    ...withCode(8, 'token_signature_wrong', emptySignatures(good)),
    ...withCode(9, 'token_malformed', spellings(good)),
    ...withCode(10, 'token_malformed', payloads(good)),
    ...withCode(11, 'token_malformed', huge(good)),
    ...withCode(12, 'token_type_wrong', types(good)),
    ...withCode(
      13,
      'token_issuer_unknown',
      changed(good, 'iss', ['', null, 5, `${good.claims.iss}/`, [good.claims.iss]]),
    ),
    ...withCode(14, 'token_audience_wrong', changed(good, 'aud', ['', null, [], 'other', ['other'], [['prices']]])),
    ...withCode(15, 'token_claim_wrong', times(good)),
    ...withCode(15, 'token_expired', changed(good, 'exp', [0, -1, Number(good.claims.iat) - 1])),
    ...withCode(15, 'token_not_yet_valid', changed(good, 'nbf', [Number(good.claims.iat) + 3_600])),
    ...withCode(16, 'token_claim_wrong', required(good)),
    ...PUBLISHED,
  ];
}

const withCode = (security: number, code: ErrorCode, entries: Entries): HostileToken[] =>
  Object.entries(entries).map(([what, text]) => ({ security, what, text, code }));

const headerOf = (key: SigningKey, more: object = {}) => ({ alg: key.alg, typ: 'at+jwt', kid: key.kid, ...more });
const signedBy = (key: SigningKey, header: object, claims: object) => signedToken({ ...header }, { ...claims }, key);

function otherAlgorithms({ rsa, claims }: Good): Entries {
  const names = [
    'none',
    'None',
    'nOnE',
    'NONE',
    '',
    'HS256',
    'hs256',
    'rs256',
    'RS256 ',
    'RS384',
    'PS256',
    'ES384',
    'EdDSA',
  ];
  return Object.fromEntries(
    names.map((alg) => [`alg ${JSON.stringify(alg)}`, signedBy(rsa, headerOf(rsa, { alg }), claims)]),
  );
}

/** RFC 8725 section 3.1: a key is for one algorithm only. */
function otherKeys({ rsa, ec, claims }: Good): Entries {
  return {
    'ES256 by the name of the RSA key': signedBy(ec, headerOf(ec, { kid: rsa.kid }), claims),
    'RS256 by the name of the EC key': signedBy(rsa, headerOf(rsa, { kid: ec.kid }), claims),
    'a key of nobody': signedBy(thief, headerOf(thief), claims),
  };
}

function confusions({ rsa, ec, claims }: Good): Entries {
  const texts: [string, string | Buffer][] = [rsa, ec].flatMap((key): [string, string | Buffer][] => {
    const spki = key.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    return [
      [`${key.alg} PEM`, spki],
      [`${key.alg} PEM without its last newline`, spki.trim()],
      [`${key.alg} PEM after a newline`, `\n${spki}`],
      [`${key.alg} DER`, key.publicKey.export({ type: 'spki', format: 'der' })],
      [`${key.alg} JWK`, JSON.stringify(publicJwks([key]).keys[0])],
      [`${key.alg} JWK Set`, JSON.stringify(publicJwks([rsa, ec]))],
      [`${key.alg} thumbprint`, key.kid],
    ];
  });
  texts.push(['RS256 PKCS #1', rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString()], ['nothing', '']);
  return Object.fromEntries(
    texts.map(([what, secret]) => [
      `HMAC keyed with ${what}`,
      hmacToken(headerOf(rsa, { alg: 'HS256' }), { ...claims }, secret),
    ]),
  );
}

/** The address in tokens that name a key by URL. A test replaces it by the address of its own listener. */
export const KEY_ADDRESS = 'http://127.0.0.1:9/stolen';

function ownKeys({ claims }: Good): Entries {
  const [jwk] = publicJwks([thief]).keys;
  const members: Record<string, object> = {
    jwk: { jwk },
    'jwk and none other': { jwk, kid: undefined },
    jku: { jku: KEY_ADDRESS },
    x5u: { x5u: KEY_ADDRESS },
    x5c: { x5c: [base64url('certificate')] },
    'all of them': { jwk, jku: KEY_ADDRESS, x5u: KEY_ADDRESS, x5c: ['AA=='], x5t: 'AA', 'x5t#S256': 'AA' },
  };
  return Object.fromEntries(
    Object.entries(members).map(([what, more]) => [what, signedBy(thief, headerOf(thief, more), claims)]),
  );
}

function kids({ rsa, claims }: Good): Entries {
  const names = [
    '../../dev/null',
    '/dev/null',
    "' OR 1=1--",
    "x' UNION SELECT 'key",
    'k'.repeat(4_000),
    'a\0b',
    '__proto__',
    'constructor',
    ' ',
    '',
    '$(id)',
    '{"$ne":1}',
    `${rsa.kid} `,
    `${rsa.kid}\0`,
    rsa.kid.toLowerCase() === rsa.kid ? rsa.kid.toUpperCase() : rsa.kid.toLowerCase(),
    'https://attacker.example/key',
  ];
  return Object.fromEntries(
    names.map((kid) => [`kid ${JSON.stringify(kid.slice(0, 30))}`, signedBy(rsa, headerOf(rsa, { kid }), claims)]),
  );
}

function kidsThatAreNone({ rsa, claims }: Good): Entries {
  const values = [7, null, true, [rsa.kid], { kid: rsa.kid }, 'k'.repeat(10_000)];
  return Object.fromEntries(
    values.map((kid) => [`kid ${JSON.stringify(kid).slice(0, 30)}`, signedBy(rsa, headerOf(rsa, { kid }), claims)]),
  );
}

/** RFC 7515 section 4.1.11, RFC 7797 section 7. */
function extensions({ rsa, claims }: Good): Entries {
  const members = [
    { crit: ['x'], x: 1 },
    { crit: [] },
    { crit: null },
    { crit: 'exp' },
    { crit: ['b64'], b64: false },
    { crit: ['exp'], exp: 1 },
    { b64: false },
    { b64: true },
    { zip: 'DEF' },
  ];
  return Object.fromEntries(members.map((more) => [JSON.stringify(more), signedBy(rsa, headerOf(rsa, more), claims)]));
}

function otherSerialisations({ rsa, claims }: Good): Entries {
  const token = signedBy(rsa, headerOf(rsa), claims);
  const [h, p, s] = token.split('.') as [string, string, string];
  return {
    'five parts': `${h}.${p}.${s}.${s}.${s}`,
    'four parts': `${token}.${s}`,
    'two parts': `${h}.${p}`,
    'one part': h,
    'no signature': `${h}.${p}.`,
    'no header': `.${p}.${s}`,
    'no payload': `${h}..${s}`,
    dots: '..',
    nothing: '',
    'flattened JSON': JSON.stringify({ protected: h, payload: p, signature: s }),
    'general JSON': JSON.stringify({ payload: p, signatures: [{ protected: h, signature: s }] }),
    'a token within a token': rawToken(JSON.stringify(headerOf(rsa)), token, rsa),
    'its scheme before it': `Bearer ${token}`,
    'two tokens': `${token},${token}`,
  };
}

function emptySignatures({ rsa, ec, claims }: Good): Entries {
  const [h, p, s] = signedBy(ec, headerOf(ec), claims).split('.') as [string, string, string];
  const [rh, rp] = signedBy(rsa, headerOf(rsa), claims).split('.') as [string, string];
  const bytes = Buffer.from(s, 'base64url');
  const zero = Buffer.alloc(32);
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
  const of = (signature: Buffer) => `${h}.${p}.${signature.toString('base64url')}`;
  return {
    'ES256 r = s = 0': of(Buffer.concat([zero, zero])),
    'ES256 r = 0': of(Buffer.concat([zero, bytes.subarray(32)])),
    'ES256 s = 0': of(Buffer.concat([bytes.subarray(0, 32), zero])),
    'ES256 r = s = n': of(Buffer.concat([order, order])),
    'ES256 s = n': of(Buffer.concat([bytes.subarray(0, 32), order])),
    'ES256 in DER': of(
      Buffer.concat([
        Buffer.from([0x30, 0x44, 2, 32]),
        bytes.subarray(0, 32),
        Buffer.from([2, 32]),
        bytes.subarray(32),
      ]),
    ),
    'ES256 one byte short': of(bytes.subarray(0, 63)),
    'ES256 one byte more': of(Buffer.concat([bytes, Buffer.from([0])])),
    'RS256 of zeros': `${rh}.${rp}.${Buffer.alloc(256).toString('base64url')}`,
    'RS256 of one': `${rh}.${rp}.${Buffer.from([1]).toString('base64url')}`,
  };
}

/** RFC 4648 section 3.5, RFC 7515 section 2: spellings that a lenient decoder decodes to the same bytes. */
function spellings({ rsa, claims }: Good): Entries {
  const token = signedBy(rsa, headerOf(rsa), claims);
  const [h, p, s] = token.split('.') as [string, string, string];
  const entries: Record<string, string> = {
    'padding after the signature': `${token}==`,
    'padding in the middle': `${h}=.${p}.${s}`,
    'base64 instead of base64url': `${h}.${p}.${Buffer.from(s, 'base64url').toString('base64')}`,
  };
  for (const char of [' ', '\t', '\n', '\r\n', '\0', '%', '!', '+', '/', '*', '\u00e9', '\u200b', '\ufeff']) {
    entries[`${JSON.stringify(char)} before`] = char + token;
    entries[`${JSON.stringify(char)} after`] = token + char;
    entries[`${JSON.stringify(char)} within the signature`] = `${h}.${p}.${s.slice(0, 9)}${char}${s.slice(9)}`;
  }
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  for (const char of alphabet) {
    const other = s.slice(0, -1) + char;
    const isSame = Buffer.from(other, 'base64url').equals(Buffer.from(s, 'base64url'));
    if (other !== s && isSame) entries[`spare bits ${char}`] = `${h}.${p}.${other}`;
  }
  return entries;
}

/** RFC 7519 section 4, RFC 8259 section 8.1, RFC 7493 section 2. */
function payloads({ rsa, claims }: Good): Entries {
  const text = JSON.stringify(claims);
  const with_ = (members: string) => text.replace(/\}$/, `,${members}}`);
  const contents: Record<string, string | Buffer> = {
    'an array': `[${text}]`,
    'an empty array': '[]',
    'a string': JSON.stringify(text),
    'a number': '5',
    null: 'null',
    true: 'true',
    'no JSON': text.slice(0, -1),
    'two objects': `${text}${text}`,
    'a comment': `${text}//`,
    'single quotes': text.replaceAll('"', "'"),
    NaN: with_('"x":NaN'),
    'a byte order mark': `\ufeff${text}`,
    'UTF-16': Buffer.from(text, 'utf16le'),
    'a lone continuation byte': Buffer.concat([Buffer.from(text.slice(0, -2)), Buffer.from([0x80, 0x22, 0x7d])]),
    'a lone surrogate': with_('"x":"\\ud800"'),
    'jti twice': with_('"jti":"another"'),
    'jti twice, escaped': with_('"\\u006ati":"another"'),
    'exp twice': with_('"exp":9999999999'),
    'a name twice within': with_('"x":{"a":1,"a":1}'),
    'a member named __proto__': with_('"__proto__":{"admin":true}'),
    '__proto__, escaped': with_('"\\u005f_proto__":{"admin":true}'),
    '__proto__ within': with_('"x":[{"__proto__":1}]'),
    'nested 200 deep': with_(`"x":${'['.repeat(200)}${']'.repeat(200)}`),
    'nested 1 800 deep': with_(`"x":${'{"a":'.repeat(800)}1${'}'.repeat(800)}`),
  };
  return Object.fromEntries(
    Object.entries(contents).map(([what, content]) => [what, rawToken(JSON.stringify(headerOf(rsa)), content, rsa)]),
  );
}

function huge({ rsa, claims }: Good): Entries {
  const signed = (bytes: number) => signedBy(rsa, headerOf(rsa), { ...claims, pad: 'x'.repeat(bytes) });
  return {
    '9 kB, signed': signed(8_000),
    '1 MB, signed': signed(1_000_000),
    '1 MB of A': 'A'.repeat(1_000_000),
    '1 MB of dots': '.'.repeat(1_000_000),
    '100 000 deep': rawToken(JSON.stringify(headerOf(rsa)), '['.repeat(100_000), rsa),
  };
}

function types({ rsa, claims }: Good): Entries {
  const names = [
    'JWT',
    'jwt',
    'logout+jwt',
    'secevent+jwt',
    'rt+jwt',
    'id_token',
    'at+jwt ',
    'x/at+jwt',
    '',
    undefined,
  ];
  return Object.fromEntries(
    names.map((typ) => [`typ ${JSON.stringify(typ)}`, signedBy(rsa, headerOf(rsa, { typ }), claims)]),
  );
}

function changed({ rsa, claims }: Good, name: string, values: readonly unknown[]): Entries {
  return Object.fromEntries(
    [...values, ...(name === 'nbf' || name === 'exp' ? [] : [undefined])].map((value) => [
      `${name} ${JSON.stringify(value)}`,
      signedBy(rsa, headerOf(rsa), { ...claims, [name]: value }),
    ]),
  );
}

/** Numbers of JSON, of which parsers read some as Infinity. */
function times({ rsa, claims }: Good): Entries {
  const written = ['"9999999999"', '1e400', '-1e400', '1e300', 'null', 'true', '[9999999999]', '{}', '""'];
  const entries: Record<string, string> = {};
  for (const name of ['exp', 'iat', 'nbf']) {
    const { [name]: _, ...others } = claims;
    const header = JSON.stringify(headerOf(rsa));
    for (const value of written) {
      entries[`${name} ${value}`] = rawToken(
        header,
        JSON.stringify(others).replace(/\}$/, `,"${name}":${value}}`),
        rsa,
      );
    }
    if (name !== 'nbf') entries[`no ${name}`] = rawToken(header, JSON.stringify(others), rsa);
  }
  return entries;
}

function required(good: Good): Entries {
  const values = ['', null, true, [], ['a'], {}, undefined];
  return Object.assign({}, ...['sub', 'jti', 'client_id'].map((name) => changed(good, name, values)));
}

/** Both signatures of ES256 over the same bytes: r, and n − s. Whoever has a token can compute the other. */
export function otherSignature(token: string): string {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const [h, p, s = ''] = token.split('.');
  const bytes = Buffer.from(s, 'base64url');
  const half = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  const other = Buffer.concat([bytes.subarray(0, 32), Buffer.from(half.toString(16).padStart(64, '0'), 'hex')]);
  return `${h}.${p}.${other.toString('base64url')}`;
}

/** A key pair of 1 024 bits, as RFC 7518 section 3.3 forbids them. */
export const weakKey = () => generateKeyPairSync('rsa', { modulusLength: 1_024 });
