/** What an error of kafkajs means to us: a word of a bounded set, for labels and health. */
export type FailureReason =
  | 'topic_missing'
  | 'unauthorized'
  | 'authentication_failed'
  | 'certificate_refused'
  | 'undecodable'
  | 'coordinator_unavailable'
  | 'unreachable'
  | 'failed';

interface KafkaError {
  readonly name?: string;
  readonly type?: string;
  readonly code?: string;
  readonly message?: string;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
}

/** Errors of kafkajs carry what happened some causes deep. */
function* chain(error: unknown): Generator<KafkaError> {
  const seen = new Set<unknown>();
  const queue = [error];
  while (queue.length > 0) {
    const next = queue.shift();
    if (typeof next !== 'object' || next === null || seen.has(next)) continue;
    seen.add(next);
    const one = next as KafkaError;
    yield one;
    queue.push(one.cause, ...(one.errors ?? []));
  }
}

/** The name that Kafka's protocol gives to what went wrong, such as UNKNOWN_TOPIC_OR_PARTITION. */
export function protocolErrors(error: unknown): string[] {
  return [...chain(error)].flatMap(({ type }) => (typeof type === 'string' ? type : []));
}

const BY_TYPE: ReadonlyMap<string, FailureReason> = new Map([
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

const BY_NAME: ReadonlyMap<string, FailureReason> = new Map([
  ['KafkaJSSASLAuthenticationError', 'authentication_failed'],
  ['KafkaJSNotImplemented', 'undecodable'],
  ['KafkaJSPartialMessageError', 'undecodable'],
  ['KafkaJSUnsupportedMagicByteInMessageSet', 'undecodable'],
  ['KafkaJSInvalidVarIntError', 'undecodable'],
  ['KafkaJSInvalidLongError', 'undecodable'],
  ['KafkaJSConnectionError', 'unreachable'],
  ['KafkaJSConnectionClosedError', 'unreachable'],
  ['KafkaJSRequestTimeoutError', 'unreachable'],
  ['NoAnswer', 'unreachable'],
  ['KafkaJSNoBrokerAvailableError', 'unreachable'],
  ['KafkaJSBrokerNotFound', 'unreachable'],
  ['KafkaJSGroupCoordinatorNotFound', 'unreachable'],
]);

const CERTIFICATE = /certificate|self-signed|altname|wrong version number|alert/i;

export function reasonOf(error: unknown): FailureReason {
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
