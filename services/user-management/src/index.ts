export { settings } from './config.ts';
export { userManagement } from './service.ts';
