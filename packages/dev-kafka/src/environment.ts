import { homedir } from 'node:os';
import { join } from 'node:path';

/** What openBroker asks of its surroundings. */
export interface Environment {
  /** Addresses of a Kafka that runs already, comma-separated (`KAFKA_BROKERS`). */
  readonly kafkaBrokers: string | undefined;
  /** Where Kafka's jars are kept between runs: `rescind` in the user's cache directory. */
  readonly cacheDirectory: string;
}

export function readEnvironment(): Environment {
  return {
    kafkaBrokers: process.env.KAFKA_BROKERS,
    cacheDirectory: join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'rescind'),
  };
}

/**
 * Testcontainers would start a container of its own to clean up after us: one more image to pull, privileged, and not
 * to be had on old engines. The watchdog of this package does the same.
 */
export function disableRyuk(): void {
  process.env.TESTCONTAINERS_RYUK_DISABLED ??= 'true';
}
