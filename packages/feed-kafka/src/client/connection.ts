import type { ConnectionOptions } from 'node:tls';
import { createSecureContext } from 'node:tls';
import type { Telemetry } from '@rescind/revocation';

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
const MECHANISMS: readonly string[] = ['plain', 'scram-sha-256', 'scram-sha-512'];

/** @throws TypeError naming the option and what would be right; it never shows a secret */
export function checkConnection(connection: KafkaConnection): CheckedConnection {
  const { brokers, topic = DEFAULT_TOPIC, clientId } = connection;
  if (!Array.isArray(brokers) || brokers.length === 0) {
    throw new TypeError('brokers must name at least one broker as host:port');
  }
  brokers.forEach(checkAddress);
  if (typeof topic !== 'string' || !NAME.test(topic) || /^\.{1,2}$/.test(topic)) {
    throw new TypeError('topic must be 1 to 200 of: letters, digits, dot, underscore, hyphen');
  }
  if (typeof clientId !== 'string' || !NAME.test(clientId)) {
    throw new TypeError('clientId must be 1 to 200 of: letters, digits, dot, underscore, hyphen');
  }
  const sasl = checkLogin(connection.sasl);
  const ssl = checkTls(connection.ssl);
  const key = typeof connection.ssl === 'object' ? connection.ssl.key : undefined;
  return {
    brokers: [...brokers],
    topic,
    clientId,
    ssl,
    sasl,
    secrets: [sasl?.password, key].flatMap((secret) => (secret === undefined ? [] : secret)),
  };
}

/** Says that a password is going to cross the network for everybody to read, or to guess at. */
export function warnOfPlainText({ sasl, ssl }: CheckedConnection, telemetry: Telemetry): void {
  if (sasl === undefined || ssl !== undefined) return;
  telemetry.log('warn', 'kafka_password_unprotected', { mechanism: sasl.mechanism, wanted: 'ssl' });
}

function checkAddress(address: unknown): void {
  const port = typeof address === 'string' ? ADDRESS.exec(address)?.[2] : undefined;
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw new TypeError('brokers must be addresses like kafka-1.example.com:9092');
  }
}

function checkTls(ssl: boolean | KafkaTls | undefined): ConnectionOptions | undefined {
  if (ssl === undefined || ssl === false) return undefined;
  if (ssl === true) return {};
  if (typeof ssl !== 'object' || ssl === null) throw new TypeError('ssl must be true or { ca, cert, key }');
  const { ca, cert, key } = ssl;
  for (const [name, pem] of Object.entries({ ca, cert, key })) {
    if (pem !== undefined && !(typeof pem === 'string' && pem.includes('-----BEGIN '))) {
      throw new TypeError(`ssl.${name} must be a text in PEM format (its content, not its path)`);
    }
  }
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

function checkLogin(sasl: KafkaLogin | undefined): KafkaLogin | undefined {
  if (sasl === undefined) return undefined;
  if (typeof sasl !== 'object' || sasl === null || !MECHANISMS.includes(sasl.mechanism)) {
    throw new TypeError(`sasl.mechanism must be one of ${MECHANISMS.join(', ')}`);
  }
  const { mechanism, username, password } = sasl;
  if (typeof username !== 'string' || username === '') throw new TypeError('sasl.username must be a text');
  if (typeof password !== 'string' || password === '') throw new TypeError('sasl.password must be a text');
  return { mechanism, username, password };
}
