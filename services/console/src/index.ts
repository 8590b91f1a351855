export { createApp } from './app.ts';
export { settings } from './config.ts';
export { operatorConsole } from './service.ts';
