import type { ErrorCode } from '@rescind/revocation';
import { CREDENTIAL_REFUSALS, ERRORS, TOKEN_REFUSALS } from '@rescind/revocation/errors';
import { option, optionsOf, required } from '@rescind/revocation/options';
import { z } from 'zod';
import { isOauthPath } from './errors.ts';
import { portableSchema } from './openapi-portable.ts';
import type { Operation, OperationResponse, OperationSecurity } from './operation.ts';

export interface OpenApiOptions {
  readonly title: string;
  readonly version: string;
  readonly description?: string;
  /** Base addresses, such as `http://localhost:3000`. */
  readonly servers: readonly string[];
  readonly operations: readonly Operation[];
  /** A description of each tag. Default: its name. */
  readonly tags?: Readonly<Record<string, string>>;
  /** A description of each scope that an operation requires. Default: scopes are not described. */
  readonly scopes?: Readonly<Record<string, string>>;
}

type Json = Record<string, unknown>;

const checkOptions = optionsOf<OpenApiOptions>('openApiDocument', {
  title: required(option.text()),
  version: required(option.text()),
  description: option.text(),
  servers: required(option.list(option.text())),
  operations: required(option.list(option.having<Operation>('an operation', 'handle'), { min: 0 })),
  tags: option.record(option.text(), { min: 0 }),
  scopes: option.record(option.text()),
});

/**
 * Generates the OpenAPI 3.1 document of operations, from the same objects that serve them.
 * @throws TypeError for an option that is unknown or wrong, and when `scopes` lacks a scope that an operation requires
 */
export function openApiDocument(given: OpenApiOptions): Json {
  const options = checkOptions(given);
  const schemas: Json = { ...errorSchemas() };
  const paths: Record<string, Json> = {};
  for (const each of options.operations) {
    const at = paths[each.path] ?? {};
    at[each.method] = describe(each, schemas);
    paths[each.path] = at;
  }
  const tags = [...new Set(options.operations.map(({ tag }) => tag))];
  return {
    openapi: '3.1.1',
    info: {
      title: options.title,
      version: options.version,
      ...(options.description === undefined ? {} : { description: options.description }),
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: options.servers.map((url) => ({ url })),
    tags: tags.map((name) => ({ name, description: options.tags?.[name] ?? name })),
    paths,
    components: { schemas, securitySchemes: schemesOf(options) },
  };
}

const SECURITY_SCHEMES = {
  accessToken: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'An access token (RFC 9068), in `Authorization` and nowhere else',
  },
  refreshCookie: {
    type: 'apiKey',
    in: 'cookie',
    name: '__Host-refresh-web',
    description: 'The refresh token in the cookie of a client, here of `web`; requires the header `X-Rescind-CSRF`',
  },
  clientBasic: { type: 'http', scheme: 'basic', description: 'client_secret_basic (RFC 6749 section 2.3.1)' },
  operatorBasic: { type: 'http', scheme: 'basic', description: 'Name and secret of an operator' },
  feedBasic: { type: 'http', scheme: 'basic', description: 'Id and secret of a service that reads revocations' },
} as const;

/** `{}`: the scheme is optional. A client may authenticate in the form instead, which OpenAPI has no scheme for. */
const SECURITY: Readonly<Record<OperationSecurity, (scopes: readonly string[]) => readonly Json[]>> = {
  bearer: (scopes) => [{ accessToken: scopes }],
  session: () => [{ accessToken: [] }, { refreshCookie: [] }],
  client: () => [{ clientBasic: [] }, {}],
  operator: (scopes) => [{ operatorBasic: scopes }, { accessToken: scopes }],
  feed: () => [{ feedBasic: [] }],
};

function schemesOf({ operations, scopes }: OpenApiOptions): Json {
  const used = operations.flatMap(({ security }) => (security === undefined ? [] : SECURITY[security]([])));
  const names = new Set(used.flatMap((scheme) => Object.keys(scheme)));
  const schemes: Json = Object.fromEntries(Object.entries(SECURITY_SCHEMES).filter(([name]) => names.has(name)));
  if (scopes === undefined || schemes.accessToken === undefined) return schemes;
  return {
    ...schemes,
    accessToken: { ...SECURITY_SCHEMES.accessToken, 'x-scopes': describedScopes(operations, scopes) },
  };
}

/** The scopes that these operations require, with their descriptions. OpenAPI has a member for them in OAuth flows only. */
function describedScopes(operations: readonly Operation[], scopes: Readonly<Record<string, string>>): Json {
  const required = new Set(operations.flatMap((each) => each.scopes ?? []));
  for (const scope of required) {
    if (!Object.hasOwn(scopes, scope))
      throw new TypeError(`scopes must describe "${scope}", which an operation requires`);
  }
  return Object.fromEntries(Object.entries(scopes).filter(([name]) => required.has(name)));
}

function describe(each: Operation, schemas: Json): Json {
  return {
    operationId: each.id,
    summary: each.summary,
    ...(each.description === undefined ? {} : { description: each.description }),
    tags: [each.tag],
    security: each.security === undefined ? [] : SECURITY[each.security](each.scopes ?? []),
    ...parametersOf(each, schemas),
    ...(each.body === undefined ? {} : { requestBody: requestBody(each.body, schemas) }),
    responses: { ...responsesOf(each.responses, schemas), ...errorResponses(each) },
  };
}

function parametersOf(each: Operation, schemas: Json): Json {
  const parameters = [
    ...(each.params === undefined ? [] : parametersIn('path', each.params, schemas)),
    ...(each.query === undefined ? [] : parametersIn('query', each.query, schemas)),
  ];
  return parameters.length === 0 ? {} : { parameters };
}

/** Describes parameters by the schema's output, which has the parsed types; `required` comes from its input. */
function parametersIn(where: 'path' | 'query', schema: z.ZodType, schemas: Json): Json[] {
  const { properties = {} } = jsonSchema(schema, 'output', schemas) as { properties?: Record<string, Json> };
  const { required = [] } = jsonSchema(schema, 'input', {}) as { required?: string[] };
  return Object.entries(properties).map(([name, { description, ...property }]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: property,
  }));
}

function requestBody({ type, schema, optional = false }: NonNullable<Operation['body']>, schemas: Json): Json {
  const media = type === 'json' ? 'application/json' : 'application/x-www-form-urlencoded';
  const described = jsonSchema(schema, 'input', schemas);
  // Forms may have unknown parameters, which are ignored (RFC 6749 section 3.2).
  if (type === 'form') delete described.additionalProperties;
  return { required: !optional, content: { [media]: { schema: described } } };
}

function responsesOf(responses: Operation['responses'], schemas: Json): Json {
  return Object.fromEntries(
    Object.entries(responses).map(([status, response]) => [status, responseOf(response, schemas)]),
  );
}

function responseOf(
  { description, schema, type = 'application/json', alternatives = {}, headers = {} }: OperationResponse,
  schemas: Json,
) {
  const named = Object.entries(headers).map(([name, text]) => [
    name,
    { description: text, schema: { type: 'string' } },
  ]);
  const bodies = Object.entries({ ...(schema === undefined ? {} : { [type]: schema }), ...alternatives });
  const content = Object.fromEntries(
    bodies.map(([media, body]) => [media, { schema: jsonSchema(body, 'output', schemas) }]),
  );
  return {
    description,
    ...(named.length === 0 ? {} : { headers: Object.fromEntries(named) }),
    ...(Object.keys(content).length === 0 ? {} : { content }),
  };
}

/** Converts a schema. Schemas with an id (`.meta({ id })`) become components of the document. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output', schemas: Json): Json {
  const described = z.toJSONSchema(schema, { io, override: ({ jsonSchema: json }) => writeOutPattern(json) });
  const { $schema: _dialect, $defs = {}, ...plain } = described as Json & { $defs?: Json };
  const portable = portableSchema({ ...plain, $defs }) as Json & { $defs: Json };
  const { $defs: shared, ...own } = portable;
  Object.assign(schemas, atComponents(shared));
  return atComponents(own);
}

/** Replaces `\u{…}` by the character itself: regular expressions of other languages do not support it. */
function writeOutPattern(schema: { pattern?: string | undefined }): void {
  if (schema.pattern === undefined) return;
  schema.pattern = schema.pattern.replaceAll(/\\u\{([0-9a-f]+)\}/gi, (_all, code: string) =>
    String.fromCodePoint(Number.parseInt(code, 16)),
  );
}

function atComponents(value: Json): Json {
  return JSON.parse(JSON.stringify(value).replaceAll('"#/$defs/', '"#/components/schemas/'));
}

const TOKEN_ERRORS: readonly ErrorCode[] = [...CREDENTIAL_REFUSALS, ...TOKEN_REFUSALS];

/** The error codes of each kind of security. Operations name the codes of their packages. */
const SECURITY_ERRORS: Readonly<Record<OperationSecurity, readonly ErrorCode[]>> = {
  bearer: TOKEN_ERRORS,
  session: TOKEN_ERRORS,
  client: ['client_invalid', 'rate_limited'],
  operator: [...TOKEN_ERRORS, 'rate_limited'],
  feed: ['client_invalid', 'rate_limited'],
};

/** All error codes of an operation: its own, and those of its security, scopes and schemas. */
function codesOf(each: Operation): ErrorCode[] {
  const codes: ErrorCode[] = [...each.errors, 'internal'];
  if (each.security !== undefined) codes.push(...SECURITY_ERRORS[each.security]);
  if ((each.scopes ?? []).length > 0) codes.push('scope_insufficient');
  if (each.params !== undefined || each.query !== undefined) codes.push('request_invalid');
  if (each.body !== undefined) codes.push('request_invalid', 'body_too_large');
  // Another body than a form is a malformed request there (RFC 6749 section 5.2).
  if (each.body?.type === 'json') codes.push('media_type_wrong');
  return [...new Set(codes)];
}

/** The error responses of an operation, by status. */
function errorResponses(each: Operation): Json {
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

/** RFC 9457 section 3.1 and RFC 6749 section 5.2, each with the member `code`. */
function errorSchemas(): Json {
  const code = { type: 'string', description: 'Stable, for programs' };
  const issue = {
    type: 'object',
    properties: { path: { type: 'string' }, message: { type: 'string' } },
    required: ['path', 'message'],
  };
  const issues = { type: 'array', items: issue, description: 'The errors of the request' };
  const reason = {
    type: 'string',
    description: 'The reason, such as `suspended`. Returned only after successful authentication',
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
