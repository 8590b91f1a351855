import '../errors.ts';

export { RENEWAL_GRANT } from './documents.ts';
export type { EndpointOptions, IssuerEndpoints, IssuerResponse, RefusedClient } from './endpoints.ts';
export { createIssuerEndpoints } from './endpoints.ts';
export type { IssuerRequest } from './form.ts';
export type { IssuerHandler } from './handler.ts';
export { createIssuerHandler } from './handler.ts';
export type { IssuerProbeOptions, LoginTelemetry } from './probe.ts';
export { createTelemetry, issuerProbe } from './probe.ts';
export {
  clearedEndedCookies,
  clearedRefreshCookie,
  hasCsrfHeader,
  readRefreshCookie,
  refreshCookieClients,
} from './refresh-cookie.ts';
export type { IssuerHttpOptions } from './serve.ts';
