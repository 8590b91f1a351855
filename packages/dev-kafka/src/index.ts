export { createAuthority } from './certificates.ts';
export type { Broker } from './cluster.ts';
export type { Watchdog } from './host.ts';
export { freePorts, openWatchdog } from './host.ts';
export type { SecureAccess } from './java-security.ts';
export type { BrokerOptions, Environment } from './open.ts';
export { openBroker } from './open.ts';
