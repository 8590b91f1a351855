export { createFailureLimit } from './accounts/failures.ts';
export { createPasswords } from './accounts/passwords.ts';
export { settings } from './config.ts';
export { userManagement } from './service.ts';
