import type { Lifecycle } from '../environment.ts';
import { ignore } from '../environment.ts';
import { checkNames } from '../names.ts';
import type { SessionRecord, SessionStore } from '../record.ts';
import { isSameRecord } from '../record.ts';

/** What of `AppState` of react-native is used. */
interface AppState {
  readonly currentState: string | null;
  addEventListener(type: 'change', listener: (state: string) => void): { remove(): void };
}

/** What of the default export of @react-native-community/netinfo is used. */
interface NetInfo {
  addEventListener(listener: (state: { readonly isConnected: boolean | null }) => void): () => void;
}

/** The options of `appLifecycle`. */
export interface AppLifecycleOptions {
  /** `AppState` of react-native. */
  readonly appState: AppState;
  /** The default export of @react-native-community/netinfo: a session that waits tries at once when the connection is back. Default: it tries by time. */
  readonly netInfo?: NetInfo | undefined;
}

const has = (method: string) => (value: unknown) => typeof Object(value)[method] === 'function';

/**
 * The lifecycle of a React Native application. In the background nothing is renewed on time, because timers do not run there;
 * what is due is renewed when the application is active again. `inactive` of iOS (a call, the control centre) is not the background.
 * @throws TypeError for an option that is unknown or wrong
 */
export function appLifecycle(options: AppLifecycleOptions): Lifecycle {
  const listens = has('addEventListener');
  const checks = { appState: [listens, 'AppState'], netInfo: [listens, 'NetInfo'] } as const;
  checkNames('appLifecycle', options, checks, ['appState']);
  const { appState, netInfo } = options;
  return {
    isActive: () => appState.currentState !== 'background',
    onWake(wake) {
      const subscription = appState.addEventListener('change', (state) => {
        if (state === 'active') wake();
      });
      // It reports the present state at once, and details of each change.
      let isConnected: boolean | null = true;
      const stop = netInfo?.addEventListener((state) => {
        const isBack = state.isConnected === true && isConnected === false;
        isConnected = state.isConnected;
        if (isBack) wake();
      });
      return () => {
        subscription.remove();
        stop?.();
      };
    },
  };
}

/** What of AsyncStorage is used. SecureStore of Expo: `{ getItem: SecureStore.getItemAsync, setItem: SecureStore.setItemAsync }`. */
export interface KeyValueStorage {
  /** The text of a key; null: there is none. */
  getItem(key: string): Promise<string | null>;
  /** Replaces the text of a key. */
  setItem(key: string, value: string): Promise<unknown>;
}

/**
 * A store of a session in a storage of texts. One process uses it at a time: a widget or an extension has a session of its own.
 * @param name of the session in the storage: letters, digits, `.`, `-` and `_`, as the key chain requires. Default `rescind`
 * @throws TypeError
 */
export function keyValueStore(storage: KeyValueStorage, name = 'rescind'): SessionStore {
  if (!has('getItem')(storage) || !has('setItem')(storage))
    throw new TypeError('keyValueStore: storage must have getItem and setItem');
  if (!/^[\w.-]+$/.test(String(name))) throw new TypeError('keyValueStore: name must be letters, digits, . _ or -');

  async function read(): Promise<SessionRecord | undefined> {
    const text = await storage.getItem(name);
    try {
      const record: unknown = JSON.parse(text ?? 'null');
      return isRecord(record) ? record : undefined;
    } catch {
      // Another program wrote the text: there is no session.
      return undefined;
    }
  }

  let last: Promise<unknown> = Promise.resolve();
  return {
    name: `react-native ${name}`,
    read,
    replace(expected, next) {
      const work = async () => {
        if (!isSameRecord(await read(), expected)) return false;
        await storage.setItem(name, JSON.stringify(next));
        return true;
      };
      const running = last.then(work, work);
      last = running.catch(ignore);
      return running;
    },
  };
}

const isRecord = (value: unknown): value is SessionRecord =>
  typeof Object(value).sid === 'string' && typeof Object(value).generation === 'number';
