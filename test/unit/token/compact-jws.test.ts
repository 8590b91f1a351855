import { RescindError } from '@rescind/revocation';
import { parseCompactJws } from '@rescind/token';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { base64url, goodClaims, goodHeader, payloadWith, rawToken, signedToken } from './raw-tokens.ts';
import { refusal } from './refusals.ts';

const header = JSON.stringify(goodHeader());
const payload = JSON.stringify(goodClaims());
const good = signedToken();

afterEach(() => vi.restoreAllMocks());

describe('a good token', () => {
  it('is parsed into header and payload', () => {
    expect(parseCompactJws(good)).toEqual({ text: good, header: goodHeader(), payload: goodClaims() });
  });

  it('may contain any text, and nesting of ordinary depth', () => {
    const claims = { ...goodClaims(), name: 'Zoë "a:b\\" 🔑\n:', a: [{ b: { 'c:': [1, null, 'x":"y'] } }, {}] };
    expect(parseCompactJws(signedToken(goodHeader(), claims)).payload).toEqual(claims);
  });

  it('shares its frozen header with others of its key', () => {
    const one = parseCompactJws(good);
    const other = parseCompactJws(signedToken(goodHeader(), { ...goodClaims(), jti: 'token-2' }));
    expect(other.header).toEqual(one.header);
    expect(other.payload.jti).toBe('token-2');
    expect(() => Object.assign(one.header, { alg: 'none' })).toThrow(TypeError);
    expect(parseCompactJws(good).header).toEqual(goodHeader());
  });

  it('is parsed alike after a flood of other headers', () => {
    const [, p, s] = good.split('.');
    for (let n = 0; n < 200; n += 1) {
      const flood = { ...goodHeader(), kid: `kid-${n}` };
      expect(parseCompactJws(`${base64url(JSON.stringify(flood))}.${p}.${s}`).header).toEqual(flood);
    }
    expect(parseCompactJws(good).header).toEqual(goodHeader());
  });

  it('may use the same name in objects beside or within each other', () => {
    const claims = { a: { a: { a: 1 } }, b: [{ a: 1 }, { a: 2 }] };
    expect(parseCompactJws(signedToken(goodHeader(), claims)).payload).toEqual(claims);
  });
});

describe('security 8: only three parts, none empty', () => {
  const [h, p, s] = good.split('.');
  it.each([
    ['a JWE of five parts', `${h}.${p}.${s}.${s}.${s}`],
    ['four parts', `${good}.${s}`],
    ['two parts', `${h}.${p}`],
    ['one part', `${h}`],
    ['an empty signature', `${h}.${p}.`],
    ['an empty header', `.${p}.${s}`],
    ['an empty payload', `${h}..${s}`],
    ['a dot before', `.${good}`],
    ['a dot after', `${good}.`],
    ['nothing', ''],
    ['the flattened JSON serialization', JSON.stringify({ protected: h, payload: p, signature: s })],
    ['the general JSON serialization', JSON.stringify({ payload: p, signatures: [{ protected: h, signature: s }] })],
  ])('refuses %s', (_, text) => {
    expect(refusal(() => parseCompactJws(text))).toBe('token_malformed');
  });

  it('refuses values that are not text', () => {
    const things: unknown[] = [undefined, null, 5, {}, [good], { length: 9, toString: () => good }, new String(good)];
    for (const thing of things) expect(refusal(() => parseCompactJws(thing as string))).toBe('token_malformed');
  });
});

describe('security 9: only one encoding', () => {
  const foreign = ['=', '+', '/', ' ', '\t', '\n', '\r', '\0', '%', ',', ':', '~', '*', 'é', '\u0430', '\u200b', '🔑'];

  it('refuses every foreign character, in every part', () => {
    const starts = [0, good.indexOf('.') + 1, good.lastIndexOf('.') + 1, good.length];
    for (const char of foreign) {
      for (const at of starts) {
        const text = good.slice(0, at) + char + good.slice(at);
        expect(
          refusal(() => parseCompactJws(text)),
          `${JSON.stringify(char)} at ${at}`,
        ).toBe('token_malformed');
      }
    }
  });

  it('refuses padding', () => {
    const [h, p, s] = good.split('.');
    for (const text of [`${h}=.${p}.${s}`, `${h}.${p}=.${s}`, `${good}=`, `${good}==`]) {
      expect(refusal(() => parseCompactJws(text))).toBe('token_malformed');
    }
  });

  it('refuses every other last character that decodes to the same bytes, in every part', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    let tried = 0;
    // Payloads of three lengths, so that each part has spare bits in some of them.
    for (const pad of ['', 'x', 'xx']) {
      const parts = rawToken(header, JSON.stringify({ ...goodClaims(), pad })).split('.');
      parts.forEach((part, index) => {
        const same = [...alphabet]
          .map((char) => part.slice(0, -1) + char)
          .filter((other) => other !== part && Buffer.from(other, 'base64url').equals(Buffer.from(part, 'base64url')));
        for (const other of same) {
          expect(refusal(() => parseCompactJws(parts.with(index, other).join('.')))).toBe('token_malformed');
          tried += 1;
        }
      });
    }
    expect(tried).toBeGreaterThan(20);
  });

  it('refuses a part of an impossible length', () => {
    const [h, p, s] = good.split('.');
    const impossible = 'A'.repeat(5);
    for (const text of [`${impossible}.${p}.${s}`, `${h}.${impossible}.${s}`, `${h}.${p}.${impossible}`]) {
      expect(refusal(() => parseCompactJws(text))).toBe('token_malformed');
    }
  });
});

describe('security 10: header and payload are JSON objects that all parsers read alike', () => {
  const wrong: [string, string | Uint8Array][] = [
    ['an array', '[]'],
    ['an array of claims', `[${payload}]`],
    ['text', '"abc"'],
    ['a number', '5'],
    ['null', 'null'],
    ['true', 'true'],
    ['not JSON', '{"a":1'],
    ['two objects', '{}{}'],
    ['a trailing comma', '{"a":1,}'],
    ['a comment', '{"a":1}/**/'],
    ['NaN', '{"a":NaN}'],
    ['a byte order mark', `\uFEFF${payload}`],
    ['UTF-16', Buffer.from(payload, 'utf16le')],
    ['a lone continuation byte', Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0x80, 0x22, 0x7d])],
    ['an overlong slash', Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xc0, 0xaf, 0x22, 0x7d])],
    ['a surrogate in UTF-8', Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x7d])],
    ['a lone surrogate', '{"a":"\\ud800"}'],
    ['a lone surrogate in a name', '{"\\udc00":1}'],
    ['a lone surrogate in a list', '{"a":["\\ud800x"]}'],
  ];

  it.each(wrong)('refuses as payload: %s', (_, text) => {
    expect(refusal(() => parseCompactJws(rawToken(header, text)))).toBe('token_malformed');
  });

  it.each(wrong)('refuses as header: %s', (_, text) => {
    expect(refusal(() => parseCompactJws(rawToken(text, payload)))).toBe('token_malformed');
  });

  it.each([
    '"jti":"other"',
    '"exp":9999999999',
    '"\\u006ati":"other"',
    '"exp" : 9999999999',
    '"deep":{"a":1,"a":1}',
    '"list":[0,{"a":1,"b":2,"\\u0061":3}]',
    '"colons":{"a:":":","a\\u003a":1}',
  ])('refuses a name given twice: %s', (member) => {
    expect(refusal(() => parseCompactJws(rawToken(header, payloadWith(member))))).toBe('token_malformed');
  });

  it('refuses a duplicate member in the header', () => {
    const twice = header.replace('{', '{"alg":"none",');
    expect(refusal(() => parseCompactJws(rawToken(twice, payload)))).toBe('token_malformed');
  });

  it.each(['"__proto__":{"admin":true}', '"\\u005f_proto__":1', '"a":[{"b":{"__proto__":{"exp":1}}}]'])(
    'refuses __proto__, and pollutes nothing: %s',
    (member) => {
      expect(refusal(() => parseCompactJws(rawToken(header, payloadWith(member))))).toBe('token_malformed');
      expect(Object.hasOwn(Object.prototype, 'admin')).toBe(false);
    },
  );

  it('accepts constructor and prototype as ordinary names', () => {
    const { payload: read } = parseCompactJws(
      rawToken(header, payloadWith('"constructor":{"prototype":{"admin":true}}')),
    );
    expect(Object.hasOwn(read, 'constructor')).toBe(true);
    expect(({} as Record<string, unknown>).admin).toBeUndefined();
  });

  it.each(['[', '{"a":'])('refuses nesting beyond 32: %s', (open) => {
    const nested = (depth: number) => open.repeat(depth) + (open === '[' ? ']' : '1}').repeat(depth);
    const closed = (depth: number) =>
      open === '[' ? nested(depth) : nested(depth).replaceAll('1}', '}').replace('}', '1}');
    expect(refusal(() => parseCompactJws(rawToken(header, `{"deep":${closed(31)}}`)))).toBe('accepted');
    expect(refusal(() => parseCompactJws(rawToken(header, `{"deep":${closed(32)}}`)))).toBe('token_malformed');
    expect(refusal(() => parseCompactJws(rawToken(header, `{"deep":${closed(1000)}}`)))).toBe('token_malformed');
    expect(refusal(() => parseCompactJws(rawToken(header, `{"deep":${closed(200_000)}}`), { maxBytes: 1e7 }))).toBe(
      'token_malformed',
    );
  });

  it.each([
    ['alg', '{"alg":["RS256"]}'],
    ['no alg', '{}'],
    ['alg null', '{"alg":null}'],
    ['kid', '{"alg":"RS256","kid":["a"]}'],
    ['kid a number', '{"alg":"RS256","kid":7}'],
    ['typ', '{"alg":"RS256","typ":{}}'],
  ])('refuses a header whose %s is not text', (_, text) => {
    expect(refusal(() => parseCompactJws(rawToken(text, payload)))).toBe('token_malformed');
  });
});

describe('security 11: a token beyond the limit is not parsed', () => {
  function withLength(length: number): string {
    const [h, p] = good.split('.');
    return `${h}.${p}.${'A'.repeat(length - `${h}.${p}.`.length)}`;
  }

  it('accepts 8192 bytes and refuses one more', () => {
    expect(refusal(() => parseCompactJws(withLength(8192)))).toBe('accepted');
    expect(refusal(() => parseCompactJws(withLength(8193)))).toBe('token_malformed');
  });

  it('accepts another limit', () => {
    expect(refusal(() => parseCompactJws(good, { maxBytes: good.length }))).toBe('accepted');
    expect(refusal(() => parseCompactJws(good, { maxBytes: good.length - 1 }))).toBe('token_malformed');
  });

  it('decodes, parses and matches nothing of it', () => {
    const text = withLength(10_000_000);
    const work = [
      vi.spyOn(Buffer, 'from'),
      vi.spyOn(JSON, 'parse'),
      vi.spyOn(TextDecoder.prototype, 'decode'),
      vi.spyOn(RegExp.prototype, 'exec'),
      vi.spyOn(RegExp.prototype, 'test'),
      vi.spyOn(String.prototype, 'split'),
    ];
    const code = refusal(() => parseCompactJws(text));
    const calls = work.map((spy) => spy.mock.calls.length);
    vi.restoreAllMocks();
    expect(code).toBe('token_malformed');
    expect(calls).toEqual(work.map(() => 0));
  });
});

describe('its error', () => {
  it('names the error and quotes nothing of the token', () => {
    const secret = 'hunter2-hunter2';
    const texts = [
      rawToken(header, `{"password":"${secret}`),
      rawToken(header, `{"a":"${secret}","a":1}`),
      `${secret}.${secret}`,
      `${good} ${secret}`,
    ];
    for (const text of texts) {
      try {
        parseCompactJws(text);
        expect.unreachable();
      } catch (error) {
        expect(error).toBeInstanceOf(RescindError);
        const { message, detail, cause, stack } = error as RescindError;
        expect(detail).toBeTypeOf('string');
        expect(cause).toBeUndefined();
        expect(`${message} ${stack}`).not.toContain(secret);
        expect(`${message} ${stack}`).not.toContain(base64url(secret).slice(0, 12));
      }
    }
  });
});
