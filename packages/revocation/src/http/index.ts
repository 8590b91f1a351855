export {
  basicAuthorization,
  clientIdPattern,
  isHttpUrl,
  isSecureUrl,
  ORIGIN,
  oneHeader,
  pathBelow,
  readBasic,
  readBearer,
  readBody,
  readCookies,
  readText,
  SCOPE_LIST,
  scopeToken,
} from './request.ts';
export type { ErrorResponse } from './response.ts';
export { basicChallenge, bearerChallenge, corsHeaders, errorResponse } from './response.ts';
