import { Readable } from 'node:stream';
import { RescindError } from '@rescind/revocation';
import { RequestRefused } from '@rescind/revocation/errors';
import {
  basicAuthorization,
  bearerChallenge,
  corsHeaders,
  errorResponse,
  isHttpUrl,
  isSecureUrl,
  oneHeader,
  pathBelow,
  readBasic,
  readBearer,
  readBody,
  readCookies,
  readText,
} from '@rescind/revocation/http';
import { describe, expect, test } from 'vitest';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const bytes = (...chunks: string[]) => Readable.from(chunks.map((chunk) => Buffer.from(chunk)));

describe('headers', () => {
  test('returns the value of a header that was sent once, whatever its case', () => {
    expect(oneHeader(['Host', 'a', 'AUTHORIZATION', 'b'], 'authorization')).toBe('b');
    expect(oneHeader(['Host', 'a'], 'authorization')).toBeUndefined();
  });

  test('refuses a header that was sent twice, also with equal values', () => {
    const twice = ['Authorization', 'Bearer a', 'authorization', 'Bearer a'];
    expect(() => oneHeader(twice, 'authorization')).toThrow(expect.objectContaining({ code: 'request_invalid' }));
  });
});

describe('bearer', () => {
  const read = (authorization: string | undefined, more: object = {}) =>
    readBearer({ authorization, target: '/a', ...more });

  test.each([
    ['Bearer a.b.c', 'a.b.c'],
    ['bearer a', 'a'],
    ['BEARER  a', 'a'],
    [undefined, undefined],
    ['', undefined],
    ['Basic YTpi', undefined],
    ['Bearerish a', undefined],
  ])('reads %j as %j', (authorization, token) => {
    expect(read(authorization)).toBe(token);
  });

  test.each(['Bearer', 'Bearer ', 'Bearer a b', 'Bearer a, Bearer b', 'Bearer\ta', 'Bearer a\n'])(
    'refuses %j',
    (given) => {
      expect(() => read(given)).toThrow(expect.objectContaining({ code: 'request_invalid' }));
    },
  );

  test('refuses a token in the URL, in a form, and one that is bound to a key', () => {
    for (const target of ['/a?access_token=b', '/a?b=c&access_token=', '/a?access%5Ftoken=b']) {
      expect(() => read('Bearer a', { target })).toThrow(expect.objectContaining({ code: 'request_invalid' }));
    }
    const form = { access_token: 'b' };
    expect(() => read(undefined, { form })).toThrow(expect.objectContaining({ code: 'request_invalid' }));
    expect(() => read('DPoP a')).toThrow(expect.objectContaining({ code: 'token_sender_constrained' }));
  });
});

describe('basic', () => {
  test.each([
    ['orders', 'a secret: with a colon'],
    ['orders', ''],
    ['örders', 'ß'],
  ])('reads what it writes for %j and %j', (id, secret) => {
    expect(readBasic(basicAuthorization(id, secret))).toEqual({ id, secret });
  });

  test.each([undefined, '', 'Bearer a', 'Basics YTpi'])('reads %j as no credentials', (given) => {
    expect(readBasic(given)).toBeUndefined();
  });

  test.each([
    ['no value', 'Basic'],
    ['no colon', `Basic ${base64('orders')}`],
    ['no id', `Basic ${base64(':secret')}`],
    ['no padding', 'Basic YTpiYg'],
    ['surplus bits', 'Basic YTpiYh=='],
    ['the URL alphabet', 'Basic _-pi'],
    ['two values', 'Basic YTpi, Basic YTpi'],
    ['no UTF-8', `Basic ${Buffer.from([0x61, 0x3a, 0xff]).toString('base64')}`],
    ['a control character', `Basic ${base64('a:b\u0000')}`],
    ['too much', `Basic ${base64(`a:${'b'.repeat(10_000)}`)}`],
  ])('reads %s as wrong credentials', (_what, given) => {
    expect(readBasic(given)).toEqual({ id: '', secret: '' });
  });
});

test('reads cookies with the same name, each', () => {
  expect(readCookies('a=1; b=2=3;a=;; c')).toEqual([
    ['a', '1'],
    ['b', '2=3'],
    ['a', ''],
    ['c', ''],
  ]);
  expect(readCookies(undefined)).toEqual([]);
});

describe('bodies', () => {
  test('returns a body up to the limit, and nothing of a longer one', async () => {
    expect((await readBody(bytes('ab', 'c'), { maxBytes: 3 }))?.toString()).toBe('abc');
    expect(await readBody(bytes('ab', 'cd'), { maxBytes: 3 })).toBeUndefined();
    expect((await readBody(null, { maxBytes: 3 }))?.length).toBe(0);
  });

  test('leaves the stream of a request open, and ends that of a response', async () => {
    const request = bytes('ab', 'cd', 'ef');
    await readBody(request, { maxBytes: 1 });
    expect(request.destroyed).toBe(false);
    let isCancelled = false;
    const response = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(Buffer.from('ab')),
      cancel: () => {
        isCancelled = true;
      },
    });
    await readBody(response, { maxBytes: 1 });
    expect(isCancelled).toBe(true);
  });

  test('refuses a body that does not arrive in time', async () => {
    const silent = new Readable({ read: () => undefined });
    await expect(readBody(silent, { maxBytes: 1, timeoutMs: 1 })).rejects.toMatchObject({ code: 'request_invalid' });
    silent.destroy();
  });

  test.each([
    ['text/plain', undefined, 'media_type_wrong'],
    ['application/json; charset=latin1', undefined, 'media_type_wrong'],
    ['application/json', 'gzip', 'media_type_wrong'],
  ])('refuses the type %j with the coding %j', async (type, coding, code) => {
    const headers = ['Content-Type', type, ...(coding === undefined ? [] : ['Content-Encoding', coding])];
    const read = readText(headers, bytes('{}'), { type: 'application/json', maxBytes: 10 });
    await expect(read).rejects.toMatchObject({ code });
  });

  test('reads a request without type and body as an empty text, and refuses a body without a type', async () => {
    const limits = { type: 'application/x-www-form-urlencoded', maxBytes: 10 };
    expect(await readText(['Host', 'a'], Readable.from([]), limits)).toBe('');
    expect(await readText([], null, limits)).toBe('');
    const untyped = readText([], bytes('token=a'), limits);
    await expect(untyped).rejects.toMatchObject({ code: 'media_type_wrong' });
  });

  test('reads text of the type in UTF-8, and refuses other bytes', async () => {
    const json = ['content-type', 'Application/JSON; charset="UTF-8"'];
    const limits = { type: 'application/json', maxBytes: 10 };
    expect(await readText(json, bytes('"ö"'), limits)).toBe('"ö"');
    const wrong = readText(json, Readable.from([Buffer.from([0xff])]), limits);
    await expect(wrong).rejects.toMatchObject({ code: 'request_invalid' });
    await expect(readText(json, bytes('x'.repeat(11)), limits)).rejects.toMatchObject({ code: 'body_too_large' });
  });
});

test('accepts http and https URLs without credentials, query and fragment', () => {
  for (const url of ['https://a.example', 'http://[::1]:80/b']) expect([url, isHttpUrl(url)]).toEqual([url, true]);
  for (const url of ['ftp://a', 'a', '', 'https://u@a', 'https://u:p@a', 'https://a?', 'https://a#', 'javascript:1'])
    expect([url, isHttpUrl(url, { query: false })]).toEqual([url, false]);
  expect(isHttpUrl('https://a?b', { query: true })).toBe(true);
  for (const url of ['https://a', 'http://localhost:1', 'http://127.1.2.3', 'http://[::1]'])
    expect(isSecureUrl(url)).toBe(true);
  for (const url of ['http://a', 'http://127.0.0.1.example', 'http://localhost.example'])
    expect(isSecureUrl(url)).toBe(false);
});

test('removes the base path of a service, and of a well-known path at its end', () => {
  const paths = ['/t', '/t/a', '/ta', '/a', '/.well-known/b/t'].map((path) => pathBelow('/t', path));
  expect(paths).toEqual(['/', '/a', '/ta', '/a', '/.well-known/b']);
});

describe('errors', () => {
  test('are problem details, or of OAuth, with the same members', () => {
    const error = new RequestRefused([{ path: 'a', message: 'must be given' }]);
    const { status, headers, body } = errorResponse(error);
    expect([status, headers]).toEqual([
      400,
      { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' },
    ]);
    const issues = [{ path: 'a', message: 'must be given' }];
    const title = 'The request is malformed';
    const type = 'https://rescind.dev/errors#request_invalid';
    expect(JSON.parse(body)).toEqual({ type, title, status: 400, code: 'request_invalid', issues });
    const oauth = errorResponse(error, { format: 'oauth' });
    expect(oauth.headers['Content-Type']).toBe('application/json');
    const expected = { error: 'invalid_request', error_description: title, code: 'request_invalid', issues };
    expect(JSON.parse(oauth.body)).toEqual(expected);
  });

  test('contain no detail for operators', () => {
    const error = new RescindError('token_revoked', { detail: 'hidden', publicDetail: 'shown' });
    expect(errorResponse(error).body).not.toContain('hidden');
    expect(errorResponse(error).body).toContain('shown');
  });

  test('name whole seconds, one at least, after which to try again', () => {
    const delay = (retryAfter?: number) =>
      errorResponse(new RescindError('busy', retryAfter === undefined ? {} : { retryAfter })).headers['Retry-After'];
    expect([delay(), delay(0.2), delay(7.2)]).toEqual(['1', '1', '8']);
  });

  test('challenge for a better token, in visible ASCII without quotes', () => {
    const challenge = bearerChallenge(new RescindError('token_audience_wrong', { publicDetail: 'a "b" \\ ü' }));
    expect(challenge).toBe(
      'Bearer error="invalid_token", error_description="The access token is not for this service. a b  "',
    );
    expect(bearerChallenge(new RescindError('token_missing'))).toBe('Bearer');
    expect(bearerChallenge(new RescindError('busy'))).toBeUndefined();
  });
});

test('allows pages of the configured origins alone', () => {
  const of = (origin?: string, method = 'GET', requestedMethod?: string) =>
    corsHeaders({ method, origin, requestedMethod }, ['https://app.example'], () => ['POST']);
  for (const origin of [undefined, 'null', 'https://app.example.evil', 'https://APP.example']) {
    expect(of(origin)).toEqual({ headers: { Vary: 'Origin' }, isPreflight: false });
  }
  expect(of('https://app.example').headers['Access-Control-Allow-Origin']).toBe('https://app.example');
  expect(of('https://app.example', 'OPTIONS').isPreflight).toBe(false);
  const preflight = of('https://app.example', 'OPTIONS', 'POST');
  expect(preflight).toMatchObject({ isPreflight: true, headers: { 'Access-Control-Allow-Methods': 'POST' } });
});
