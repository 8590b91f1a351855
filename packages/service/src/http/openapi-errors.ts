import type { ErrorCode } from '@rescind/revocation';
import { CREDENTIAL_REFUSALS, ERRORS, TOKEN_REFUSALS } from '@rescind/revocation';
import type { Operation, OperationSecurity } from './operation.ts';
import { isOauthPath } from './problem.ts';

type Json = Record<string, unknown>;

const TOKEN_ERRORS: readonly ErrorCode[] = [...CREDENTIAL_REFUSALS, ...TOKEN_REFUSALS];

/** Those that come with each kind of security. What is a package's own, an operation names. */
const SECURITY_ERRORS: Readonly<Record<OperationSecurity, readonly ErrorCode[]>> = {
  bearer: TOKEN_ERRORS,
  session: TOKEN_ERRORS,
  client: ['client_invalid', 'rate_limited'],
  operator: [...TOKEN_ERRORS, 'rate_limited'],
  feed: ['client_invalid', 'rate_limited'],
};

/** Every code an operation may answer, its own and those that come with what it declares. */
function codesOf(each: Operation): ErrorCode[] {
  const codes: ErrorCode[] = [...each.errors, 'internal'];
  if (each.security !== undefined) codes.push(...SECURITY_ERRORS[each.security]);
  if ((each.scopes ?? []).length > 0) codes.push('scope_insufficient');
  if (each.params !== undefined || each.query !== undefined) codes.push('request_invalid');
  if (each.body !== undefined) codes.push('request_invalid', 'media_type_wrong', 'body_too_large');
  return [...new Set(codes)];
}

/** What an operation answers when it did not go well, by status. */
export function errorResponses(each: Operation): Json {
  const byStatus = Map.groupBy(codesOf(each), (code) => ERRORS[code].status);
  return Object.fromEntries([...byStatus].map(([status, codes]) => [String(status), errorResponse(each, codes)]));
}

function errorResponse({ path }: Operation, codes: readonly ErrorCode[]): Json {
  const [type, name] = isOauthPath(path) ? ['application/json', 'OAuthError'] : ['application/problem+json', 'Problem'];
  const schema = {
    allOf: [{ $ref: `#/components/schemas/${name}` }, { properties: { code: { type: 'string', enum: codes } } }],
  };
  const description = codes.map((code) => `\`${code}\`: ${ERRORS[code].message}`).join('. ');
  return { description, content: { [type]: { schema } } };
}

/** RFC 9457 section 3.1 and RFC 6749 section 5.2, with our `code` beside. */
export function errorSchemas(): Json {
  const code = { type: 'string', description: 'Stable, for programs' };
  const issue = {
    type: 'object',
    properties: { path: { type: 'string' }, message: { type: 'string' } },
    required: ['path', 'message'],
  };
  const issues = { type: 'array', items: issue, description: 'What is wrong with the request' };
  const reason = {
    type: 'string',
    description: 'Why, such as `suspended`: told to who proved the password or a token',
  };
  return {
    Problem: {
      type: 'object',
      properties: {
        type: { type: 'string', format: 'uri' },
        title: { type: 'string' },
        status: { type: 'integer' },
        detail: { type: 'string' },
        code,
        reason,
        issues,
      },
      required: ['type', 'title', 'status', 'code'],
    },
    OAuthError: {
      type: 'object',
      properties: { error: { type: 'string' }, error_description: { type: 'string' }, code, reason, issues },
      required: ['error', 'error_description', 'code'],
    },
  };
}
