export { hasMemberTwice, pageOf, pageQuery, readJson, wholeNumber } from './input.ts';
export type { OpenApiOptions } from './openapi.ts';
export { openApiDocument } from './openapi.ts';
export type {
  Operation,
  OperationGuards,
  OperationInput,
  OperationOf,
  OperationResponse,
  OperationSecurity,
} from './operation.ts';
export { mountOperations, operation } from './operation.ts';
