export type { ConfigurationProblem, Environment } from './environment.ts';
export { nearestName } from './environment.ts';
export { ConfigurationError, configuredFile, readConfiguration } from './read.ts';
export { setting } from './setting.ts';
export { guardOptions, guardSettings, processSettings } from './settings.ts';
export type { ConfiguredTransport, KafkaConnection, TransportContext } from './transports.ts';
export {
  configuredFeed,
  configuredHttpTransport,
  configuredKafkaTransport,
  kafkaConnection,
  kafkaSettings,
} from './transports.ts';
