export type { Broker } from './cluster.ts';
export type { Environment } from './environment.ts';
export type { SecureAccess } from './java/secure.ts';
export type { BrokerOptions } from './open.ts';
export { openBroker } from './open.ts';
export { freePorts } from './ports.ts';
export type { Watchdog } from './watchdog.ts';
export { openWatchdog } from './watchdog.ts';
