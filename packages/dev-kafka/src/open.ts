import { homedir } from 'node:os';
import { join } from 'node:path';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { Broker } from './cluster.ts';
import { toGivenBroker } from './cluster.ts';
import type { DockerOptions } from './docker.ts';
import { checkDocker, openDockerBroker } from './docker.ts';
import { checkJava, openJavaBroker } from './java.ts';

export interface BrokerOptions {
  /** One broker, or three that replicate (three copies, two of them in sync). Default 1. */
  readonly brokers?: 1 | 3;
  /** Runs an own broker, this way only. Default: the Kafka of KAFKA_BROKERS, else Docker, else Java. */
  readonly prefer?: 'java' | 'docker';
  /** Runs an own broker, which can be stopped, also when KAFKA_BROKERS is set. Default false. */
  readonly own?: boolean;
  /**
   * Adds listeners with authentication (`secure` of the broker): TLS with client certificates, and SASL for these users, by name with
   * their password. `admin` has all permissions, the others those of an ACL. Java only.
   */
  readonly users?: Readonly<Record<string, string>>;
  /** Additional settings of server.properties. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Default: that of the process. */
  readonly environment?: Environment;
  /** Receives a line for each slow step and each failed attempt. Default: nothing is logged. */
  readonly log?: (line: string) => void;
}

const checkOptions = optionsOf<BrokerOptions>('openBroker', {
  brokers: option.oneOf(1, 3),
  prefer: option.oneOf('java', 'docker'),
  own: option.flag(),
  users: option.record(option.text()),
  properties: option.record(option.string(), { min: 0 }),
  environment: optionsOf<Environment>('environment', {
    kafkaBrokers: required((value, path) => (value === undefined ? undefined : option.string()(value, path))),
    cacheDirectory: required(option.string()),
  }),
  log: option.callable(),
});

/**
 * Opens a real Kafka: the one of KAFKA_BROKERS, else one in Docker (the image `apache/kafka`, by Testcontainers), else a Java process
 * (jars from Maven Central, fetched once). The broker does not create topics by itself. Processes, containers and files are removed at
 * the end, also if this process is killed.
 *
 * @throws Error that names the missing software when no Kafka can be run
 * @throws TypeError for an option that is unknown or wrong
 */
export async function openBroker(given: BrokerOptions = {}): Promise<Broker> {
  const options = checkOptions(given);
  const { brokers = 1, prefer, users, properties = {}, log = () => undefined } = options;
  const environment = options.environment ?? readEnvironment();
  const needsOwn = options.own === true || prefer !== undefined || users !== undefined;
  const addresses = (environment.kafkaBrokers ?? '').split(',').flatMap((address) => address.trim() || []);
  if (addresses.length > 0 && !needsOwn) return toGivenBroker(addresses);

  const { cacheDirectory } = environment;
  const branch = users === undefined ? prefer : 'java';
  const reasons: string[] = [];
  if (branch !== 'java') {
    const opened = await tryDocker({ brokers, properties }, log);
    if (typeof opened !== 'string') return opened;
    reasons.push(opened);
    if (branch === undefined) log(`no Kafka in Docker (${opened}): taking Java`);
  }
  if (branch !== 'docker') {
    const reason = await checkJava(cacheDirectory);
    if (reason === undefined) return openJavaBroker({ brokers, cacheDirectory, users, properties, log });
    reasons.push(reason);
  }
  throw new Error(
    `There is no Kafka here. Install Docker, or Java 17 or newer and Maven, or set KAFKA_BROKERS to the address of a Kafka that runs. Tried: ${reasons.join('; ')}`,
  );
}

/** Returns the broker, or why Docker could not run it: an engine may lack memory or a network. */
async function tryDocker(options: DockerOptions, log: (line: string) => void): Promise<Broker | string> {
  const reason = await checkDocker(log);
  if (reason !== undefined) return reason;
  try {
    return await openDockerBroker(options);
  } catch (error) {
    return `Docker could not start it: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The part of the environment that `openBroker` uses. */
export interface Environment {
  /** Addresses of a running Kafka, comma-separated (`KAFKA_BROKERS`). */
  readonly kafkaBrokers: string | undefined;
  /** Directory of Kafka's jars: `rescind` in the user's cache directory. */
  readonly cacheDirectory: string;
}

function readEnvironment(): Environment {
  return {
    kafkaBrokers: process.env.KAFKA_BROKERS,
    cacheDirectory: join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'rescind'),
  };
}
