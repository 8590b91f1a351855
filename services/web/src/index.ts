export { createApp } from './app.ts';
export { settings } from './config.ts';
export { web } from './service.ts';
