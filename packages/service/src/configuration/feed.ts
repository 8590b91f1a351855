import type { Telemetry } from '@rescind/revocation';
import type { GuardConfiguration } from './guard.ts';
import { issuerUrl } from './guard.ts';
import type { KafkaConfiguration, KafkaConnection } from './kafka.ts';
import { kafkaConnection } from './kafka.ts';

/** The two ways of @rescind/feed and @rescind/feed-kafka, as far as choosing between them needs them. */
export interface Ways<W> {
  httpWay(options: {
    readonly issuer: string;
    readonly clientId: string;
    readonly clientSecret: string | (() => string);
    readonly telemetry: Telemetry;
  }): W;
  /** Loads Kafka's client: called only where there is a Kafka. */
  kafka(): Promise<{ kafkaWay(options: KafkaConnection & { readonly telemetry: Telemetry }): W }>;
}

/**
 * The feed that the configuration asks for: with KAFKA_BROKERS Kafka first and the issuer's HTTP way second, else that
 * way alone.
 * @param clientSecret default: FEED_CLIENT_SECRET as it was at start; see `reloadedText`
 */
export async function configuredFeed<W>(
  configuration: GuardConfiguration & KafkaConfiguration,
  telemetry: Telemetry,
  ways: Ways<W>,
  clientSecret: string | (() => string) = configuration.FEED_CLIENT_SECRET,
): Promise<{ readonly first: W; readonly second?: W }> {
  const http = ways.httpWay({
    issuer: issuerUrl(configuration),
    clientId: configuration.FEED_CLIENT_ID,
    clientSecret,
    telemetry,
  });
  const connection = kafkaConnection(configuration);
  if (connection === undefined) return { first: http };
  const { kafkaWay } = await ways.kafka();
  return { first: kafkaWay({ ...connection, telemetry }), second: http };
}
