import '../errors.ts';

import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { Telemetry } from '@rescind/revocation';
import { RescindError, standardErrorTelemetry } from '@rescind/revocation';
import { RequestRefused } from '@rescind/revocation/errors';
import { bearerChallenge, errorResponse, oneHeader, readBearer } from '@rescind/revocation/http';
import { option, optionsOf } from '@rescind/revocation/options';
import type { VerifiedToken } from '@rescind/token';
import type { ErrorRequestHandler, Router as ExpressRouter, Request, RequestHandler, Response } from 'express';
import { Router } from 'express';
import { verifyOptions } from '../call-options.ts';
import type { IssuerEndpoints } from '../http/endpoints.ts';
import type { RequestBody } from '../http/form.ts';
import type { IssuerProbeOptions } from '../http/probe.ts';
import { issuerProbe } from '../http/probe.ts';
import type { Answer, IssuerHttpOptions } from '../http/serve.ts';
import { asRescindError, createIssuerHttp } from '../http/serve.ts';
import type { Issuer, VerifyOptions } from '../issuer.ts';

/** The router, with what a host uses beside it. */
export interface IssuerRouter extends ExpressRouter {
  /** For the host's own endpoints, such as its login. */
  readonly endpoints: IssuerEndpoints;
  /** Ends the streams of the log: before the issuer is closed. */
  close(): void;
}

/**
 * The endpoints of an issuer for Express: token, revocation, introspection, metadata, keys, and with `feedClients` the log of revocations.
 * Requests to other paths are passed to the next handler. The metadata name paths below the issuer's URL: mount the router there.
 *
 * A middleware before it may have parsed forms and JSON; it must not have read them otherwise.
 * @throws TypeError for an option that is unknown or wrong
 */
export function issuerRouter(issuer: Issuer, options: IssuerHttpOptions = {}): IssuerRouter {
  const http = createIssuerHttp(issuer, options, 'issuerRouter');
  const router = Router();
  router.use(async (request, response, next) => {
    const { method, path, rawHeaders, ip } = request;
    const found = http.find(path);
    if (found === undefined) return next();
    if (found === 'revocations') return http.revocations?.handle(unreadRequest(request), response);
    send(response, await http.answer({ method, path, rawHeaders, ip }, bodyOf(request)));
  });
  return Object.assign(router, { endpoints: http.endpoints, close: http.close });
}

/** The request, with a stream of its body again if a middleware has parsed it as JSON: a report of an instance. */
function unreadRequest(request: Request): IncomingMessage {
  const { method, url, originalUrl, headers, rawHeaders } = request;
  const isParsed = request.readableDidRead && typeof request.is('application/json') === 'string';
  if (!isParsed) return request;
  const body = Readable.from([Buffer.from(JSON.stringify(request.body))]);
  return Object.assign(body, { method, url, originalUrl, headers, rawHeaders }) as unknown as IncomingMessage;
}

/** The stream of the request, or the form that a middleware has parsed. */
function bodyOf(request: Request): RequestBody {
  const parsed: unknown = request.body;
  const isForm = request.readableDidRead && typeof request.is('application/x-www-form-urlencoded') === 'string';
  if (!isForm || typeof parsed !== 'object' || parsed === null) return request;
  const form = new URLSearchParams();
  for (const [name, values] of Object.entries(parsed)) {
    for (const value of [values].flat()) if (typeof value === 'string') form.append(name, value);
  }
  return form;
}

function send(response: Response, { status, headers, body }: Answer): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.status(status).end(body);
}

/**
 * Middleware that responds to `GET` of `/livez`, `/readyz` and `/metrics` of a login service. To keep the checks and metrics from clients,
 * serve it from a port of its own.
 * @throws TypeError for an option that is unknown or wrong
 */
export function issuerProbes(issuer: Issuer, options: IssuerProbeOptions = {}): RequestHandler {
  const probe = issuerProbe(issuer, options);
  return async (request, response, next) => {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const found = isRead ? await probe(request.path) : undefined;
    if (found === undefined) return next();
    send(response, found);
  };
}

/** The response of a route behind `accessToken`. */
export type VerifiedResponse = Response<unknown, { readonly token: VerifiedToken }>;

/**
 * Middleware for the host's own endpoints: lets a request pass only with an access token of this issuer that is not revoked, by the
 * issuer's own rows, and puts it on `response.locals.token`. Errors go to `next` (`errorHandler`).
 * @param options.audience must be in the token's `aud`. Default: not compared
 */
export function accessToken(issuer: Pick<Issuer, 'verify'>, options: VerifyOptions = {}): RequestHandler {
  const checked = verifyOptions(options);
  return async (request, response, next) => {
    const authorization = oneHeader(request.rawHeaders, 'authorization');
    const token = readBearer({ authorization, target: request.originalUrl });
    if (token === undefined) throw new RescindError('token_missing');
    response.locals.token = await issuer.verify(token, checked);
    next();
  };
}

/** The options of `errorHandler`. */
export interface ErrorHandlerOptions {
  /** Default: lines of JSON on standard error. */
  readonly telemetry?: Telemetry | undefined;
}

const errorHandlerOptions = optionsOf<ErrorHandlerOptions>('errorHandler', { telemetry: option.telemetry });

/**
 * The last handler of a login service: errors of the issuer as problem details (RFC 9457), those of Express and its parsers as
 * `request_invalid`, and any other as `internal` without details, which it logs (`request_failed`).
 */
export function errorHandler(options: ErrorHandlerOptions = {}): ErrorRequestHandler {
  const { telemetry = standardErrorTelemetry } = errorHandlerOptions(options);
  return (thrown: unknown, request, response, next) => {
    if (response.headersSent) return next(thrown);
    const error = isOfExpress(thrown)
      ? new RequestRefused([{ path: '', message: 'is malformed' }])
      : asRescindError(thrown);
    if (error.status >= 500) {
      telemetry.log('error', 'request_failed', { route: request.route?.path, code: error.code, error: String(thrown) });
    }
    const isOfToken = error.code === 'token_missing' || error.oauth === 'invalid_token';
    send(response, errorResponse(error, { challenge: isOfToken ? bearerChallenge(error) : undefined }));
  };
}

/** Express and its parsers refuse a request by an error with a status of 4xx. */
function isOfExpress(thrown: unknown): boolean {
  if (!(thrown instanceof Error) || thrown instanceof RescindError || !('status' in thrown)) return false;
  return typeof thrown.status === 'number' && thrown.status >= 400 && thrown.status < 500;
}
