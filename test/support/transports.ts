import { httpTransport } from '@rescind/feed';
import type { FeedDescription, TransportDescription } from '@rescind/feed/core';

const { name, abilities } = httpTransport({ issuer: 'http://127.0.0.1:9', clientId: 'a', clientSecret: 'b' });

/** The descriptions of the two transports, as the core gets them. test/unit/feed-kafka compares the second with the real one. */
export const HTTP: TransportDescription = { name, abilities };
export const KAFKA: TransportDescription = { name: 'kafka', abilities: { stallMs: 30_000 } };

/** Kafka, and an HTTP transport of an issuer that knows standby streams. */
export const KAFKA_AND_HTTP: FeedDescription = { primary: KAFKA, fallback: HTTP };
/** A feed whose fallback is closed until it is read. */
export const WITHOUT_STANDBY: FeedDescription = {
  primary: KAFKA,
  fallback: { name, abilities: { ...abilities, standby: false } },
};
