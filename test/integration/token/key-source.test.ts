import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createManualClock } from '@rescind/revocation';
import type { KeySource, KeySourceOptions } from '@rescind/token';
import { createVerifier, openKeySource } from '@rescind/token';
import { createSigner, generateSigningKey, publicJwks } from '@rescind/token/signing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { openJwksServer } from './jwks-server.ts';
import { documentsInMemory, recordingTelemetry } from './recording.ts';

const NOW = Date.UTC(2030, 0, 1);
const first = generateSigningKey('ES256');
const second = generateSigningKey('ES256');
const unreachable = 'http://127.0.0.1:1/jwks.json';

function open(url: string, options: Partial<KeySourceOptions> = {}): KeySource {
  const source = openKeySource({ url, ...options });
  onTestFinished(() => source.close());
  return source;
}

function tokenOf(key: typeof first, header: { jku?: string } = {}) {
  const claims = { iss: 'https://issuer.example', aud: 'prices', iat: NOW / 1000, exp: NOW / 1000 + 900 };
  const token = createSigner(key, { typ: 'at+jwt' })(claims);
  const parts = token.split('.');
  const read = JSON.parse(Buffer.from(parts[0] ?? '', 'base64url').toString());
  return parts.with(0, Buffer.from(JSON.stringify({ ...read, ...header })).toString('base64url')).join('.');
}

function verifierOf(keys: KeySource) {
  return createVerifier({ keys, issuer: 'https://issuer.example', audience: 'prices', typ: ['at+jwt'] });
}

describe('a key source', () => {
  it('fetches the keys, which verify tokens', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const { telemetry, fetches, logged } = recordingTelemetry();
    const source = open(server.url, { telemetry });
    expect(source.kids()).toEqual([]);
    await source.ready();
    expect(source.kids()).toEqual([first.kid]);
    expect(verifierOf(source).verify(tokenOf(first), NOW).header.kid).toBe(first.kid);
    expect(server.requests()).toBe(1);
    expect(fetches('ok')).toBe(1);
    expect(logged('keys_changed')).toEqual([
      { event: 'keys_changed', fields: { source: 'keys', added: 1, removed: 0, replaced: 0, keys: 1 } },
    ]);
  });

  it('fetches again after the max-age of a server with must-revalidate', async () => {
    const serving = async (cacheControl: string) => {
      const server = await openJwksServer(publicJwks([first]));
      server.answer((_, response) => {
        response.setHeader('cache-control', cacheControl);
        response.end(JSON.stringify(publicJwks([first])));
      });
      await open(server.url).ready();
      return server;
    };
    const lenient = await serving('public, max-age=1');
    const strict = await serving('public, max-age=1, must-revalidate');
    await waitFor('two more fetches', () => strict.requests() === 3);
    expect(lenient.requests()).toBe(1);
  });

  it('subtracts the Age of a cached response, and waits a second at least', async () => {
    const serving = async (age: string) => {
      const server = await openJwksServer(publicJwks([first]));
      server.answer((_, response) => {
        response.setHeader('cache-control', 'max-age=3600, must-revalidate');
        response.setHeader('age', age);
        response.end(JSON.stringify(publicJwks([first])));
      });
      await open(server.url).ready();
      return server;
    };
    const [almostStale, longStale, fresh, wrong] = [
      await serving('3599'),
      await serving('999999'),
      await serving('3000'),
      await serving('3599 seconds'),
    ];
    await waitFor('two more fetches by both sources', () => almostStale.requests() === 3 && longStale.requests() === 3);
    expect([fresh.requests(), wrong.requests()]).toEqual([1, 1]);
  });

  it('reports the greater age of the two clocks', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const clock = createManualClock(NOW);
    const source = open(server.url, { clock });
    await source.ready();
    const age = () => source.health()[0]?.ageMs;
    clock.advance(5_000);
    expect(age()).toBe(5_000);
    // The wall clock is set: back, and the monotonic clock still counts; ahead, and the keys count as older than they are.
    clock.setWall(NOW - 3_600_000);
    expect(age()).toBe(5_000);
    clock.setWall(NOW + 60_000);
    expect(age()).toBe(60_000);
  });

  it('fetches periodically: a removed key stops verifying, a new one starts', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const source = open(server.url, { refreshMs: 20 });
    const verifier = verifierOf(source);
    await source.ready();
    verifier.verify(tokenOf(first), NOW);
    server.serve(publicJwks([second]));
    await waitFor('the second key is fetched', () => source.kids().includes(second.kid));
    verifier.verify(tokenOf(second), NOW);
    expect(() => verifier.verify(tokenOf(first), NOW)).toThrow(expect.objectContaining({ code: 'token_key_unknown' }));
  });

  it('retries until the first success, with back-off', async () => {
    const server = await openJwksServer('');
    server.answer((_, response) => response.writeHead(503).end());
    const { telemetry, fetches, logged } = recordingTelemetry();
    const source = open(server.url, { telemetry, name: 'event keys' });
    await waitFor('two failures', () => fetches('status_wrong') === 2);
    expect(source.health()).toEqual([
      {
        name: 'event keys',
        status: 'fail',
        keys: 0,
        origin: 'none',
        ageMs: null,
        stored: null,
        failures: 2,
        lastError: 'status_wrong: answered 503',
      },
    ]);
    expect(logged('keys_fetch_failed')[1]?.fields).toMatchObject({ source: 'event keys', failures: 2, keys: 0 });
    server.serve(publicJwks([first]));
    await source.ready();
    expect(source.health()).toMatchObject([{ status: 'pass', keys: 1, failures: 0, lastError: null }]);
  });
});

describe('security 4: an address in a header is never fetched', () => {
  it('whatever the token contains', async () => {
    const thief = await openJwksServer(publicJwks([second]));
    const server = await openJwksServer(publicJwks([first]));
    const source = open(server.url);
    await source.ready();
    const token = tokenOf(second, { jku: thief.url });
    expect(() => verifierOf(source).verify(token, NOW)).toThrow(expect.objectContaining({ code: 'token_key_unknown' }));
    expect(await source.ensure(second.kid)).toBe(false);
    expect(thief.requests()).toBe(0);
  });
});

describe('security 6: unknown kids cause one fetch per cool-down', () => {
  it('for 10 000 of them, at once and one after another', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const clock = createManualClock(NOW);
    const source = open(server.url, { clock, cooldownMs: 30_000 });
    await source.ready();
    expect(server.requests()).toBe(1);
    const answers = await Promise.all(Array.from({ length: 5_000 }, (_, n) => source.ensure(`random-${n}`)));
    expect(answers).not.toContain(true);
    for (let n = 0; n < 5_000; n += 1) expect(await source.ensure(`later-${n}`)).toBe(false);
    expect(server.requests()).toBe(2);

    clock.advance(29_999);
    await source.ensure('random');
    expect(server.requests()).toBe(2);
    clock.advance(1);
    await source.ensure('random');
    expect(server.requests()).toBe(3);
  });

  it('and none for a known kid', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const source = open(server.url);
    await source.ready();
    expect(await source.ensure(first.kid)).toBe(true);
    expect(server.requests()).toBe(1);
  });

  it('which finds a newly published key, for all callers', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const source = open(server.url);
    await source.ready();
    server.serve(publicJwks([first, second]));
    expect(await Promise.all([source.ensure(second.kid), source.ensure('x'), source.ensure(second.kid)])).toEqual([
      true,
      false,
      true,
    ]);
    expect(server.requests()).toBe(2);
  });

  it('which is shared with a running first fetch', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const source = open(server.url);
    expect(await source.ensure(first.kid)).toBe(true);
    expect(server.requests()).toBe(1);
  });

  it('and never two fetches at once', async () => {
    const server = await openJwksServer('');
    const body = JSON.stringify(publicJwks([first]));
    let atOnce = 0;
    let most = 0;
    server.answer((_, response) => {
      most = Math.max(most, ++atOnce);
      setTimeout(() => {
        atOnce -= 1;
        response.end(body);
      }, 15);
    });
    const source = open(server.url, { refreshMs: 5, cooldownMs: 1 });
    await waitFor('ten requests', () => {
      void source.ensure('x');
      return server.requests() >= 10;
    });
    expect(most).toBe(1);
  });

  it('of which none rejects when the fetch fails', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const { telemetry, fetches } = recordingTelemetry();
    const source = open(server.url, { telemetry });
    await source.ready();
    server.answer((request) => request.socket.destroy());
    expect(await source.ensure('x')).toBe(false);
    expect(fetches('unreachable')).toBe(1);
    expect(await source.ensure(first.kid)).toBe(true);
  });
});

describe('new material under an old kid', () => {
  const renamed = { ...second, kid: first.kid };

  it('is found by one fetch for a wrong signature, and logged', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const { telemetry, logged } = recordingTelemetry();
    const source = open(server.url, { telemetry });
    await source.ready();
    server.serve(publicJwks([renamed]));
    expect(await Promise.all([source.renew(first.kid, 'ES256'), source.renew(first.kid, 'ES256')])).toEqual([
      true,
      true,
    ]);
    expect(source.find(first.kid, 'ES256')?.equals(second.publicKey)).toBe(true);
    expect(server.requests()).toBe(2);
    expect(logged('keys_changed')[1]?.fields).toMatchObject({ added: 0, removed: 0, replaced: 1 });
  });

  it('causes one fetch per cool-down, and delays none for an unknown kid', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const clock = createManualClock(NOW);
    const source = open(server.url, { clock, cooldownMs: 30_000 });
    await source.ready();
    for (let n = 0; n < 1_000; n += 1) expect((await source.renew(first.kid, 'ES256')) ?? false).toBe(false);
    expect(server.requests()).toBe(2);
    server.serve(publicJwks([first, second]));
    expect(await source.ensure(second.kid)).toBe(true);
    expect(server.requests()).toBe(3);
    // Conversely, unknown kids do not delay this fetch.
    clock.advance(30_000);
    await source.ensure('unknown');
    server.serve(publicJwks([renamed]));
    expect(await source.renew(first.kid, 'ES256')).toBe(true);
    expect(source.renew(first.kid, 'ES256')).toBeUndefined();
    clock.advance(30_000);
    expect(await source.renew(first.kid, 'ES256')).toBe(false);
  });

  it('never rejects, and fetches nothing once closed', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const source = open(server.url);
    await source.ready();
    server.answer((request) => request.socket.destroy());
    expect(await source.renew(first.kid, 'ES256')).toBe(false);
    await source.close();
    expect(source.renew(first.kid, 'ES256')).toBeUndefined();
  });

  it('of another algorithm is an unknown key', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const source = open(server.url);
    await source.ready();
    const rs = generateSigningKey('RS256');
    server.serve(publicJwks([first, { ...rs, kid: first.kid }]));
    expect(await source.ensure(first.kid)).toBe(true);
    expect(source.find(first.kid, 'RS256')).toBeUndefined();
    expect(await source.ensure(first.kid, 'RS256')).toBe(true);
  });
});

describe('why a fetch failed', () => {
  const failingWith = (error: unknown) => async (): Promise<Response> => {
    throw error;
  };
  const secret = 'Bearer a-secret-of-the-proxy';

  it.each([
    [
      'ECONNREFUSED',
      new TypeError('fetch failed', { cause: Object.assign(new Error(secret), { code: 'ECONNREFUSED' }) }),
    ],
    ['Error', new TypeError('fetch failed', { cause: new Error(`invalid header value: ${secret}`) })],
    ['TypeError', new TypeError(`Failed to parse URL ${secret}`)],
    ['redirect', new TypeError('fetch failed', { cause: new Error('unexpected redirect') })],
    ['Error', Object.assign(new Error('x'), { code: secret })],
    ['unknown', Object.assign(new Error('x'), { name: secret })],
    ['unknown', secret],
  ])('is reported by a code or a name, %s, never by a message', async (expected, error) => {
    const { telemetry, lines, logged } = recordingTelemetry();
    const source = open(unreachable, { telemetry, fetch: failingWith(error) });
    await waitFor('a failure', () => logged('keys_fetch_failed').length > 0);
    expect(source.health()[0]?.lastError).toBe(`unreachable: ${expected}`);
    expect(JSON.stringify([lines, source.health()])).not.toContain('a-secret');
  });

  it('does not quote unreadable stored keys', () => {
    const { telemetry, lines, logged } = recordingTelemetry();
    const documents = documentsInMemory();
    documents.write(`jwks ${unreachable}`, secret);
    open(unreachable, { telemetry, documents });
    expect(logged('stored_keys_unusable')).toHaveLength(1);
    expect(JSON.stringify(lines)).not.toContain('a-secret');
  });
});

describe('an unusable set', () => {
  const privateJwk = { ...first.privateKey.export({ format: 'jwk' }), kid: first.kid, alg: 'ES256', use: 'sig' };

  it.each([
    ['not JSON', 'unusable', '<html>'],
    ['not UTF-8', 'unusable', Buffer.from([0x7b, 0x80, 0x7d])],
    ['no set', 'unusable', {}],
    ['an empty set', 'unusable', { keys: [] }],
    ['a set of private keys', 'unusable', { keys: [privateJwk] }],
    ['a set of 256 kB and one byte', 'too_large', JSON.stringify(publicJwks([second])).padEnd(262_145)],
  ])('never replaces a good one: %s', async (_, result, content) => {
    const server = await openJwksServer(publicJwks([first]));
    const { telemetry, fetches, logged } = recordingTelemetry();
    const documents = documentsInMemory();
    const source = open(server.url, { telemetry, documents, refreshMs: 20 });
    await source.ready();
    const [kept] = documents.texts.values();
    server.serve(content);
    await waitFor('a failure', () => fetches(result) > 0);
    expect(source.kids()).toEqual([first.kid]);
    expect(source.health()).toMatchObject([{ status: 'warn', keys: 1, origin: 'fetched' }]);
    expect(logged('keys_fetch_failed')[0]?.fields).toMatchObject({ error: expect.stringContaining(result) });
    expect(JSON.parse([...documents.texts.values()][0] ?? '').jwks).toEqual(JSON.parse(kept ?? '').jwks);
    server.serve(publicJwks([second]));
    await waitFor('a good response is fetched', () => source.kids().includes(second.kid));
    expect(source.health()).toMatchObject([{ status: 'pass', lastError: null }]);
  });

  it('is not a set of exactly 256 kB, which is accepted', async () => {
    const server = await openJwksServer(JSON.stringify(publicJwks([first])).padEnd(262_144));
    await expect(open(server.url).ready()).resolves.toBeUndefined();
  });

  it('is not read to the end when it is endless', async () => {
    const server = await openJwksServer('');
    let sent = 0;
    let closed = false;
    server.answer((_, response) => {
      response.on('close', () => {
        closed = true;
      });
      const more = () => {
        while (!response.destroyed && response.write(' '.repeat(65_536))) sent += 65_536;
        response.once('drain', more);
      };
      more();
    });
    const { telemetry, fetches } = recordingTelemetry();
    open(server.url, { telemetry });
    await waitFor('the connection is closed', () => fetches('too_large') === 1 && closed);
    expect(sent).toBeLessThan(50_000_000);
  });

  it('is aborted after the time-out', async () => {
    const server = await openJwksServer('');
    server.answer((_, response) => response.writeHead(200).write('{'));
    const { telemetry, fetches } = recordingTelemetry();
    const source = open(server.url, { telemetry, timeoutMs: 50 });
    await waitFor('a time-out', () => fetches('timeout') > 0);
    expect(source.health()).toMatchObject([{ lastError: 'timeout: no answer within 50 ms' }]);
  });

  it('is not fetched from a redirect', async () => {
    const other = await openJwksServer(publicJwks([second]));
    const server = await openJwksServer('');
    server.answer((_, response) => response.writeHead(302, { location: other.url }).end());
    const { telemetry, fetches } = recordingTelemetry();
    const source = open(server.url, { telemetry });
    await waitFor('a failure', () => fetches('unreachable') > 0);
    expect(source.kids()).toEqual([]);
    expect(other.requests()).toBe(0);
  });
});

describe('stored keys', () => {
  const documentOf = (url: string) => `jwks ${new URL(url).href}`;
  async function keptBy(url: string, at: number) {
    const documents = documentsInMemory();
    const source = openKeySource({ url, documents, clock: createManualClock(at) });
    await source.ready();
    await source.close();
    return documents;
  }

  it('are used at once by the next process while the issuer is down', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const documents = await keptBy(server.url, NOW);
    expect([...documents.texts.keys()]).toEqual([documentOf(server.url)]);
    server.answer((request) => request.socket.destroy());
    const clock = createManualClock(NOW + 3_600_000);
    const source = open(server.url, { documents, clock });
    expect(source.kids()).toEqual([first.kid]);
    await source.ready();
    expect(verifierOf(source).verify(tokenOf(first), NOW).header.kid).toBe(first.kid);
    expect(source.health()).toMatchObject([{ status: 'warn', origin: 'stored', ageMs: 3_600_000 }]);
  });

  it('have an unknown age when the wall clock is behind their time', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const documents = await keptBy(server.url, NOW);
    server.answer((request) => request.socket.destroy());
    const source = open(server.url, { documents, clock: createManualClock(NOW - 1) });
    expect(source.health()).toMatchObject([{ status: 'warn', ageMs: null }]);
  });

  it('are replaced by the first fetch', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const documents = await keptBy(server.url, NOW);
    server.serve(publicJwks([second]));
    const source = open(server.url, { documents });
    expect(source.kids()).toEqual([first.kid]);
    await waitFor('the second key is fetched', () => source.kids().includes(second.kid));
    expect(source.kids()).toEqual([second.kid]);
    expect(documents.texts.get(documentOf(server.url))).toContain(second.kid);
  });

  it.each([
    ['rubbish', '{'],
    ['null', 'null'],
    ['a bare set', JSON.stringify(publicJwks([first]))],
    [
      'keys of another address',
      JSON.stringify({ url: 'http://127.0.0.1:2/', fetchedAt: NOW, jwks: publicJwks([first]) }),
    ],
    ['no time', JSON.stringify({ url: unreachable, jwks: publicJwks([first]) })],
    ['no keys', JSON.stringify({ url: unreachable, fetchedAt: NOW, jwks: { keys: [] } })],
  ])('are reported and not used when they are %s', async (_, text) => {
    const { telemetry, logged } = recordingTelemetry();
    const documents = documentsInMemory();
    documents.write(documentOf(unreachable), text);
    const source = open(unreachable, { documents, telemetry });
    expect(source.kids()).toEqual([]);
    expect(logged('stored_keys_unusable')).toHaveLength(1);
  });

  it('are reported when they cannot be read or written, and the fetched ones are used', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const { telemetry, logged, counted } = recordingTelemetry();
    const documents = {
      read: () => {
        throw new Error('no disk');
      },
      write: () => {
        throw new Error('disk full');
      },
    };
    const source = open(server.url, { documents, telemetry });
    await source.ready();
    expect(source.kids()).toEqual([first.kid]);
    expect(source.health()).toMatchObject([{ status: 'warn', stored: false }]);
    expect(logged('stored_keys_unusable')).toHaveLength(1);
    expect(logged('keys_not_stored')).toHaveLength(1);
    expect(counted('rescind_key_documents_total', { result: 'unusable' })).toBe(1);
    expect(counted('rescind_key_documents_total', { result: 'not_written' })).toBe(1);
  });
});

describe('health', () => {
  it('has the greater age of the keys by the two clocks', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const clock = createManualClock(NOW);
    const source = open(server.url, { clock });
    await source.ready();
    clock.advance(1_000);
    expect(source.health()).toMatchObject([{ ageMs: 1_000 }]);
    clock.setWall(NOW - 50_000);
    expect(source.health()).toMatchObject([{ ageMs: 1_000 }]);
    clock.setWall(NOW + 50_000);
    expect(source.health()).toMatchObject([{ ageMs: 50_000 }]);
  });

  it('names the system error without a listener', async () => {
    const { telemetry, fetches } = recordingTelemetry();
    const source = open('http://127.0.0.1:9/jwks.json', {
      telemetry,
      fetch: () =>
        Promise.reject(
          new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }) }),
        ),
    });
    await waitFor('a failure', () => fetches('unreachable') > 0);
    expect(source.health()).toMatchObject([{ status: 'fail', lastError: 'unreachable: ECONNREFUSED' }]);
  });
});

describe('closing', () => {
  it('ends a running fetch, and rejects waiting callers', async () => {
    const server = await openJwksServer('');
    server.answer(() => undefined);
    const { telemetry, lines } = recordingTelemetry();
    const source = openKeySource({ url: server.url, telemetry });
    const ready = source.ready();
    const ensured = source.ensure('x');
    await waitFor('the request arrives', () => server.requests() === 1);
    await source.close();
    await expect(ready).rejects.toMatchObject({ code: 'stopping' });
    await expect(ensured).resolves.toBe(false);
    await expect(source.ready()).rejects.toMatchObject({ code: 'stopping' });
    await expect(source.ensure('y')).resolves.toBe(false);
    await source.close();
    expect(server.requests()).toBe(1);
    expect(lines).toEqual([]);
  });

  it('happens at the end of a block', async () => {
    const server = await openJwksServer(publicJwks([first]));
    let outlives: KeySource;
    {
      await using source = openKeySource({ url: server.url, refreshMs: 10 });
      await source.ready();
      outlives = source;
    }
    const before = server.requests();
    await expect(outlives.ensure('x')).resolves.toBe(false);
    expect(server.requests()).toBe(before);
  });

  it('is not required for a process to end', async () => {
    const server = await openJwksServer(publicJwks([first]));
    const program = `import { openKeySource } from '@rescind/token';
      const source = openKeySource({ url: '${server.url}' });
      const alive = setInterval(() => undefined, 1_000);
      await source.ready();
      clearInterval(alive);
      console.log(source.kids().length);`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: import.meta.dirname,
      timeout: 20_000,
    });
    expect(stdout.trim()).toBe('1');
  });

  it('is not required to stop waiting: a signal does', async () => {
    const server = await openJwksServer('');
    const source = open(server.url);
    const reason = new Error('enough');
    await expect(source.ready(AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const ready = source.ready(controller.signal);
    controller.abort(reason);
    await expect(ready).rejects.toBe(reason);
  });
});

describe('its options', () => {
  it.each(['', 'jwks.json', 'file:///etc/passwd', 'ftp://h/', 'http://user:pw@h/', 'https://user@h/'])(
    'refuses url %j',
    (url) => {
      expect(() => openKeySource({ url })).toThrow(/^url must be/);
      expect(() => openKeySource({ url })).toThrow(TypeError);
    },
  );

  it.each(['cooldownMs', 'refreshMs', 'timeoutMs', 'maxBytes'])(
    'refuses a %s that is not a duration or size',
    (name) => {
      for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '5']) {
        expect(() => openKeySource({ url: unreachable, [name]: value })).toThrow(new RegExp(`^${name} must be`));
      }
    },
  );
});
