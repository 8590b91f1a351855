export { settings } from './config.ts';
export { orders } from './service.ts';
