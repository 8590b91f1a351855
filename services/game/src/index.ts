export { settings } from './config.ts';
export { game } from './service.ts';
