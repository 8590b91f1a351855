import type { Clock, Lifecycle, Lock } from './environment.ts';
import { globals } from './environment.ts';
import type { SessionMode } from './issuer-calls.ts';
import type { SessionStore } from './record.ts';

/** The options of `createSession`. Unknown names and wrong values are a `TypeError`. */
export interface SessionOptions {
  /** The address of the issuer, as in `iss` of its tokens: `https:`, or `http:` on this machine. */
  readonly issuer: string;
  /** The id of this application at the issuer. Default `web`. */
  readonly clientId?: string;
  /** Default: `cookie` in a page, `body` elsewhere. */
  readonly mode?: SessionMode;
  /** Where the session is stored: `'memory'` (default), `indexedDbStore()` of `@rescind/client/indexeddb`, or your own. */
  readonly storage?: 'memory' | SessionStore;
  /** Origins that receive the access token, beside the issuer and the origin of the page: `['https://api.example']`. */
  readonly apis?: readonly string[];
  /** The audience of the account endpoints. Default: the issuer followed by `/account`. */
  readonly accountAudience?: string;
  /** The latest time of a renewal: so long before the access token expires, in ms. Default 60 000, at most a quarter of its life. */
  readonly leadMs?: number;
  /** After so long without input the session stops renewing by itself until there is input again, in ms. Default: never. */
  readonly inactivityMs?: number;
  /** Sends every request of the session. Default: `fetch` as it is when the session is created. */
  readonly fetch?: typeof globalThis.fetch;
  readonly clock?: Clock;
  /** From 0 to 1, for jitter. Default `Math.random`. */
  readonly random?: () => number;
  /** When the application wakes, and when there is input. Default: the events of the page. */
  readonly lifecycle?: Lifecycle;
  /** Default: Web Locks. */
  readonly lock?: Lock;
}

const [TEXT, OBJECT, NUMBER, FUNCTION] = ['string', 'object', 'number', 'function'] as const;

const TYPES: Readonly<Record<keyof SessionOptions, string>> = {
  issuer: TEXT,
  clientId: TEXT,
  mode: TEXT,
  storage: OBJECT,
  apis: OBJECT,
  accountAudience: TEXT,
  leadMs: NUMBER,
  inactivityMs: NUMBER,
  fetch: FUNCTION,
  clock: OBJECT,
  random: FUNCTION,
  lifecycle: OBJECT,
  lock: FUNCTION,
};

/**
 * Own properties count; a value of `undefined` counts as absent.
 * @returns a copy
 * @throws TypeError that names the option, and what would be right
 */
export function checkOptions(given: SessionOptions): SessionOptions {
  const prototype = Object.getPrototypeOf(Object(given));
  require(!prototype || prototype === Object.prototype, 'the options', 'a plain object');
  const copy: Partial<SessionOptions> = {};
  for (const name of Reflect.ownKeys(Object(given))) {
    const key = String(name);
    if (!Object.hasOwn(TYPES, key)) throw new TypeError(`no option of createSession: ${key}, but ${nearestTo(key)}`);
    const type = TYPES[key as keyof SessionOptions];
    const value: unknown = Reflect.get(given, name);
    const isRight =
      type === NUMBER ? Number.isSafeInteger(value) && Number(value) >= 0 : typeof value === type && value;
    require(value === undefined || (key === 'storage' && value === 'memory') || isRight, key, type);
    Object.assign(copy, { [key]: value });
  }
  const { issuer = '', mode, storage = 'memory', apis = [], clock, lifecycle } = copy;
  require(ISSUER.test(issuer) && URL.canParse(issuer), 'issuer', 'an https: URL (http: on this machine only)');
  require(!mode || mode === 'cookie' || mode === 'body', 'mode', "'cookie' or 'body'");
  require(mode !== 'cookie' || globals.document || copy.fetch, 'mode', "'body' outside of a browser");
  require(storage === 'memory' || (has(storage, 'read') && has(storage, 'replace')), 'storage', "'memory' or a store");
  require(Array.isArray(apis) && apis.every(isOrigin), 'apis', 'a list of origins');
  require(!clock || has(clock, 'monotonic'), 'clock', 'a clock');
  require(!lifecycle || has(lifecycle, 'onWake'), 'lifecycle', 'a lifecycle');
  return { ...copy, issuer };
}

function require(isRight: unknown, name: string, right: string): void {
  if (!isRight) throw new TypeError(`createSession: ${name} must be ${right}`);
}

const has = (value: object, method: string): boolean => typeof Reflect.get(value, method) === FUNCTION;

/** The option that has most of its beginning in common. */
function nearestTo(name: string): string | undefined {
  const prefix = name.toLowerCase();
  for (let length = prefix.length; length >= 0; length -= 1) {
    const found = Object.keys(TYPES).find((known) => known.toLowerCase().startsWith(prefix.slice(0, length)));
    if (found) return found;
  }
  return undefined;
}

/** Loopback addresses: RFC 6761 section 6.3, RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3. No user, query or fragment. */
const ISSUER = /^(https:\/\/|http:\/\/([^/]+\.)?(localhost|127(\.\d+){3}|\[::1\])(:|\/|$))[^?#@]*$/;

function isOrigin(value: unknown): boolean {
  return URL.canParse(String(value)) && new URL(String(value)).origin === value;
}
