import { setting } from './setting.ts';

/** What Kafka takes for a name. */
const KAFKA_NAME = { pattern: /^[\w.-]{1,200}$/, such: ': letters, digits, dot, underscore and hyphen' };

/** Variables of a service that may speak to Kafka. Without KAFKA_BROKERS there is none, and no client is loaded. */
export const kafkaSettings = (clientId: string) => ({
  KAFKA_BROKERS: setting.optional(
    setting.list({
      about: 'Some of the brokers. Without it there is no Kafka: readers take the HTTP way',
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
    about: 'How the brokers’ logs and quotas name this client',
    ...KAFKA_NAME,
  }),
  KAFKA_SSL_ENABLED: setting.flag({ default: 'false', about: 'Whether brokers are spoken to by TLS' }),
  KAFKA_SSL_CA: setting.optional(
    setting.pem({ about: 'Authorities the brokers are verified by, instead of Node’s. Read at the start alone' }),
  ),
  KAFKA_SSL_CERT: setting.optional(
    setting.pem({
      about: 'This client’s certificate, where brokers ask for one. Read at the start alone',
      needs: ['KAFKA_SSL_KEY'],
    }),
  ),
  KAFKA_SSL_KEY: setting.optional(
    setting.pem({ about: 'The key of `KAFKA_SSL_CERT`. Read at the start alone', needs: ['KAFKA_SSL_CERT'] }),
  ),
  KAFKA_SASL_MECHANISM: setting.optional(
    setting.choice({
      of: ['plain', 'scram-sha-256', 'scram-sha-512'],
      about: 'How this client logs in to the brokers',
      needs: ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'],
    }),
  ),
  KAFKA_SASL_USERNAME: setting.optional(
    setting.text({ about: 'The name for `KAFKA_SASL_MECHANISM`', needs: ['KAFKA_SASL_MECHANISM'] }),
  ),
  KAFKA_SASL_PASSWORD: setting.optional(
    setting.secret({
      minLength: 1,
      about: 'The password for `KAFKA_SASL_MECHANISM`. Read at the start alone',
      needs: ['KAFKA_SASL_MECHANISM'],
    }),
  ),
});

/** What `kafkaSettings` gives. */
export interface KafkaConfiguration {
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

/** A connection as @rescind/feed-kafka takes it. */
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

/** How Kafka is to be reached; undefined when there is none. */
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
