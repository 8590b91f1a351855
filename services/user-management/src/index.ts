export { createFailureLimit } from './account-endpoints/failures.ts';
export { createAllowance } from './audit/allowance.ts';
export { settings } from './config.ts';
export type { Scope } from './scopes.ts';
export { SCOPES } from './scopes.ts';
export { userManagement } from './service.ts';
