export type { ErrorBody, RequestError } from './answer.ts';
export { errorHandler, toRequestError } from './answer.ts';
export { readBearerToken } from './credentials.ts';
export type { ExpressGuard, ExpressRoute } from './guard.ts';
export { guard } from './guard.ts';
export { claimCheck, claimEquals, claimIncludes, requiredScopes } from './required.ts';
