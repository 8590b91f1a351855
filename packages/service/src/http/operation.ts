import type { ErrorCode } from '@rescind/revocation';
import { ERRORS } from '@rescind/revocation';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { Express, Request, RequestHandler, Response } from 'express';
import type { z } from 'zod';
import { readForm, readJson } from './body.ts';
import { readParams, readQuery } from './parameters.ts';
import { validated } from './validated.ts';

/**
 * Who may use an operation. `bearer`: who has an access token; `session`: who has any token of a session, an expired one or
 * the refresh token in its cookie, which the handler reads itself; `client`: an OAuth client (RFC 6749 section 2.3), which
 * the handler authenticates itself since its proof is in the body; `operator`: who administers, by HTTP Basic or an
 * access token; `feed`: a service that reads revocations, by HTTP Basic.
 */
export type OperationSecurity = 'bearer' | 'session' | 'client' | 'operator' | 'feed';

/** What is answered when it went well. */
export interface OperationAnswer {
  readonly description: string;
  /** Absent: an answer without a body. */
  readonly schema?: z.ZodType;
  /** Default `application/json`. */
  readonly type?: string;
  /** Headers by name, and what each says. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What of a request was checked by the operation's schemas; `undefined` where it has none. */
export interface OperationInput<P = unknown, Q = unknown, B = unknown> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

interface OperationBody<B> {
  readonly type: 'json' | 'form';
  readonly schema: z.ZodType<B>;
  /** Of JSON: no body, whatever the content type, and `null` are read as an empty object. Default false: one is required. */
  readonly optional?: boolean;
}

/** One method at one address: what serves it and what the OpenAPI document says of it are the same object. */
export interface OperationOf<P = unknown, Q = unknown, B = unknown> {
  /** `operationId`, unique: `endSession`. */
  readonly id: string;
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** As OpenAPI writes it: `/sessions/{sid}`. */
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly tag: string;
  /** Absent: everybody may. */
  readonly security?: OperationSecurity | undefined;
  /** All of them are needed. */
  readonly scopes?: readonly string[];
  /** Of texts. */
  readonly params?: z.ZodType<P>;
  /** Of texts, each given once; a strict object refuses parameters that nobody knows. */
  readonly query?: z.ZodType<Q>;
  /** JSON as a strict object; a form may have more parameters (RFC 6749 section 3.2). */
  readonly body?: OperationBody<B>;
  /** By status. */
  readonly answers: Readonly<Record<number, OperationAnswer>>;
  /** Those of its own; what `security`, `params`, `query` and `body` bring along need not be named. */
  readonly errors: readonly ErrorCode[];
  /** What comes before anything else, such as a limit. */
  readonly use?: readonly RequestHandler[];
  /** Called with a request that its security and schemas let pass. The body is `request.body` too. */
  handle(request: Request, response: Response, input: OperationInput<P, Q, B>): void | Promise<void>;
}

export type Operation = OperationOf;

const schema = option.having<z.ZodType>('a schema of zod', 'safeParse');

/** A code of a package that is loaded by now. */
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
  answers: required(
    option.record(
      optionsOf<OperationAnswer>('answers', {
        description: required(option.text()),
        schema,
        type: option.text(),
        headers: option.record(option.text()),
      }),
    ),
  ),
  errors: required(option.list(errorCode, { least: 0 })),
  use: option.list(option.callable<RequestHandler>(), { least: 0 }),
  handle: required(option.callable<Operation['handle']>()),
});

/**
 * An operation whose handler knows the types of its input.
 * @throws TypeError for a member that is unknown, missing or wrong: a misspelt `scopes` would let everybody in
 */
export function operation<P = undefined, Q = undefined, B = undefined>(definition: OperationOf<P, Q, B>): Operation {
  return checkOperation(definition);
}

/** What lets a request pass for each kind of security, or throws. */
export type OperationGuards = Readonly<
  Partial<Record<OperationSecurity, (operation: Operation) => readonly RequestHandler[]>>
>;

/**
 * Serves operations: in turn what they `use`, their security, their parameters and body by schema, and their handler.
 * @throws TypeError two operations have one id or address, or one wants a security that `guards` has not
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
  if (body === undefined) return undefined;
  if (body.optional === true) {
    // Generated clients of Go send an absent body as null.
    const given = hasBody(request) ? await readJson(request, body.schema.nullable()) : null;
    return given ?? validated(body.schema, {});
  }
  request.body = await (body.type === 'json' ? readJson(request, body.schema) : readForm(request, body.schema));
  return request.body;
}

/** RFC 9112 section 6. */
function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function guardsOf(each: Operation, guards: OperationGuards): readonly RequestHandler[] {
  if (each.security === undefined) return [];
  const guard = guards[each.security];
  if (guard === undefined) throw new TypeError(`guards must have "${each.security}", which operation ${each.id} wants`);
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
