import { randomInt } from 'node:crypto';
import type { DurationMs, LogLevel, Telemetry } from '@rescind/revocation';
import type { Kafka, LogEntry, RetryOptions, SASLOptions } from 'kafkajs';
import kafkajs from 'kafkajs';
import { registerCodecs } from '../codecs/register.ts';
import type { CheckedConnection } from './connection.ts';
import { patchRequestQueue } from './request-queue-patch.ts';
import { createScrub } from './scrub.ts';
import { createSockets } from './sockets.ts';

/** One client of kafkajs, to be used until something goes wrong and then thrown away. */
export interface KafkaClient {
  readonly kafka: Kafka;
  /** Ends every connection at once; nothing more is logged. */
  destroy(): void;
}

const CONNECTION_TIMEOUT_MS: DurationMs = 3_000;
const REQUEST_TIMEOUT_MS: DurationMs = 10_000;

/**
 * kafkajs's own retries are for what passes by itself in a second or two (a coordinator that is being elected); what
 * takes longer is the supervisor's. All given: kafkajs has other defaults when NODE_ENV is `test`.
 */
export const RETRY: RetryOptions = {
  initialRetryTime: 100,
  maxRetryTime: 1_000,
  factor: 0.2,
  multiplier: 2,
  retries: 5,
  // A consumer that restarts itself is one more that nobody watches.
  restartOnFailure: async () => false,
};

/** kafkajs calls an error what it tries again by itself. */
const LEVELS: Readonly<Record<number, LogLevel>> = {
  [kafkajs.logLevel.ERROR]: 'warn',
  [kafkajs.logLevel.WARN]: 'info',
  [kafkajs.logLevel.INFO]: 'debug',
};

/** Lines of a Kafka that is away come with each attempt, and each attempt is a client of its own. */
const SAY_AGAIN_MS: DurationMs = 600_000;
/** Messages hold addresses and times: more of them than there are brokers and causes are not worth the memory. */
const MOST_REMEMBERED = 200;
const saidAt = new WeakMap<Telemetry, Map<string, number>>();

/** Whether a line of this text was written in the last ten minutes. Digits are no difference. */
function isRepeated(telemetry: Telemetry, text: string): boolean {
  const said = saidAt.get(telemetry) ?? new Map<string, number>();
  saidAt.set(telemetry, said);
  const key = text.replaceAll(/\d+/g, '0');
  const now = performance.now();
  const before = said.get(key);
  if (before !== undefined && now - before < SAY_AGAIN_MS) return true;
  if (said.size >= MOST_REMEMBERED) said.clear();
  said.set(key, now);
  return false;
}

export function createClient(connection: CheckedConnection, telemetry: Telemetry): KafkaClient {
  registerCodecs();
  const mended = patchRequestQueue();
  if (!mended)
    telemetry.log('warn', 'kafka_client_unknown', { why: 'this version of kafkajs burns timers on Node 24' });
  const sockets = createSockets();
  const scrub = createScrub(connection.secrets);
  let destroyed = false;

  const log = ({ level, namespace, log: entry }: LogEntry) => {
    const known = LEVELS[level];
    if (destroyed || known === undefined) return;
    if (known !== 'debug' && isRepeated(telemetry, `${connection.clientId} ${namespace} ${entry.message}`)) {
      telemetry.count('rescind_kafka_client_lines_dropped_total');
      return;
    }
    // Of the fields that kafkajs adds only these: others may hold requests, stacks and settings.
    const { message, broker, error } = entry as LogEntry['log'] & { broker?: unknown; error?: unknown };
    telemetry.log(known, 'kafka_client', {
      from: namespace,
      message: scrub(message),
      broker: typeof broker === 'string' ? broker : undefined,
      error: typeof error === 'string' ? scrub(error) : undefined,
    });
  };

  const kafka = new kafkajs.Kafka({
    brokers: beginningAnywhere(connection.brokers),
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
    destroy() {
      destroyed = true;
      sockets.destroy();
    },
  };
}

/**
 * kafkajs asks the first broker for all others, and asks it again when it accepts a connection and does not answer. A
 * client is made anew after a failure: with another first broker, one that is frozen holds up some attempts, not all.
 */
function beginningAnywhere(brokers: readonly string[]): string[] {
  const first = randomInt(brokers.length);
  return [...brokers.slice(first), ...brokers.slice(0, first)];
}
