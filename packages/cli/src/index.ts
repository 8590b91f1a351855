export type { Exit } from './errors.ts';
export { EXIT } from './errors.ts';
export type { CliHost } from './host.ts';
export { runCli } from './run.ts';
