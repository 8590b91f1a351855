import { createSession } from '@rescind/client';
import { indexedDbStore } from '@rescind/client/indexeddb';
import { describe, expect, test } from 'vitest';

const ISSUER = 'https://login.example';

describe('a wrong set-up', () => {
  test.each([
    [{ issuer: undefined }, 'createSession: issuer must be https: or local'],
    [{ issuer: 'login.example' }, 'createSession: issuer must be https: or local'],
    [{ issuer: 'http://localhost.evil.example' }, 'issuer must be https: or local'],
    [{ issuer: 'http://login.example' }, 'issuer must be https: or local'],
    [{ issuer: 'https://login.example/?tenant=1' }, 'issuer must be https: or local'],
    [{ issuer: 'https://ada:secret@login.example' }, 'issuer must be https: or local'],
    [{ apis: ['https://api.example/v1'] }, 'apis must be origins'],
    [{ apis: 'https://api.example' }, 'apis must be origins'],
    [{ storage: 'localStorage' }, 'storage must be a SessionStore'],
    [{ storage: { getItem: () => null, setItem: () => undefined } }, 'storage must be a SessionStore'],
    [{ mode: 'cookie' }, "mode must be 'body' here"],
    [{ mode: 'header' }, "mode must be 'cookie' or 'body'"],
    [{ leadMs: '60s' }, 'leadMs must be milliseconds'],
    [{ leadMs: -1 }, 'leadMs must be milliseconds'],
    [{ clientID: 'web' }, 'clientID must be clientId'],
    [{ api: [] }, 'api must be apis'],
  ])('%j is refused with the name of the option', (wrong, message) => {
    const call = () => createSession({ issuer: ISSUER, ...wrong } as never);
    expect(call).toThrow(TypeError);
    expect(call).toThrow(message);
  });

  test.each(['http://localhost:3000', 'http://127.0.0.1:3000', 'http://[::1]:3000', 'http://app.localhost'])(
    'accepts http: for the loopback address %s',
    (issuer) => {
      expect(createSession({ issuer }).isApi(`${issuer}/account`)).toBe(true);
    },
  );

  test('a value of undefined counts as absent', () => {
    expect(createSession({ issuer: ISSUER, leadMs: undefined } as never).getSnapshot().status).toBe('loading');
  });

  test('a store requires a name', () => {
    expect(() => indexedDbStore('')).toThrow(TypeError);
  });

  test('a listener requires to be a function', () => {
    const session = createSession({ issuer: ISSUER });
    expect(() => session.subscribe(undefined as never)).toThrow(TypeError);
    expect(() => session.onSessionEnd({} as never)).toThrow(TypeError);
  });
});
