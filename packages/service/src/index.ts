export { readForm, readJson } from './http/body.ts';
export type { OpenApiOptions } from './http/openapi.ts';
export { openApiDocument } from './http/openapi.ts';
export type {
  Operation,
  OperationAnswer,
  OperationGuards,
  OperationInput,
  OperationOf,
  OperationSecurity,
} from './http/operation.ts';
export { mountOperations, operation } from './http/operation.ts';
export { pageOf, pageQuery, wholeNumber } from './http/parameters.ts';
export { hasMemberTwice } from './json.ts';
export type { GuardedService } from './process/guarded.ts';
export { openGuarded } from './process/guarded.ts';
export type { Listener } from './process/listeners.ts';
export type { ReloadedFile, Reloads } from './process/reloads.ts';
export { reloadedText } from './process/reloads.ts';
export { run } from './process/run.ts';
export type { OpenedParts, RunningService, Service, ServiceContext } from './process/service.ts';
export { openService, packageVersion } from './process/service.ts';
export { createTelemetry } from './telemetry/telemetry.ts';
