import { option, optionsOf, required } from '@rescind/revocation/options';
import type { Broker } from './cluster.ts';
import { toGivenBroker } from './cluster.ts';
import type { DockerOptions } from './docker/open.ts';
import { openDockerBroker, whyNoDocker } from './docker/open.ts';
import type { Environment } from './environment.ts';
import { readEnvironment } from './environment.ts';
import { whyNoJava } from './java/jars.ts';
import { openJavaBroker } from './java/open.ts';

export interface BrokerOptions {
  /** One broker, or three that replicate (three copies, two of them in sync). Default 1. */
  readonly brokers?: 1 | 3;
  /** Only this branch, and a broker of its own. Default: a Kafka that is given, else Docker, else Java. */
  readonly prefer?: 'java' | 'docker';
  /** A broker that can be stopped, even where KAFKA_BROKERS names one that runs. Default false. */
  readonly own?: boolean;
  /**
   * Adds guarded listeners (`secure` of the broker): TLS with client certificates, and SASL for these users, name to
   * password. `admin` may do everything, others what an ACL allows. Java only.
   */
  readonly users?: Readonly<Record<string, string>>;
  /** More settings of server.properties. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Default: that of the process. */
  readonly environment?: Environment;
  /** Told what takes time and what was tried in vain, a line at a time. Default: nothing. */
  readonly say?: (line: string) => void;
}

const checkOptions = optionsOf<BrokerOptions>('openBroker', {
  brokers: option.oneOf(1, 3),
  prefer: option.oneOf('java', 'docker'),
  own: option.flag(),
  users: option.record(option.text()),
  properties: option.record(option.string(), { least: 0 }),
  environment: optionsOf<Environment>('environment', {
    kafkaBrokers: required((value, path) => (value === undefined ? undefined : option.string()(value, path))),
    cacheDirectory: required(option.string()),
  }),
  say: option.callable(),
});

/**
 * Opens a real Kafka: the one that KAFKA_BROKERS names, else one in Docker (the image `apache/kafka`, by
 * Testcontainers), else one as a Java process (jars from Maven Central, fetched once). Topics are not made by
 * themselves. Nothing is left behind, even if this process is killed.
 *
 * @throws Error that says what to install when there is no way
 * @throws TypeError for an option that is unknown or wrong
 */
export async function openBroker(given: BrokerOptions = {}): Promise<Broker> {
  const options = checkOptions(given);
  const { brokers = 1, prefer, users, properties = {}, say = () => undefined } = options;
  const environment = options.environment ?? readEnvironment();
  const needsOwn = options.own === true || prefer !== undefined || users !== undefined;
  const running = (environment.kafkaBrokers ?? '').split(',').flatMap((address) => address.trim() || []);
  if (running.length > 0 && !needsOwn) return toGivenBroker(running);

  const { cacheDirectory } = environment;
  const wants = users === undefined ? prefer : 'java';
  const whyNot: string[] = [];
  if (wants !== 'java') {
    const opened = await tryDocker({ brokers, properties }, say);
    if (typeof opened !== 'string') return opened;
    whyNot.push(opened);
    if (wants === undefined) say(`no Kafka in Docker (${opened}): taking Java`);
  }
  if (wants !== 'docker') {
    const why = await whyNoJava(cacheDirectory);
    if (why === undefined) return openJavaBroker({ brokers, cacheDirectory, users, properties, say });
    whyNot.push(why);
  }
  throw new Error(
    `There is no Kafka here. Install Docker, or Java 17 or newer and Maven, or set KAFKA_BROKERS to the address of a Kafka that runs. Tried: ${whyNot.join('; ')}`,
  );
}

/** An engine that is there may still be unable to start it (no memory, no network): why, then. */
async function tryDocker(options: DockerOptions, say: (line: string) => void): Promise<Broker | string> {
  const why = await whyNoDocker(say);
  if (why !== undefined) return why;
  try {
    return await openDockerBroker(options);
  } catch (error) {
    return `Docker could not start it: ${error instanceof Error ? error.message : String(error)}`;
  }
}
