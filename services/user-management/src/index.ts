export { createFailureLimit } from './account-endpoints/failure-limit.ts';
export { createAdminRouter } from './admin/router.ts';
export type { Audit } from './audit/audit.ts';
export { createMinuteLimit } from './audit/audit.ts';
export type { AuditRecord } from './audit/table.ts';
export { settings } from './config.ts';
export type { Scope } from './scopes.ts';
export { SCOPES } from './scopes.ts';
export { userManagement } from './service.ts';
