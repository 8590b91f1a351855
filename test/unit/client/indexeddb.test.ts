import { createRequire } from 'node:module';
import type { SessionRecord } from '@rescind/client';
import { indexedDbStore } from '@rescind/client/indexeddb';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LOGIN, scene } from '../../support/client.ts';

/** The part of fake-indexeddb that is used: its declarations require those of a browser, which this repository does not have. */
interface Factory {
  deleteDatabase(name: string): { onsuccess: (() => void) | null };
}
const require = createRequire(import.meta.url);
const { IDBFactory } = require('fake-indexeddb') as { IDBFactory: new () => Factory };

const record: SessionRecord = {
  sid: 'a',
  generation: 1,
  accessToken: 't',
  expiresInMs: 1,
  refreshInMs: 1,
  requestedAt: 1,
};

function removeDatabase(name: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { indexedDB } = globalThis as unknown as { readonly indexedDB: Factory };
  indexedDB.deleteDatabase(name).onsuccess = () => resolve();
  return promise;
}

beforeEach(() => vi.stubGlobal('indexedDB', new IDBFactory()));
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe('IndexedDB', () => {
  test('keeps a record for another store of the same name, and for no other', async () => {
    expect(await indexedDbStore().replace(undefined, record)).toBe(true);
    expect(await indexedDbStore().read()).toEqual(record);
    expect(await indexedDbStore('other').read()).toBeUndefined();
  });

  test('of 20 concurrent writes after one record a single one wins', async () => {
    const stores = Array.from({ length: 20 }, () => indexedDbStore());
    await stores[0]?.replace(undefined, record);
    const next = { ...record, generation: 2 };
    const written = await Promise.all(
      stores.map((store, at) => store.replace(record, { ...next, accessToken: `${at}` })),
    );
    expect(written.filter(Boolean)).toHaveLength(1);
    expect(await stores[0]?.read()).toMatchObject({ generation: 2, accessToken: String(written.indexOf(true)) });
  });

  test('two clients of one page have a session each', async () => {
    const { open } = scene();
    const [shop, office] = ['shop', 'office'].map((clientId) => open({ clientId, storage: indexedDbStore() }));
    await shop?.login(LOGIN);
    await office?.login({ ...LOGIN, username: 'grace' });
    await shop?.renew();
    await shop?.logout();
    expect(shop?.getSnapshot()).toMatchObject({ status: 'ended', endedBy: 'logout' });
    expect(office?.getSnapshot()).toMatchObject({ status: 'active', claims: { sub: 'grace' } });
    const again = open({ clientId: 'office', storage: indexedDbStore() });
    expect(await again.getAccessToken()).toBe(await office?.getAccessToken());
  });

  test('two tabs share a session', async () => {
    const { open, issuer } = scene();
    const [a, b] = [open({ storage: indexedDbStore() }), open({ storage: indexedDbStore() })];
    await a.login(LOGIN);
    await Promise.all([a.renew(), b.renew()]);
    expect(await a.getAccessToken()).toBe(await b.getAccessToken());
    expect(issuer.count('/oauth2/token')).toBeLessThanOrEqual(2);
  });

  test('opens again after another version, or the user, has closed the database', async () => {
    const store = indexedDbStore();
    await store.replace(undefined, record);
    await removeDatabase('rescind');
    expect(await store.read()).toBeUndefined();
    expect(await store.replace(undefined, record)).toBe(true);
  });
});

describe('where IndexedDB', () => {
  const failing = (work: (request: Record<string, () => void>) => void) => ({
    open() {
      const request: Record<string, () => void> = {};
      setTimeout(() => work(request), 0);
      return request;
    },
  });
  test.each([
    ['is missing', undefined],
    [
      'throws',
      {
        open() {
          throw new DOMException('denied', 'SecurityError');
        },
      },
    ],
    ['fails', failing((request) => request.onerror?.())],
    ['is blocked', failing((request) => request.onblocked?.())],
    ['never answers', failing(() => undefined)],
  ])('%s, the session is kept in memory, and a warning says so once', { timeout: 20_000 }, async (_, factory) => {
    vi.stubGlobal('indexedDB', factory);
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const store = indexedDbStore();
    expect(await store.replace(undefined, record)).toBe(true);
    expect(await store.read()).toEqual(record);
    expect(await store.replace(undefined, record)).toBe(false);
    expect(warn).toHaveBeenCalledTimes(1);
  });
});
