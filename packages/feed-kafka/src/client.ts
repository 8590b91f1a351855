import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { DurationMs, LogLevel, Telemetry } from '@rescind/revocation';
import type { ISocketFactory, Kafka, LogEntry, RetryOptions, SASLOptions } from 'kafkajs';
import kafkajs from 'kafkajs';
import { registerCodecs } from './codecs.ts';
import type { CheckedConnection } from './connection.ts';
import { patchRequestQueue } from './request-queue-patch.ts';

/** One client of kafkajs. After any error its owner destroys it and creates another one. */
export interface KafkaClient {
  readonly kafka: Kafka;
  /** From now on its connections keep the process alive. */
  ref(): void;
  /** Closes every connection at once, and stops its log. */
  destroy(): void;
}

const CONNECTION_TIMEOUT_MS: DurationMs = 3_000;
const REQUEST_TIMEOUT_MS: DurationMs = 10_000;
/** Of each wait before another client: half, since a new client costs the brokers several connections. */
export const RANDOM_SHARE = 0.5;

/**
 * kafkajs retries errors that pass within a second or two, such as the election of a coordinator. The session's owner retries
 * what takes longer. All values are given, since kafkajs has other defaults when NODE_ENV is `test`.
 */
export const RETRY: RetryOptions = {
  initialRetryTime: 100,
  maxRetryTime: 1_000,
  factor: 0.2,
  multiplier: 2,
  retries: 5,
  // The owner opens another session: two supervisors would open two consumers.
  restartOnFailure: async () => false,
};

/** Our level for each of kafkajs, which logs as errors what it retries. */
const LEVELS: Readonly<Record<number, LogLevel>> = {
  [kafkajs.logLevel.ERROR]: 'warn',
  [kafkajs.logLevel.WARN]: 'info',
  [kafkajs.logLevel.INFO]: 'debug',
};

/** Errors that pass with the start of a broker or of a topic, as kafkajs writes them. What lasts has a reason of ours (`topic_missing`). */
const PASSING: ReadonlySet<unknown> = new Set([
  'This server does not host this topic-partition',
  'The group coordinator is not available',
]);

/** A line is not repeated within this time: while Kafka is unreachable each attempt has a client of its own that logs the same. */
const REPEAT_AFTER_MS: DurationMs = 600_000;
/** Greatest number of remembered lines: more than a cluster has brokers and causes. */
const MAX_REMEMBERED_LINES = 200;
/** Of each telemetry the monotonic time at which a line was last written. */
const loggedAt = new WeakMap<Telemetry, Map<string, number>>();

/** Whether this text was logged within the last ten minutes. Digits are ignored. */
function isRepeated(telemetry: Telemetry, text: string): boolean {
  const times = loggedAt.get(telemetry) ?? new Map<string, number>();
  loggedAt.set(telemetry, times);
  const key = text.replaceAll(/\d+/g, '0');
  const now = performance.now();
  const before = times.get(key);
  if (before !== undefined && now - before < REPEAT_AFTER_MS) return true;
  if (times.size >= MAX_REMEMBERED_LINES) times.clear();
  times.set(key, now);
  return false;
}

/** @param keepsAlive whether its connections keep the process alive; see `KafkaClient.ref` */
export function createClient(
  connection: CheckedConnection,
  telemetry: Telemetry,
  { keepsAlive = true }: { readonly keepsAlive?: boolean } = {},
): KafkaClient {
  registerCodecs();
  if (!patchRequestQueue())
    telemetry.log('warn', 'kafka_client_unknown', {
      reason: 'this version of kafkajs runs a timer every millisecond on Node 24',
    });
  const sockets = createSockets(keepsAlive);
  const redact = createRedactor(connection.secrets);
  let destroyed = false;

  const log = ({ level, namespace, log: entry }: LogEntry) => {
    const ourLevel = PASSING.has(entry.error) ? 'debug' : LEVELS[level];
    if (destroyed || ourLevel === undefined) return;
    if (ourLevel !== 'debug' && isRepeated(telemetry, `${connection.clientId} ${namespace} ${entry.message}`)) {
      telemetry.count('rescind_kafka_client_lines_dropped_total');
      return;
    }
    // Other fields of kafkajs may hold requests, stacks and settings.
    const { message, broker, error } = entry as LogEntry['log'] & { broker?: unknown; error?: unknown };
    telemetry.log(ourLevel, 'kafka_client', {
      from: namespace,
      message: redact(message),
      broker: typeof broker === 'string' ? broker : undefined,
      error: typeof error === 'string' ? redact(error) : undefined,
    });
  };

  const kafka = new kafkajs.Kafka({
    brokers: rotateAtRandom(connection.brokers),
    clientId: connection.clientId,
    ...(connection.ssl === undefined ? {} : { ssl: connection.ssl }),
    ...(connection.sasl === undefined ? {} : { sasl: connection.sasl as SASLOptions }),
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    authenticationTimeout: REQUEST_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: RETRY,
    socketFactory: sockets.factory,
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => log,
  });
  return {
    kafka,
    ref: sockets.ref,
    destroy() {
      destroyed = true;
      sockets.destroy();
    },
  };
}

/**
 * Rotates the list, so that each client begins with a random broker. kafkajs asks the first broker for the others, and asks it again
 * when it accepts a connection and does not answer: a frozen broker then delays some attempts, not all.
 */
function rotateAtRandom(brokers: readonly string[]): string[] {
  const first = randomInt(brokers.length);
  return [...brokers.slice(first), ...brokers.slice(0, first)];
}

const KEEP_ALIVE_MS = 60_000;

/**
 * The sockets of one client. kafkajs waits for answers before it closes a connection, half a minute for a frozen broker; these are
 * closed at once.
 */
interface Sockets {
  readonly factory: ISocketFactory;
  /** From now on they keep the process alive. */
  ref(): void;
  /** Destroys all of them, and each that is opened later. */
  destroy(): void;
}

function createSockets(keepAlive: boolean): Sockets {
  const open = new Set<Socket>();
  let isRef = keepAlive;
  let destroyed = false;
  return {
    factory({ host, port, ssl, onConnect }) {
      const name = isIP(host) === 0 ? { servername: host } : {};
      const socket = ssl ? connectTls({ host, port, ...name, ...ssl }, onConnect) : connect({ host, port }, onConnect);
      if (!isRef) socket.unref();
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      // Each write is a whole request: Nagle's algorithm would delay it by milliseconds.
      socket.setNoDelay(true);
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      if (destroyed) socket.destroy();
      return socket;
    },
    ref() {
      isRef = true;
      for (const socket of open) socket.ref();
    },
    destroy() {
      destroyed = true;
      for (const socket of open) socket.destroy();
    },
  };
}

const REDACTED = '[secret]';
/** Shorter secrets, in characters, are not removed: they occur in ordinary words. */
const MIN_SECRET_LENGTH = 4;
const MAX_LINE_LENGTH = 500;

/** Removes secrets from a text of kafkajs, also where they are encoded (Base64, URL, JSON), and truncates it to 500 characters. */
function createRedactor(secrets: readonly string[]): (text: string) => string {
  const spellings = secrets.flatMap((secret) => {
    const base64 = Buffer.from(secret).toString('base64');
    return [secret, base64, base64.replace(/=+$/, ''), encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)];
  });
  const known = [...new Set(spellings)].filter((text) => text.length >= MIN_SECRET_LENGTH);
  return (text) => {
    const redacted = known.reduce((left, secret) => left.replaceAll(secret, REDACTED), text);
    return redacted.slice(0, MAX_LINE_LENGTH);
  };
}

class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded';
}

/** Awaits the work for `limitMs` at most. It does not cancel the work. @throws DeadlineExceeded */
export async function within<T>(limitMs: DurationMs, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new DeadlineExceeded(`no answer within ${limitMs} ms`)), limitMs);
  work.catch(() => undefined);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
