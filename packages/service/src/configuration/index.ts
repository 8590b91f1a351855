export { configuredFeed } from './feed.ts';
export { guardOptions, guardSettings } from './guard.ts';
export type { KafkaConnection } from './kafka.ts';
export { kafkaConnection, kafkaSettings } from './kafka.ts';
export { processSettings } from './process.ts';
export type { ConfigurationProblem, Environment } from './read.ts';
export { ConfigurationError, readConfiguration } from './read.ts';
export { setting } from './setting.ts';
export { configurationTable } from './table.ts';
