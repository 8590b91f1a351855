export type { FleetClient, FleetResponse, Tokens, User } from './client.ts';
export { bearer, codeOf, createFleetClient, request } from './client.ts';
export type { Fleet, FleetOperator, FleetOptions } from './fleet.ts';
export { openFleet, protectedUrl } from './fleet.ts';
export type { HealthBody, LogLine, ServiceProcess } from './service-process.ts';
