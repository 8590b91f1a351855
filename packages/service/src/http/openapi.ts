import { option, optionsOf, required } from '@rescind/revocation/options';
import { z } from 'zod';
import { errorResponses, errorSchemas } from './openapi-errors.ts';
import { portableSchema } from './openapi-portable.ts';
import type { Operation, OperationAnswer, OperationSecurity } from './operation.ts';

export interface OpenApiOptions {
  readonly title: string;
  readonly version: string;
  readonly description?: string;
  /** Where it is served: `http://localhost:3000`. */
  readonly servers: readonly string[];
  readonly operations: readonly Operation[];
  /** What the operations of each tag have in common. */
  readonly tags?: Readonly<Record<string, string>>;
  /** What each scope lets its holder do: every scope that an operation requires. Default: scopes are not described. */
  readonly scopes?: Readonly<Record<string, string>>;
}

type Json = Record<string, unknown>;

const checkOptions = optionsOf<OpenApiOptions>('openApiDocument', {
  title: required(option.text()),
  version: required(option.text()),
  description: option.text(),
  servers: required(option.list(option.text())),
  operations: required(option.list(option.having<Operation>('an operation', 'handle'), { least: 0 })),
  tags: option.record(option.text(), { least: 0 }),
  scopes: option.record(option.text()),
});

/**
 * The OpenAPI 3.1 document of the operations: what they are served by is what it is made of.
 * @throws TypeError for an option that is unknown or wrong, and where an operation requires a scope that `scopes` has not
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

/** `{}`: it may be left out. A client may show its proof in the form instead, which a scheme cannot say. */
const SECURITY: Readonly<Record<OperationSecurity, (scopes: readonly string[]) => readonly Json[]>> = {
  bearer: (scopes) => [{ accessToken: scopes }],
  session: () => [{ accessToken: [] }, { refreshCookie: [] }],
  client: () => [{ clientBasic: [] }, {}],
  operator: (scopes) => [{ operatorBasic: scopes }, { accessToken: scopes }],
  feed: () => [{ feedBasic: [] }],
};

function schemesOf({ operations, scopes }: OpenApiOptions): Json {
  const wanted = operations.flatMap(({ security }) => (security === undefined ? [] : SECURITY[security]([])));
  const names = new Set(wanted.flatMap((scheme) => Object.keys(scheme)));
  const schemes: Json = Object.fromEntries(Object.entries(SECURITY_SCHEMES).filter(([name]) => names.has(name)));
  if (scopes === undefined || schemes.accessToken === undefined) return schemes;
  return {
    ...schemes,
    accessToken: { ...SECURITY_SCHEMES.accessToken, 'x-scopes': describedScopes(operations, scopes) },
  };
}

/** The scopes that these operations require, by name. OpenAPI has a place for them in schemes of OAuth flows only. */
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
    responses: { ...answersOf(each.answers, schemas), ...errorResponses(each) },
  };
}

function parametersOf(each: Operation, schemas: Json): Json {
  const parameters = [
    ...(each.params === undefined ? [] : parametersIn('path', each.params, schemas)),
    ...(each.query === undefined ? [] : parametersIn('query', each.query, schemas)),
  ];
  return parameters.length === 0 ? {} : { parameters };
}

/** What a text is read as says more than the text, so it is described by what comes out; needed is what must go in. */
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
  // Unknown parameters of a form are ignored, which needs no description (RFC 6749 section 3.2).
  if (type === 'form') delete described.additionalProperties;
  return { required: !optional, content: { [media]: { schema: described } } };
}

function answersOf(answers: Operation['answers'], schemas: Json): Json {
  return Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, answerOf(answer, schemas)]));
}

function answerOf({ description, schema, type = 'application/json', headers = {} }: OperationAnswer, schemas: Json) {
  const named = Object.entries(headers).map(([name, says]) => [
    name,
    { description: says, schema: { type: 'string' } },
  ]);
  return {
    description,
    ...(named.length === 0 ? {} : { headers: Object.fromEntries(named) }),
    ...(schema === undefined ? {} : { content: { [type]: { schema: jsonSchema(schema, 'output', schemas) } } }),
  };
}

/** Schemas that have an id (`.meta({ id })`) go to the document's components. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output', schemas: Json): Json {
  const described = z.toJSONSchema(schema, { io, override: ({ jsonSchema: json }) => writeOutPattern(json) });
  const { $schema: _dialect, $defs = {}, ...plain } = described as Json & { $defs?: Json };
  const portable = portableSchema({ ...plain, $defs }) as Json & { $defs: Json };
  const { $defs: shared, ...own } = portable;
  Object.assign(schemas, atComponents(shared));
  return atComponents(own);
}

/** A pattern is ECMAScript's, and readers in other languages know no `\u{…}`: the character itself means the same. */
function writeOutPattern(schema: { pattern?: string | undefined }): void {
  if (schema.pattern === undefined) return;
  schema.pattern = schema.pattern.replaceAll(/\\u\{([0-9a-f]+)\}/gi, (_all, code: string) =>
    String.fromCodePoint(Number.parseInt(code, 16)),
  );
}

function atComponents(value: Json): Json {
  return JSON.parse(JSON.stringify(value).replaceAll('"#/$defs/', '"#/components/schemas/'));
}
