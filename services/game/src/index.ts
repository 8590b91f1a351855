export { settings } from './config.ts';
export { createLinkServer, openLink } from './links.ts';
export { game } from './service.ts';
