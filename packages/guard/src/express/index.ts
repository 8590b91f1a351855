export { readBearerToken } from '../adapters/credentials.ts';
export type { ErrorBody, RequestError } from '../adapters/refusal.ts';
export { toRequestError } from '../adapters/refusal.ts';
export type { ExpressGuard, ExpressRoute } from './guard.ts';
export { errorHandler, guard } from './guard.ts';
export { claimCheck, claimEquals, claimIncludes, requiredScopes } from './required.ts';
