export type { ErrorBody, RequestError } from './answer.ts';
export { answerErrors } from './answer.ts';
export type { ExpressGuard, ExpressRoute } from './guard.ts';
export { guard } from './guard.ts';
export { claimCheck, claimEquals, claimIncludes, requiredScopes } from './required.ts';
