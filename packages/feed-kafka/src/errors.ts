import { registerErrors } from '@rescind/revocation/errors';

/** Codes of Kafka. */
const ERRORS = registerErrors('@rescind/feed-kafka', {
  kafka_unreachable: { status: 503, message: 'Kafka could not be reached' },
  topic_unsuitable: { status: 500, message: 'The Kafka topic would lose events' },
});

type FeedKafkaErrors = typeof ERRORS;

declare module '@rescind/revocation/errors' {
  interface ErrorTable extends FeedKafkaErrors {}
}
