export type { Decision, Revoked, RoutePolicy } from './decision.ts';
export type { Guard } from './guard.ts';
export { openGuard } from './guard.ts';
export type { GuardOptions, StalePolicy } from './options.ts';
