export type { ConfigurationProblem, Environment } from './environment.ts';
export { configuredFeed } from './feed.ts';
export { guardOptions, guardSettings } from './guard.ts';
export type { KafkaConnection } from './kafka.ts';
export { kafkaConnection, kafkaSettings } from './kafka.ts';
export { processSettings } from './process.ts';
export { ConfigurationError, configuredFile, environmentNotes, readConfiguration } from './read.ts';
export { setting } from './setting.ts';
export { configurationTable, markdownTable } from './table.ts';
