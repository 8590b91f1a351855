export { settings } from './config.ts';
export { prices } from './service.ts';
