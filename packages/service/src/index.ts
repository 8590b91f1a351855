export { readForm, readJson } from './http/body.ts';
export type { RequestIssue } from './http/invalid.ts';
export { RequestRefused } from './http/invalid.ts';
export { run } from './process/run.ts';
export type { OpenedParts, RunningService, Service, ServiceContext } from './process/service.ts';
export { openService, packageVersion } from './process/service.ts';
export { createTelemetry } from './telemetry/telemetry.ts';
