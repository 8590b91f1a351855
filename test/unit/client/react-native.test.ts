import type { SessionRecord } from '@rescind/client';
import type { AppLifecycleOptions } from '@rescind/client/react-native';
import { appLifecycle, keyValueStore } from '@rescind/client/react-native';
import { describe, expect, test, vi } from 'vitest';
import { LOGIN, scene } from '../../support/client.ts';

function createFakeAppState() {
  const listeners = new Set<(state: string) => void>();
  const appState = {
    currentState: 'active',
    addEventListener(_: 'change', listener: (state: string) => void) {
      listeners.add(listener);
      return { remove: () => void listeners.delete(listener) };
    },
  };
  return {
    appState,
    listeners,
    become(state: string) {
      appState.currentState = state;
      for (const listener of listeners) listener(state);
    },
  };
}

function createFakeNetInfo() {
  const listeners = new Set<(state: { isConnected: boolean | null }) => void>();
  const netInfo = {
    addEventListener(listener: (state: { isConnected: boolean | null }) => void) {
      listeners.add(listener);
      listener({ isConnected: true });
      return () => void listeners.delete(listener);
    },
  };
  return {
    netInfo,
    listeners,
    connect: (isConnected: boolean) => listeners.forEach((each) => void each({ isConnected })),
  };
}

function createFakeStorage(texts = new Map<string, string>()) {
  return {
    texts,
    getItem: async (key: string) => texts.get(key) ?? null,
    setItem: async (key: string, value: string) => void texts.set(key, value),
  };
}

const TOKEN = '/oauth2/token';
const MINUTE = 60_000;

describe('the lifecycle of an application', () => {
  test('nothing is renewed in the background; what is due is renewed once when the application is active again', async () => {
    const { open, issuer, advance } = scene();
    const { appState, become } = createFakeAppState();
    const session = open({ lifecycle: appLifecycle({ appState }) });
    session.start();
    await session.login(LOGIN);
    await advance(9 * MINUTE);
    expect(issuer.count(TOKEN)).toBe(1);
    become('background');
    await advance(30 * MINUTE);
    expect(issuer.count(TOKEN)).toBe(1);
    become('active');
    await advance(1_000);
    expect(issuer.count(TOKEN)).toBe(2);
    expect(session.getSnapshot().status).toBe('active');
  });

  test('the inactive state of iOS is not the background', async () => {
    const { open, issuer, advance } = scene();
    const { appState, become } = createFakeAppState();
    const session = open({ lifecycle: appLifecycle({ appState }) });
    session.start();
    await session.login(LOGIN);
    become('inactive');
    await advance(9 * MINUTE);
    expect(issuer.count(TOKEN)).toBe(1);
  });

  test('a session in the background sets a timer a minute, not more', async () => {
    const { open, advance, time } = scene();
    const { appState, become } = createFakeAppState();
    const session = open({ lifecycle: appLifecycle({ appState }) });
    session.start();
    await session.login(LOGIN);
    await advance(1_000);
    become('background');
    const setTimeout = vi.spyOn(time.clock, 'setTimeout');
    await advance(60 * MINUTE);
    expect(setTimeout.mock.calls.length).toBeLessThanOrEqual(61);
  });

  test('a session that waits for the connection tries at once when it is back', async () => {
    const { open, issuer, advance } = scene();
    const { appState } = createFakeAppState();
    const { netInfo, connect } = createFakeNetInfo();
    const session = open({ lifecycle: appLifecycle({ appState, netInfo }) });
    session.start();
    await session.login(LOGIN);
    connect(false);
    issuer.faults.push(...Array.from({ length: 50 }, (): 'offline' => 'offline'));
    await advance(9 * MINUTE);
    issuer.faults.length = 0;
    expect(session.getSnapshot().status).toBe('waiting');
    connect(true);
    await advance(100);
    expect(session.getSnapshot().status).toBe('active');
  });

  test('starting and stopping twenty times leaves one listener, then none', async () => {
    const { open } = scene();
    const { appState, listeners } = createFakeAppState();
    const net = createFakeNetInfo();
    const session = open({ lifecycle: appLifecycle({ appState, netInfo: net.netInfo }) });
    for (let round = 0; round < 20; round += 1) {
      session.start();
      session.start();
      expect([listeners.size, net.listeners.size]).toEqual([1, 1]);
      session.stop();
    }
    expect([listeners.size, net.listeners.size]).toEqual([0, 0]);
  });

  test('refuses what is no AppState, and unknown names', () => {
    const { appState } = createFakeAppState();
    const make = (options: object) => () => appLifecycle(options as AppLifecycleOptions);
    expect(make({})).toThrow(new TypeError('appLifecycle: appState must be AppState'));
    expect(make({ appState, netinfo: {} })).toThrow(new TypeError('appLifecycle: netinfo must be netInfo'));
    expect(make({ appState, netInfo: {} })).toThrow(new TypeError('appLifecycle: netInfo must be NetInfo'));
  });
});

describe('a store of texts', () => {
  test('a session outlives the process', async () => {
    const { open, issuer } = scene();
    const storage = createFakeStorage();
    await open({ storage: keyValueStore(storage) }).login(LOGIN);
    const session = open({ storage: keyValueStore(storage) });
    expect(await session.getAccessToken()).toContain('.');
    expect([session.getSnapshot().status, issuer.count(TOKEN)]).toEqual(['active', 0]);
  });

  test('of two writers who read the same record, one writes', async () => {
    const record = (generation: number): SessionRecord => ({
      ...{ sid: 'a', generation, accessToken: 't', expiresInMs: 1, refreshInMs: 1, requestedAt: 0 },
    });
    const store = keyValueStore(createFakeStorage());
    expect(await store.replace(undefined, record(1))).toBe(true);
    const written = await Promise.all([store.replace(record(1), record(2)), store.replace(record(1), record(3))]);
    expect(written).toEqual([true, false]);
    expect((await store.read())?.generation).toBe(2);
  });

  test('a text that another program wrote counts as no session', async () => {
    for (const text of ['', 'not JSON', '[]', '"text"', '{"sid":1}']) {
      const store = keyValueStore(createFakeStorage(new Map([['rescind', text]])));
      expect(await store.read()).toBeUndefined();
    }
  });

  test('a storage that fails leaves the session in memory', async () => {
    const { open } = scene();
    const failing = {
      getItem: () => Promise.reject(new Error('the key chain is locked')),
      setItem: () => Promise.reject(new Error('the key chain is locked')),
    };
    const session = open({ storage: keyValueStore(failing) });
    await session.login(LOGIN);
    expect(await session.getAccessToken()).toContain('.');
  });

  test('refuses a storage without its methods, and names that a key chain refuses', () => {
    expect(() => keyValueStore({} as never)).toThrow(TypeError);
    for (const name of ['', 'a b', 'ä']) expect(() => keyValueStore(createFakeStorage(), name)).toThrow(TypeError);
  });
});
