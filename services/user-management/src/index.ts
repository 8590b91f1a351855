export { createFailureLimit } from './account-endpoints/failures.ts';
export { createDesk } from './admin/desk.ts';
export { createAllowance } from './audit/allowance.ts';
export type { AuditRecord } from './audit/entry.ts';
export { settings } from './config.ts';
export type { Scope } from './scopes.ts';
export { SCOPES } from './scopes.ts';
export { userManagement } from './service.ts';
