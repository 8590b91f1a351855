import type { Clock, Lifecycle, Lock } from './environment.ts';
import { globals } from './environment.ts';
import type { SessionMode } from './issuer-calls.ts';
import type { SessionStore } from './record.ts';
import { textOf } from './record.ts';

/** The options of `createSession`. Unknown names and wrong values are a `TypeError`. */
export interface SessionOptions {
  /** The address of the issuer, as in `iss` of its tokens: `https:`, or `http:` on this machine. */
  readonly issuer: string;
  /** The id of this application at the issuer. Default `web`. */
  readonly clientId?: string | undefined;
  /** Default: `cookie` in a page, `body` elsewhere. */
  readonly mode?: SessionMode | undefined;
  /** Where the session is stored: `'memory'` (default), `indexedDbStore()` of `@rescind/client/indexeddb`, or your own. */
  readonly storage?: 'memory' | SessionStore | undefined;
  /** Origins that receive the access token, beside the issuer and the origin of the page: `['https://api.example']`. Default: none. */
  readonly apis?: readonly string[] | undefined;
  /** The audience of the account endpoints. Default: the issuer followed by `/account`. */
  readonly accountAudience?: string | undefined;
  /** The latest time of a renewal: so long before the access token expires, in ms. Default 60 000, at most a quarter of its life. */
  readonly leadMs?: number | undefined;
  /** Sends every request of the session. Default: `fetch` as it is when the session is created. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Default: that of the platform. */
  readonly clock?: Clock | undefined;
  /** From 0 to 1, for jitter. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
  /** When the application wakes, and whether its user is there. Default: the events of the page. */
  readonly lifecycle?: Lifecycle | undefined;
  /** Default: Web Locks. */
  readonly lock?: Lock | undefined;
}

const isFunction = (value: unknown): boolean => typeof value === 'function';
const has = (value: unknown, method: string): boolean => isFunction(Object(value)[method]);
/** Loopback addresses: RFC 6761 section 6.3, RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3. No user, query or fragment. */
const ISSUER = /^(https:|http:\/\/([^/]+\.)?(localhost|127[.\d]+|\[::1\])(?![^:/]))[^?#@]*$/;
const isIssuer = (value: unknown): boolean => ISSUER.test(String(value)) && URL.canParse(String(value));
const isOrigin = (value: unknown): boolean => URL.canParse(String(value)) && new URL(String(value)).origin === value;

type Check = readonly [isRight: (value: unknown) => unknown, right: string];

const CHECKS: Readonly<Record<keyof SessionOptions, Check>> = {
  issuer: [isIssuer, 'https: or local'],
  clientId: [textOf, 'text'],
  mode: [(value) => value === 'cookie' || value === 'body', "'cookie' or 'body'"],
  storage: [(value) => value === 'memory' || (has(value, 'read') && has(value, 'replace')), 'a SessionStore'],
  apis: [(value) => Array.isArray(value) && value.every(isOrigin), 'origins'],
  accountAudience: [textOf, 'text'],
  leadMs: [(value) => Number.isSafeInteger(value) && Number(value) >= 0, 'milliseconds'],
  fetch: [isFunction, 'a function'],
  clock: [(value) => has(value, 'monotonic'), 'a Clock'],
  random: [isFunction, 'a function'],
  lifecycle: [(value) => has(value, 'onWake'), 'a Lifecycle'],
  lock: [isFunction, 'a function'],
};

/** The options of `createSession` that were given, none of them undefined. */
export type GivenOptions = { readonly [Name in keyof SessionOptions]: Exclude<SessionOptions[Name], undefined> };

/**
 * Own properties count; a value of `undefined` counts as absent.
 * @returns a copy
 * @throws TypeError that names the option, and what would be right
 */
export function checkOptions(given: SessionOptions): GivenOptions {
  const prototype = Object.getPrototypeOf(Object(given));
  const options: Record<PropertyKey, unknown> = { ...given };
  if (prototype && prototype !== Object.prototype) fail('options', 'a plain object');
  for (const name of ['issuer', ...Reflect.ownKeys(options)]) {
    const key = String(name);
    if (!Object.hasOwn(CHECKS, name)) fail(key, nearest(key));
    const [isRight, right] = CHECKS[key as keyof SessionOptions];
    if (options[key] === undefined && key !== 'issuer') delete options[key];
    else if (!isRight(options[key])) fail(key, right);
  }
  if (options.mode === 'cookie' && !globals.document && !options.fetch) fail('mode', "'body' here");
  return options as unknown as GivenOptions;
}

function fail(name: string, right: string): never {
  throw new TypeError(`createSession: ${name} must be ${right}`);
}

/** The name that has most of its beginning in common. */
function nearest(name: string): string {
  return Object.keys(CHECKS).find((known) => known.startsWith(name)) ?? nearest(name.slice(0, -1));
}
