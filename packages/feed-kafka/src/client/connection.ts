import type { ConnectionOptions } from 'node:tls';
import { createSecureContext } from 'node:tls';
import type { Telemetry } from '@rescind/revocation';
import type { OptionShape } from '@rescind/revocation/options';
import { option, optionsOf, required, wrongOption } from '@rescind/revocation/options';

/** TLS to the brokers. PEM texts, not paths. */
export interface KafkaTls {
  /** Authorities the brokers' certificates are verified by, instead of Node's. */
  readonly ca?: string;
  /** This client's certificate (with its chain), where the brokers ask for one; needs `key`. */
  readonly cert?: string;
  /** The key of `cert`, not encrypted. */
  readonly key?: string;
}

/** A user of the brokers (SASL). Over TLS only, unless the network is trusted. */
export interface KafkaLogin {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** How the brokers are reached. */
export interface KafkaConnection {
  /** Some of the brokers, as `host:port`; they name the others. */
  readonly brokers: readonly string[];
  /** The topic of the revocation log. Default `rescind.revocations`. */
  readonly topic?: string;
  /** How the brokers' logs, quotas and consumer groups name this client: letters, digits, `.`, `_`, `-`. */
  readonly clientId: string;
  /** `true`: TLS, verified by the authorities that Node knows. Default: none. */
  readonly ssl?: boolean | KafkaTls;
  readonly sasl?: KafkaLogin;
}

export interface CheckedConnection {
  readonly brokers: string[];
  readonly topic: string;
  readonly clientId: string;
  readonly ssl: ConnectionOptions | undefined;
  readonly sasl: KafkaLogin | undefined;
  /** Texts that no log and no error may contain. */
  readonly secrets: readonly string[];
}

const DEFAULT_TOPIC = 'rescind.revocations';
/** What Kafka allows; the length leaves room for the names of consumer groups and log directories. */
const NAME = /^[\w.-]{1,200}$/;
/** A name or an IPv4 address: kafkajs takes no IPv6 address here. */
const ADDRESS = /^([^\s:/@[\]]+):(\d{1,5})$/;

const name = option.text('1 to 200 of: letters, digits, dot, underscore, hyphen', NAME);
const pem = option.text('text in PEM format (its content, not its path)', /-----BEGIN /);
const tlsOptions = optionsOf<KafkaTls>('ssl', { ca: pem, cert: pem, key: pem });

/** Each option of a connection with its check. */
export const connectionShape: OptionShape<KafkaConnection> = {
  brokers: required(option.list(checkAddress)),
  topic: (value, path) => {
    const topic = name(value, path);
    if (/^\.{1,2}$/.test(topic)) throw wrongOption(path, 'another name than . and ..', value);
    return topic;
  },
  clientId: required(name),
  ssl: (value, path) => (typeof value === 'boolean' ? value : tlsOptions(value, path)),
  sasl: optionsOf<KafkaLogin>('sasl', {
    mechanism: required(option.oneOf('plain', 'scram-sha-256', 'scram-sha-512')),
    username: required(option.text()),
    password: required(option.text()),
  }),
};

/**
 * @param connection checked by `connectionShape`
 * @throws TypeError naming the option and what would be right; it never shows a secret
 */
export function checkConnection(connection: KafkaConnection): CheckedConnection {
  const { brokers, topic = DEFAULT_TOPIC, clientId, sasl, ssl } = connection;
  const key = typeof ssl === 'object' ? ssl.key : undefined;
  return {
    brokers: [...brokers],
    topic,
    clientId,
    ssl: checkTls(ssl),
    // kafkajs writes into it.
    sasl: sasl && { ...sasl },
    secrets: [sasl?.password, key].flatMap((secret) => (secret === undefined ? [] : secret)),
  };
}

/** Says that a password is going to cross the network for everybody to read, or to guess at. */
export function warnOfPlainText({ sasl, ssl }: CheckedConnection, telemetry: Telemetry): void {
  if (sasl === undefined || ssl !== undefined) return;
  telemetry.log('warn', 'kafka_password_unprotected', { mechanism: sasl.mechanism, wanted: 'ssl' });
}

function checkAddress(address: unknown, path: string): string {
  const port = typeof address === 'string' ? ADDRESS.exec(address)?.[2] : undefined;
  if (port !== undefined && Number(port) >= 1 && Number(port) <= 65_535) return String(address);
  throw wrongOption(path, 'an address like kafka-1.example.com:9092', address);
}

function checkTls(ssl: boolean | KafkaTls | undefined): ConnectionOptions | undefined {
  if (ssl === undefined || ssl === false) return undefined;
  if (ssl === true) return {};
  const { ca, cert, key } = ssl;
  if ((cert === undefined) !== (key === undefined)) throw new TypeError('ssl.cert and ssl.key need each other');
  const options = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  };
  try {
    createSecureContext(options);
  } catch (error) {
    // The message of OpenSSL says what it stumbled over, such as a key that is not the certificate's; no content.
    throw new TypeError(`ssl cannot be used: ${error instanceof Error ? error.message : 'unreadable'}`);
  }
  return options;
}
