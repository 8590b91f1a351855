import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { GuardConfiguration } from './guard.ts';
import { issuerUrl } from './guard.ts';
import type { KafkaConfiguration, KafkaConnection } from './kafka.ts';
import { kafkaConnection } from './kafka.ts';

/** What a transport is made of. @typeParam C the configuration it reads its variables from */
export interface TransportContext<C> {
  readonly configuration: C;
  readonly telemetry: Telemetry;
  /** The secret of a reader. Default: FEED_CLIENT_SECRET as it was at start; see `reloadedText`. */
  readonly clientSecret?: string | (() => string) | undefined;
}

/** Makes a transport, where the configuration asks for it. @typeParam W a transport of @rescind/feed */
export type ConfiguredTransport<C, W> = (context: TransportContext<C>) => W | undefined | Promise<W | undefined>;

type KafkaOptions = KafkaConnection & { readonly telemetry: Telemetry };

/** Kafka, where KAFKA_BROKERS is set. @param load loads Kafka's client: called only where there is a Kafka */
export function configuredKafkaTransport<W>(
  load: () => Promise<{ kafkaTransport(options: KafkaOptions): W }>,
): ConfiguredTransport<KafkaConfiguration, W> {
  return async ({ configuration, telemetry }) => {
    const connection = kafkaConnection(configuration);
    if (connection === undefined) return undefined;
    const { kafkaTransport } = await load();
    return kafkaTransport({ ...connection, telemetry });
  };
}

interface HttpOptions {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string | (() => string);
  readonly telemetry: Telemetry;
}

/** The issuer's own server. @param httpWay that of @rescind/feed */
export function configuredHttpTransport<W>(
  httpWay: (options: HttpOptions) => W,
): ConfiguredTransport<GuardConfiguration, W> {
  return ({ configuration, telemetry, clientSecret = configuration.FEED_CLIENT_SECRET }) =>
    httpWay({ issuer: issuerUrl(configuration), clientId: configuration.FEED_CLIENT_ID, clientSecret, telemetry });
}

/**
 * The feed of those transports that the configuration asks for, in the order of the list: the first is read, the second is its
 * fallback.
 * @throws RescindError `configuration_invalid` for no transport, or more than two
 */
export async function configuredFeed<C, W>(
  transports: readonly ConfiguredTransport<C, W>[],
  context: TransportContext<C>,
): Promise<{ readonly first: W; readonly second?: W }> {
  const made = await Promise.all(transports.map((make) => make(context)));
  const [first, second, ...more] = made.filter((transport) => transport !== undefined);
  if (first === undefined || more.length > 0) {
    const detail = `the variables ask for ${first === undefined ? 'no transport' : `${more.length + 2} transports`} of the log, not for one or two`;
    throw new RescindError('configuration_invalid', { detail });
  }
  return second === undefined ? { first } : { first, second };
}
