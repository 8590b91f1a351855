import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { createParamDecorator, HttpException } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { VerifiedToken } from '@rescind/token';
import type { Guard } from '../guard.ts';
import type { AdapterRoute, Admit } from './admission.ts';
import { createAdmit } from './admission.ts';
import type { NodeRequest } from './credentials.ts';
import { readBearerToken } from './credentials.ts';
import { refusalOf } from './refusal.ts';

/** A request of `@nestjs/platform-express` or `@nestjs/platform-fastify`. */
export interface NestRequest {
  /** Node's request, which Fastify's has; absent: it is one of Express. */
  readonly raw?: NodeRequest;
  /** The access token of the request, verified and not revoked. Set by `tokenGuard()`. */
  auth?: VerifiedToken;
  /** Members that the platform or other middleware set. */
  readonly [member: string]: unknown;
}

/** What a guarded route requires. */
export interface NestRoute extends AdapterRoute<NestRequest> {}

/** Decorates a handler or a controller with its requirements, which replace those of the guard: `@RequireToken({ scopes: ['prices:read'] })`. */
export const RequireToken = Reflector.createDecorator<NestRoute>();

/** A parameter with the access token of the request, or one of its claims: `@Auth() auth`, `@Auth('sub') sub`. */
export const Auth = createParamDecorator((claim: string | undefined, context: ExecutionContext) => {
  const { auth } = context.switchToHttp().getRequest<NestRequest>();
  return claim === undefined ? auth : auth?.payload[claim];
});

/** The part of a response of Express and Fastify that is used. */
interface NestResponse {
  header(name: string, value: string): unknown;
}

/**
 * Creates a guard of Nest that passes a request with a valid access token that is not revoked, and sets `request.auth`. It refuses other
 * requests as RFC 6750 section 3 defines, by an `HttpException` with the body `{ error?, code, message }`.
 *
 * `app.useGlobalGuards(tokenGuard(guard))` guards every route, `@UseGuards(tokenGuard(guard))` a controller or a handler.
 * @param route the requirements of handlers without `@RequireToken`
 * @throws TypeError for a wrong guard or route; for a wrong `@RequireToken` at its first request, which responds 500
 */
export function tokenGuard(guard: Guard, route: NestRoute = {}): CanActivate {
  const reflector = new Reflector();
  const admits = new WeakMap<NestRoute, Admit<NestRequest>>();
  const admitOf = (one: NestRoute): Admit<NestRequest> => {
    const admit = admits.get(one) ?? createAdmit('tokenGuard', guard, one, readToken);
    admits.set(one, admit);
    return admit;
  };
  admitOf(route);

  return {
    async canActivate(context) {
      const http = context.switchToHttp();
      const request = http.getRequest<NestRequest>();
      const decorated = reflector.getAllAndOverride(RequireToken, [context.getHandler(), context.getClass()]);
      const admission = await admitOf(decorated ?? route)(request);
      if (admission.error === undefined) {
        if (admission.auth !== undefined) request.auth = admission.auth;
        return true;
      }
      const { status, headers, body } = refusalOf(admission.error);
      const response = http.getResponse<NestResponse>();
      for (const [name, value] of Object.entries(headers)) response.header(name, value);
      throw new HttpException(body, status);
    },
  };
}

function readToken(request: NestRequest): string | undefined {
  const { raw, originalUrl, body } = request;
  if (raw === undefined) return readBearerToken(request as unknown as NodeRequest);
  const { rawHeaders, url } = raw;
  return readBearerToken({ rawHeaders, url: typeof originalUrl === 'string' ? originalUrl : url, body });
}
