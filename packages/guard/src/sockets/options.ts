import type { IncomingMessage } from 'node:http';
import type { DurationMs } from '@rescind/revocation';
import type { OptionShape } from '@rescind/revocation/options';
import { option, optionError, required } from '@rescind/revocation/options';
import { isGuard } from '../adapters/admission.ts';
import type { Guard } from '../guard.ts';
import type { RoutePolicy } from '../route.ts';
import { routeShape } from '../route.ts';
import type { SessionEnd } from './session-end.ts';

/** The options of each adapter for live connections. @typeParam C the connection of the library */
export interface LiveOptions<C> extends RoutePolicy {
  /** Called once for each connection that this side ends, after its end. An error it throws is logged by the process. Default: nothing is called. */
  readonly onEnd?: ((connection: C, end: SessionEnd) => void) | undefined;
}

/** The options of adapters for sockets. */
export interface SocketOptions<C> extends LiveOptions<C> {
  /** The origins whose pages may connect, such as `https://app.example`, each as browsers send it. CORS does not limit WebSockets. */
  readonly origins: readonly string[];
  /** Whether clients without an `Origin` header may connect: programs, no browsers. Default true. */
  readonly allowNoOrigin?: boolean | undefined;
  /** The largest message of a client, in bytes. Default 65 536. */
  readonly maxMessageBytes?: number | undefined;
  /** How many messages a client may send in one second; twice as many at once. Default 50. */
  readonly maxMessagesPerSecond?: number | undefined;
  /** A client that leaves so many bytes unread is cut off. Default 1 048 576. */
  readonly maxBufferedBytes?: number | undefined;
}

export const DEFAULT_MESSAGE_BYTES = 65_536;
export const DEFAULT_MESSAGES_PER_SECOND = 50;
export const DEFAULT_BUFFERED_BYTES = 1_048_576;
/** Handshakes without a token are ended after this time, in ms. */
export const HANDSHAKE_MS: DurationMs = 5_000;
/** How long a connection that was ended may take to close before it is cut, in ms. */
export const CLOSE_MS: DurationMs = 2_000;

const origin = (value: unknown, path: string): string => {
  const isOrigin = typeof value === 'string' && URL.canParse(value) && new URL(value).origin === value;
  if (isOrigin) return value;
  throw optionError(path, 'an origin as browsers send it, such as https://app.example', value);
};

export const liveShape = <C>(): OptionShape<LiveOptions<C>> => ({
  ...routeShape,
  onEnd: option.callable<(connection: C, end: SessionEnd) => void>(),
});

export const socketShape = <C>(): OptionShape<SocketOptions<C>> => ({
  ...liveShape<C>(),
  origins: required(option.list(origin, { min: 0 })),
  allowNoOrigin: option.flag(),
  maxMessageBytes: option.count({ min: 1 }),
  maxMessagesPerSecond: option.count({ min: 1 }),
  maxBufferedBytes: option.count({ min: 1 }),
});

/** @throws TypeError */
export function requireGuard(name: string, guard: unknown): asserts guard is Guard {
  if (!isGuard(guard)) throw new TypeError(`${name} must be given a guard, which createGuard returns`);
}

/** Whether the page of a request may connect. Headers of proxies have no effect. `null` is an origin that no list has. */
export function isAllowedOrigin(
  { headers }: Pick<IncomingMessage, 'headers'>,
  { origins, allowNoOrigin = true }: Pick<SocketOptions<unknown>, 'origins' | 'allowNoOrigin'>,
): boolean {
  return headers.origin === undefined ? allowNoOrigin : origins.includes(headers.origin);
}

const SECRET_PARAMETERS = ['token', 'access_token', 'auth', 'authorization', 'jwt', 'bearer'];

/** Whether the address of a request has a token, which logs of proxies would keep. */
export function hasTokenInAddress({ url = '' }: Pick<IncomingMessage, 'url'>): boolean {
  // The target of a stranger's request need not be a URL, such as `//`.
  const parameters = new URLSearchParams(url.split('?').slice(1).join('?'));
  return [...parameters.keys()].some((name) => SECRET_PARAMETERS.includes(name.toLowerCase()));
}
