import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { setting } from './setting.ts';
import type { GuardConfiguration } from './settings.ts';
import { issuerUrl } from './settings.ts';

/** What a transport is created from. @typeParam C the configuration that it reads its variables from */
export interface TransportContext<C> {
  readonly configuration: C;
  readonly telemetry: Telemetry;
  /** The secret of FEED_CLIENT_ID. Default: the value of FEED_CLIENT_SECRET at the start; see `reloadedText`. */
  readonly clientSecret?: string | (() => string) | undefined;
}

/** Creates a transport if its variables are set. @typeParam W a transport of @rescind/feed */
export type ConfiguredTransport<C, W> = (context: TransportContext<C>) => W | undefined | Promise<W | undefined>;

type KafkaOptions = KafkaConnection & { readonly telemetry: Telemetry };

/** The Kafka transport, if KAFKA_BROKERS is set. @param load loads Kafka's client; called only if the variable is set */
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

/** The HTTP transport, which reads from the issuer. @param createTransport the function of @rescind/feed */
export function configuredHttpTransport<W>(
  createTransport: (options: HttpOptions) => W,
): ConfiguredTransport<GuardConfiguration, W> {
  return ({ configuration, telemetry, clientSecret = configuration.FEED_CLIENT_SECRET }) =>
    createTransport({
      issuer: issuerUrl(configuration),
      clientId: configuration.FEED_CLIENT_ID,
      clientSecret,
      telemetry,
    });
}

/**
 * Creates a feed of the transports whose variables are set, in the order of the list: the first is read, the second is its fallback.
 * @throws RescindError `configuration_invalid` for no transport, or more than two
 */
export async function configuredFeed<C, W>(
  transports: readonly ConfiguredTransport<C, W>[],
  context: TransportContext<C>,
): Promise<{ readonly primary: W; readonly fallback?: W }> {
  const opened = await Promise.all(transports.map((make) => make(context)));
  const [primary, fallback, ...others] = opened.filter((transport) => transport !== undefined);
  if (primary === undefined || others.length > 0) {
    const count = primary === undefined ? 'no transport' : `${others.length + 2} transports`;
    const detail = `the variables configure ${count} of the log; must be one or two`;
    throw new RescindError('configuration_invalid', { detail });
  }
  return fallback === undefined ? { primary } : { primary, fallback };
}

/** What Kafka takes for a name. */
const KAFKA_NAME = { pattern: /^[\w.-]{1,200}$/, such: ': letters, digits, dot, underscore and hyphen' };

/** Variables of a service that may speak to Kafka. Without KAFKA_BROKERS there is none, and no client is loaded. */
export const kafkaSettings = (clientId: string) => ({
  KAFKA_BROKERS: setting.optional(
    setting.list({
      about: 'Bootstrap brokers. Without it there is no Kafka: readers use the HTTP transport',
      pattern: /^(\[[\da-fA-F:.]+\]|[^\s:/@]+):\d{1,5}$/,
      such: ' of host:port',
    }),
  ),
  KAFKA_TOPIC: setting.text({
    default: 'rescind.revocations',
    about: 'The topic of the revocation log',
    ...KAFKA_NAME,
  }),
  KAFKA_CLIENT_ID: setting.text({
    default: clientId,
    about: 'The name of this client in the brokers’ logs and quotas',
    ...KAFKA_NAME,
  }),
  KAFKA_SSL_ENABLED: setting.flag({ default: 'false', about: 'Whether connections to the brokers use TLS' }),
  KAFKA_SSL_CA: setting.optional(
    setting.pem({ about: 'Certificate authorities of the brokers, instead of Node’s. Read at the start only' }),
  ),
  KAFKA_SSL_CERT: setting.optional(
    setting.pem({
      about: 'This client’s certificate, where brokers require one. Read at the start only',
      needs: ['KAFKA_SSL_KEY'],
    }),
  ),
  KAFKA_SSL_KEY: setting.optional(
    setting.pem({ about: 'The key of `KAFKA_SSL_CERT`. Read at the start only', needs: ['KAFKA_SSL_CERT'] }),
  ),
  KAFKA_SASL_MECHANISM: setting.optional(
    setting.choice({
      of: ['plain', 'scram-sha-256', 'scram-sha-512'],
      about: 'How this client authenticates to the brokers',
      needs: ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'],
    }),
  ),
  KAFKA_SASL_USERNAME: setting.optional(
    setting.text({ about: 'The name for `KAFKA_SASL_MECHANISM`', needs: ['KAFKA_SASL_MECHANISM'] }),
  ),
  KAFKA_SASL_PASSWORD: setting.optional(
    setting.secret({
      minLength: 1,
      about: 'The password for `KAFKA_SASL_MECHANISM`. Read at the start only',
      needs: ['KAFKA_SASL_MECHANISM'],
    }),
  ),
});

/** The configuration of `kafkaSettings`. */
interface KafkaConfiguration {
  readonly KAFKA_BROKERS?: readonly string[] | undefined;
  readonly KAFKA_TOPIC: string;
  readonly KAFKA_CLIENT_ID: string;
  readonly KAFKA_SSL_ENABLED: boolean;
  readonly KAFKA_SSL_CA?: string | undefined;
  readonly KAFKA_SSL_CERT?: string | undefined;
  readonly KAFKA_SSL_KEY?: string | undefined;
  readonly KAFKA_SASL_MECHANISM?: 'plain' | 'scram-sha-256' | 'scram-sha-512' | undefined;
  readonly KAFKA_SASL_USERNAME?: string | undefined;
  readonly KAFKA_SASL_PASSWORD?: string | undefined;
}

/** A connection in the form of @rescind/feed-kafka. */
export interface KafkaConnection {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly clientId: string;
  readonly ssl?: boolean | KafkaTls;
  readonly sasl?: KafkaLogin;
}

interface KafkaTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

interface KafkaLogin {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** The connection to Kafka; undefined: KAFKA_BROKERS is not set. */
export function kafkaConnection(configuration: KafkaConfiguration): KafkaConnection | undefined {
  const { KAFKA_BROKERS: brokers, KAFKA_TOPIC: topic, KAFKA_CLIENT_ID: clientId } = configuration;
  if (brokers === undefined) return undefined;
  const ssl = tls(configuration);
  const sasl = login(configuration);
  return { brokers, topic, clientId, ...(ssl === undefined ? {} : { ssl }), ...(sasl === undefined ? {} : { sasl }) };
}

function tls(configuration: KafkaConfiguration): boolean | KafkaTls | undefined {
  if (!configuration.KAFKA_SSL_ENABLED) return undefined;
  const { KAFKA_SSL_CA: ca, KAFKA_SSL_CERT: cert, KAFKA_SSL_KEY: key } = configuration;
  if (ca === undefined && cert === undefined) return true;
  return { ...(ca === undefined ? {} : { ca }), ...(cert === undefined || key === undefined ? {} : { cert, key }) };
}

function login(configuration: KafkaConfiguration): KafkaLogin | undefined {
  const {
    KAFKA_SASL_MECHANISM: mechanism,
    KAFKA_SASL_USERNAME: username,
    KAFKA_SASL_PASSWORD: password,
  } = configuration;
  if (mechanism === undefined || username === undefined || password === undefined) return undefined;
  return { mechanism, username, password };
}
