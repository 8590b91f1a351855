export { createApp } from './app.ts';
export { settings } from './config.ts';
export { gate } from './service.ts';
