import type { ConnectionOptions } from 'node:tls';
import { createSecureContext } from 'node:tls';
import type { Telemetry } from '@rescind/revocation';
import type { OptionShape } from '@rescind/revocation/options';
import { option, optionError, optionsOf, required } from '@rescind/revocation/options';

/** TLS to the brokers. Values are PEM texts, not paths. */
export interface KafkaTls {
  /** Certificate authorities of the brokers. Default: those of Node. */
  readonly ca?: string | undefined;
  /** This client's certificate with its chain, where the brokers require one; requires `key`. */
  readonly cert?: string | undefined;
  /** The private key of `cert`, not encrypted. */
  readonly key?: string | undefined;
}

/** SASL credentials for the brokers. Without `ssl` the password crosses the network in plain text, and a warning is logged. */
export interface KafkaLogin {
  /** The SASL mechanism. */
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  /** The user that the brokers know. */
  readonly username: string;
  /** The password of that user. */
  readonly password: string;
}

/** How a client reaches and authenticates to the brokers. */
export interface KafkaConnection {
  /** Bootstrap brokers, as `host:port`; they announce the others. */
  readonly brokers: readonly string[];
  /** The topic of the revocation log. Default `rescind.revocations`. */
  readonly topic?: string | undefined;
  /** The client's name in the brokers' logs, quotas and consumer groups: letters, digits, `.`, `_`, `-`. */
  readonly clientId: string;
  /** `true`: TLS with Node's certificate authorities. Default: no TLS. */
  readonly ssl?: boolean | KafkaTls | undefined;
  /** Default: no SASL. */
  readonly sasl?: KafkaLogin | undefined;
}

export interface CheckedConnection {
  readonly brokers: string[];
  readonly topic: string;
  readonly clientId: string;
  readonly ssl: ConnectionOptions | undefined;
  readonly sasl: KafkaLogin | undefined;
  /** Texts that are removed from log lines. */
  readonly secrets: readonly string[];
}

const DEFAULT_TOPIC = 'rescind.revocations';
/** Kafka's characters for names; the length leaves room for the names of consumer groups and log directories. */
const NAME = /^[\w.-]{1,200}$/;
/** A name or an IPv4 address: kafkajs accepts no IPv6 address here. */
const ADDRESS = /^([^\s:/@[\]]+):(\d{1,5})$/;

const name = option.text('1 to 200 of: letters, digits, dot, underscore, hyphen', NAME);
const pem = option.text('text in PEM format (its content, not its path)', /-----BEGIN /);
const tlsOptions = optionsOf<KafkaTls>('ssl', { ca: pem, cert: pem, key: pem });

/** The checks of the options of a connection. */
export const connectionShape: OptionShape<KafkaConnection> = {
  brokers: required(option.list(checkAddress)),
  topic: (value, path) => {
    const topic = name(value, path);
    if (/^\.{1,2}$/.test(topic)) throw optionError(path, 'another name than . and ..', value);
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
 * Fills in the defaults, and checks the options that depend on each other.
 * @param connection checked by `connectionShape`
 * @throws TypeError naming the option and a valid value; its message contains no secret
 */
export function checkConnection(connection: KafkaConnection): CheckedConnection {
  const { brokers, topic = DEFAULT_TOPIC, clientId, sasl, ssl } = connection;
  const key = typeof ssl === 'object' ? ssl.key : undefined;
  return {
    brokers: [...brokers],
    topic,
    clientId,
    ssl: checkTls(ssl),
    // kafkajs modifies it.
    sasl: sasl && { ...sasl },
    secrets: [sasl?.password, key].flatMap((secret) => (secret === undefined ? [] : secret)),
  };
}

/** Logs a warning when the password is sent without TLS. */
export function warnOfPlainText({ sasl, ssl }: CheckedConnection, telemetry: Telemetry): void {
  if (sasl === undefined || ssl !== undefined) return;
  telemetry.log('warn', 'kafka_password_unprotected', { mechanism: sasl.mechanism, missing: 'ssl' });
}

function checkAddress(address: unknown, path: string): string {
  const port = typeof address === 'string' ? ADDRESS.exec(address)?.[2] : undefined;
  if (port !== undefined && Number(port) >= 1 && Number(port) <= 65_535) return String(address);
  throw optionError(path, 'an address like kafka-1.example.com:9092', address);
}

function checkTls(ssl: boolean | KafkaTls | undefined): ConnectionOptions | undefined {
  if (ssl === undefined || ssl === false) return undefined;
  if (ssl === true) return {};
  const { ca, cert, key } = ssl;
  if ((cert === undefined) !== (key === undefined)) throw new TypeError('ssl.cert and ssl.key must be given together');
  const options = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  };
  try {
    createSecureContext(options);
  } catch (error) {
    // OpenSSL's message has the cause, such as a key that does not belong to the certificate, and no content.
    throw new TypeError(`ssl cannot be used: ${error instanceof Error ? error.message : 'unreadable'}`);
  }
  return options;
}
