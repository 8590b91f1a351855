import type { IssuerOptions } from '@rescind/issuer';
import type { SqliteStore } from '@rescind/issuer-sqlite';
import { sqliteStore } from '@rescind/issuer-sqlite';
import type { Clock, HealthCheck } from '@rescind/revocation';
import type { ServiceContext } from '@rescind/service';
import { kafkaConnection } from '@rescind/service/configuration';
import type { Configuration } from './config.ts';
import { toKeyRotation } from './key-settings.ts';
import { SCHEMA } from './schema.ts';

/** The options that serving and restoring share. */
export interface IssuerBase {
  readonly options: Omit<IssuerOptions, 'subject'> & { readonly store: SqliteStore };
  /** Whether the topic can be published to; empty without Kafka. */
  kafkaHealth(): HealthCheck[];
}

/** Loads Kafka's client only where brokers are configured. It connects in the background, and retries until they are reachable. */
export async function prepareIssuer(
  { configuration, telemetry, keep }: ServiceContext<Configuration>,
  clock: Clock,
): Promise<IssuerBase> {
  const options = {
    issuer: configuration.ISSUER,
    store: sqliteStore({ path: configuration.DATABASE_PATH, schema: SCHEMA }),
    keysPath: configuration.KEYS_PATH,
    accessTokenTtlMs: configuration.ACCESS_TOKEN_TTL,
    refreshTokenTtlMs: configuration.REFRESH_TOKEN_TTL,
    refreshIdleTtlMs: configuration.REFRESH_IDLE_TTL,
    refreshGraceMs: configuration.REFRESH_GRACE,
    refreshRecoveryMs: configuration.REFRESH_RECOVERY,
    eventRetentionMs: configuration.EVENT_RETENTION,
    userEventRetentionMs: configuration.USER_EVENTS_RETENTION,
    keyRotation: toKeyRotation(configuration),
    clock,
    telemetry,
  };
  const connection = kafkaConnection(configuration);
  if (connection === undefined) return { options, kafkaHealth: () => [] };
  const { openPublisher } = await import('@rescind/feed-kafka');
  const publisher = keep(
    openPublisher({
      ...connection,
      log: configuration.ISSUER,
      minRetentionMs: configuration.EVENT_RETENTION,
      replicationFactor: configuration.KAFKA_REPLICATION,
      createTopic: true,
      clock,
      telemetry,
    }),
  );
  const trusted = configuration.TRUSTED_CLOCK;
  const trustedClock = trusted === 'kafka' ? 'publisher' : trusted;
  return {
    options: { ...options, publisher, ...(trustedClock === undefined ? {} : { trustedClock }) },
    kafkaHealth: () => publisher.health(),
  };
}

/** The path of the issuer's address without a slash at its end; undefined when it has none. */
export function issuerPath(issuer: string): string | undefined {
  return new URL(issuer).pathname.replace(/\/+$/, '') || undefined;
}
