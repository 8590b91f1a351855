import type { ErrorCode } from '@rescind/revocation';
import { ERRORS } from '@rescind/revocation/errors';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { Express, Request, RequestHandler, Response } from 'express';
import type { z } from 'zod';
import { readJson, readParams, readQuery, validated } from './input.ts';

/**
 * The authentication of an operation. `bearer`: an access token. `session`: any token of a session, also an expired one or the refresh
 * token in its cookie, which the handler reads. `client`: an OAuth client (RFC 6749 section 2.3), which the handler authenticates, since
 * its credentials may be in the body. `operator`: an administrator, by HTTP Basic or an access token. `feed`: a service that reads
 * revocations, by HTTP Basic.
 */
export type OperationSecurity = 'bearer' | 'session' | 'client' | 'operator' | 'feed';

/** A successful response. */
export interface OperationResponse {
  readonly description: string;
  /** The schema of the body. Default: the response has no body. */
  readonly schema?: z.ZodType;
  /** Default `application/json`. */
  readonly type?: string;
  /** The schema of the body by further types that the request may accept. Default: none. */
  readonly alternatives?: Readonly<Record<string, z.ZodType>>;
  /** A description of each header, by name. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The validated parts of a request; `undefined` where the operation has no schema. */
export interface OperationInput<P = unknown, Q = unknown, B = unknown> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

interface OperationBody<B> {
  /** `form`: the handler reads and validates it; the schema only describes it. */
  readonly type: 'json' | 'form';
  readonly schema: z.ZodType<B>;
  /** Of JSON: whether no body, whatever the content type, and `null` are read as an empty object. Default false. */
  readonly optional?: boolean;
}

/** One method at one path. It serves requests, and is described in the OpenAPI document. */
export interface OperationOf<P = unknown, Q = unknown, B = unknown> {
  /** `operationId`, unique: `endSession`. */
  readonly id: string;
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** As OpenAPI writes it: `/sessions/{sid}`. */
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly tag: string;
  /** Default: none, and the operation is public. */
  readonly security?: OperationSecurity | undefined;
  /** Required scopes, all of them. Default none. */
  readonly scopes?: readonly string[];
  /** Schema of the path's parameters, which are texts. */
  readonly params?: z.ZodType<P>;
  /** Schema of the query, whose parameters are texts, each given once. A strict object refuses unknown parameters. */
  readonly query?: z.ZodType<Q>;
  /** JSON as a strict object; or a form (RFC 6749 section 3.2), which the handler reads. */
  readonly body?: OperationBody<B>;
  /** Successful responses by status. */
  readonly responses: Readonly<Record<number, OperationResponse>>;
  /** Its own error codes. Those of `security`, `params`, `query` and `body` are added. */
  readonly errors: readonly ErrorCode[];
  /** Handlers before authentication, such as a rate limit. Default none. */
  readonly use?: readonly RequestHandler[];
  /** Called after authentication and validation. The body is `request.body` too. */
  handle(request: Request, response: Response, input: OperationInput<P, Q, B>): void | Promise<void>;
}

export type Operation = OperationOf;

const schema = option.having<z.ZodType>('a schema of zod', 'safeParse');

/** An error code of a loaded package. */
function errorCode(value: unknown, path: string): ErrorCode {
  return option.oneOf(...(Object.keys(ERRORS) as ErrorCode[]))(value, path);
}

const checkOperation = optionsOf<Operation>('operation', {
  id: required(option.text()),
  method: required(option.oneOf('get', 'post', 'put', 'patch', 'delete')),
  path: required(option.text('a path that begins with /', /^\//)),
  summary: required(option.text()),
  description: option.text(),
  tag: required(option.text()),
  security: option.oneOf('bearer', 'session', 'client', 'operator', 'feed'),
  scopes: option.list(option.text()),
  params: schema,
  query: schema,
  body: optionsOf<OperationBody<unknown>>('body', {
    type: required(option.oneOf('json', 'form')),
    schema: required(schema),
    optional: option.flag(),
  }),
  responses: required(
    option.record(
      optionsOf<OperationResponse>('responses', {
        description: required(option.text()),
        schema,
        type: option.text(),
        alternatives: option.record(schema),
        headers: option.record(option.text()),
      }),
    ),
  ),
  errors: required(option.list(errorCode, { min: 0 })),
  use: option.list(option.callable<RequestHandler>(), { min: 0 }),
  handle: required(option.callable<Operation['handle']>()),
});

/**
 * Defines an operation, whose handler has the types of its input.
 * @throws TypeError for a member that is unknown, missing or wrong: without this check a misspelt `scopes` would require none
 */
export function operation<P = undefined, Q = undefined, B = undefined>(definition: OperationOf<P, Q, B>): Operation {
  return checkOperation(definition);
}

/** The handlers that authenticate and authorize for each kind of security; they throw to refuse. */
export type OperationGuards = Readonly<
  Partial<Record<OperationSecurity, (operation: Operation) => readonly RequestHandler[]>>
>;

/**
 * Mounts operations. Each runs its `use`, its security, the validation of its parameters and body, and its handler, in this order.
 * @throws TypeError when two operations have one id or path, or `guards` lacks the security of one
 */
export function mountOperations(app: Express, operations: readonly Operation[], guards: OperationGuards = {}): void {
  requireDistinct(operations);
  for (const each of operations) {
    app[each.method](expressPath(each.path), ...(each.use ?? []), ...guardsOf(each, guards), serve(each));
  }
}

function serve(each: Operation): RequestHandler {
  return async (request, response) => {
    const params = each.params && readParams(request, each.params);
    const query = each.query && readQuery(request, each.query);
    const body = await readBody(request, each);
    await each.handle(request, response, { params, query, body });
  };
}

async function readBody(request: Request, { body }: Operation): Promise<unknown> {
  if (body === undefined || body.type === 'form') return undefined;
  if (body.optional === true) {
    // Generated clients of Go send `null` for an absent body.
    const given = hasBody(request) ? await readJson(request, body.schema.nullable()) : null;
    return given ?? validated(body.schema, {});
  }
  request.body = await readJson(request, body.schema);
  return request.body;
}

/** RFC 9112 section 6. */
function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function guardsOf(each: Operation, guards: OperationGuards): readonly RequestHandler[] {
  if (each.security === undefined) return [];
  const guard = guards[each.security];
  if (guard === undefined)
    throw new TypeError(`guards must have "${each.security}", which operation ${each.id} requires`);
  return guard(each);
}

function requireDistinct(operations: readonly Operation[]): void {
  const seen = new Set<string>();
  for (const { id, method, path } of operations) {
    for (const name of [id, `${method} ${path.replaceAll(/\{[^}]+\}/g, '{}')}`]) {
      if (seen.has(name)) throw new TypeError(`operations must have one of "${name}", got two`);
      seen.add(name);
    }
  }
}

const expressPath = (path: string) => path.replaceAll(/\{([^}]+)\}/g, ':$1');
