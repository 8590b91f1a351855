export type { KafkaConnection, KafkaLogin, KafkaTls } from './connection.ts';
export type { KafkaPublisher, PublisherOptions } from './publisher.ts';
export { openPublisher } from './publisher.ts';
export type { KafkaTransportOptions } from './transport.ts';
export { kafkaTransport } from './transport.ts';
