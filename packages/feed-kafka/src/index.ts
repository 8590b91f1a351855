import './errors.ts';

export type { KafkaConnection, KafkaLogin, KafkaTls } from './client/connection.ts';
export { patchRequestQueue } from './client/request-queue-patch.ts';
export type { PublisherOptions } from './publisher/options.ts';
export type { KafkaPublisher } from './publisher/publisher.ts';
export { openPublisher } from './publisher/publisher.ts';
export type { KafkaWayOptions } from './reader/way.ts';
export { kafkaWay } from './reader/way.ts';
