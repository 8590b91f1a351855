import { registerErrors } from '@rescind/revocation/errors';
import type { KafkaFailure } from '@rescind/revocation/metrics';

/** Error codes of this package. */
const ERRORS = registerErrors('@rescind/feed-kafka', {
  kafka_unreachable: { status: 503, message: 'Kafka could not be reached' },
  topic_unsuitable: { status: 500, message: 'The Kafka topic would lose events' },
});

type FeedKafkaErrors = typeof ERRORS;

declare module '@rescind/revocation/errors' {
  interface ErrorTable extends FeedKafkaErrors {}
}

interface KafkaError {
  readonly name?: string;
  readonly type?: string;
  readonly message?: string;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
}

/** The error and all its causes: kafkajs nests the first cause several levels deep. */
function* chain(error: unknown): Generator<KafkaError> {
  const seen = new Set<unknown>();
  const queue = [error];
  while (queue.length > 0) {
    const next = queue.shift();
    if (typeof next !== 'object' || next === null || seen.has(next)) continue;
    seen.add(next);
    const cause = next as KafkaError;
    yield cause;
    queue.push(cause.cause, ...(cause.errors ?? []));
  }
}

/** The names of an error in Kafka's protocol, such as UNKNOWN_TOPIC_OR_PARTITION. */
export function protocolErrors(error: unknown): string[] {
  return [...chain(error)].flatMap(({ type }) => (typeof type === 'string' ? type : []));
}

const BY_TYPE: ReadonlyMap<string, KafkaFailure> = new Map([
  ['UNKNOWN_TOPIC_OR_PARTITION', 'topic_missing'],
  ['TOPIC_AUTHORIZATION_FAILED', 'unauthorized'],
  ['GROUP_AUTHORIZATION_FAILED', 'unauthorized'],
  ['CLUSTER_AUTHORIZATION_FAILED', 'unauthorized'],
  ['GROUP_COORDINATOR_NOT_AVAILABLE', 'coordinator_unavailable'],
  ['GROUP_LOAD_IN_PROGRESS', 'coordinator_unavailable'],
  ['NOT_COORDINATOR_FOR_GROUP', 'coordinator_unavailable'],
  ['SASL_AUTHENTICATION_FAILED', 'authentication_failed'],
  ['UNSUPPORTED_SASL_MECHANISM', 'authentication_failed'],
]);

const BY_NAME: ReadonlyMap<string, KafkaFailure> = new Map([
  ['KafkaJSSASLAuthenticationError', 'authentication_failed'],
  ['KafkaJSNotImplemented', 'undecodable'],
  ['KafkaJSPartialMessageError', 'undecodable'],
  ['KafkaJSUnsupportedMagicByteInMessageSet', 'undecodable'],
  ['KafkaJSInvalidVarIntError', 'undecodable'],
  ['KafkaJSInvalidLongError', 'undecodable'],
  ['KafkaJSConnectionError', 'unreachable'],
  ['KafkaJSConnectionClosedError', 'unreachable'],
  ['KafkaJSRequestTimeoutError', 'unreachable'],
  ['DeadlineExceeded', 'unreachable'],
  ['KafkaJSNoBrokerAvailableError', 'unreachable'],
  ['KafkaJSBrokerNotFound', 'unreachable'],
  ['KafkaJSGroupCoordinatorNotFound', 'unreachable'],
]);

const CERTIFICATE = /certificate|self-signed|altname|wrong version number|alert/i;

/** Classifies an error of kafkajs. */
export function reasonOf(error: unknown): KafkaFailure {
  const errors = [...chain(error)];
  for (const { type } of errors) {
    const reason = type === undefined ? undefined : BY_TYPE.get(type);
    if (reason !== undefined) return reason;
  }
  if (errors.some(({ message }) => CERTIFICATE.test(message ?? ''))) return 'certificate_refused';
  for (const { name } of errors) {
    const reason = name === undefined ? undefined : BY_NAME.get(name);
    if (reason !== undefined) return reason;
  }
  return 'failed';
}
