import type { RevocationsHandler } from '@rescind/feed';
import { createBasicAuthenticator, createRevocationsHandler } from '@rescind/feed';
import type { Clock } from '@rescind/revocation';
import { RescindError, standardErrorTelemetry, systemClock } from '@rescind/revocation';
import { basicChallenge, corsHeaders, errorResponse, ORIGIN, oneHeader, pathBelow } from '@rescind/revocation/http';
import { option, optionsOf } from '@rescind/revocation/options';
import { storageFailureOf, storageUnavailable } from '@rescind/revocation/storage';
import type { Issuer } from '../issuer.ts';
import { PATHS } from './documents.ts';
import type { EndpointOptions, IssuerEndpoints, IssuerResponse } from './endpoints.ts';
import { createIssuerEndpoints, endpointShape } from './endpoints.ts';
import type { IssuerRequest, RequestBody } from './form.ts';

/** Options of `issuerRouter` and of `createIssuerHandler`. */
export interface IssuerHttpOptions extends EndpointOptions {
  /**
   * Clients that may read the log of revocations by HTTP Basic: ids and secrets. Default: none, and the log is not served, for
   * a host whose readers use Kafka alone.
   */
  readonly feedClients?: Readonly<Record<string, string>> | undefined;
  /** Origins whose pages may read the responses, such as `https://app.example`. Default: none. */
  readonly cors?: readonly string[] | undefined;
  /** Default: that of the system. */
  readonly clock?: Clock | undefined;
}

const issuerHttpShape = {
  ...endpointShape,
  feedClients: option.record(option.text('a secret that is not empty'), { min: 0 }),
  cors: option.list(option.text('an origin such as https://app.example: scheme, host and port, no path', ORIGIN)),
  clock: option.clock,
};

/** A request to one path. */
interface PathRequest extends IssuerRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
}

/** A response as it is sent. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** JSON; empty: none. */
  readonly body: string;
}

/** The endpoints of an issuer by their paths, with their errors. */
export interface IssuerHttp {
  readonly endpoints: IssuerEndpoints;
  /** The handler of the log; undefined without `feedClients`. */
  readonly revocations: RevocationsHandler | undefined;
  /** `endpoint`, the log's `revocations`, or undefined: another path. */
  find(path: string): 'endpoint' | 'revocations' | undefined;
  /** The response of an endpoint, errors included. Never rejects. */
  answer(request: PathRequest, body: RequestBody): Promise<Answer>;
  /** Ends the streams of the log. */
  close(): void;
}

/** The endpoints that the handler of the log serves. */
const LOG_PATHS: ReadonlySet<string> = new Set([PATHS.revocations, PATHS.proof, PATHS.reports]);

interface Route {
  readonly methods: readonly string[];
  readonly serve: (request: IssuerRequest, body: RequestBody) => IssuerResponse | Promise<IssuerResponse>;
}

/**
 * @param name the function whose options these are, for errors
 * @throws TypeError for an option that is unknown or wrong
 */
export function createIssuerHttp(issuer: Issuer, given: IssuerHttpOptions, name: string): IssuerHttp {
  const options = optionsOf<IssuerHttpOptions>(name, issuerHttpShape)(given);
  const { feedClients, cors = [], clock = systemClock, ...ofEndpoints } = options;
  const { telemetry = standardErrorTelemetry } = options;
  const endpoints = createIssuerEndpoints(issuer, ofEndpoints);
  const basePath = new URL(issuer.log.log).pathname.replace(/\/+$/, '');
  const below = (path: string) => {
    const plain = basePath === '' ? path : pathBelow(basePath, path);
    return plain.length > 1 ? plain.replace(/\/$/, '') : plain;
  };
  const revocations =
    feedClients === undefined
      ? undefined
      : createRevocationsHandler({
          source: issuer.log,
          authenticate: createBasicAuthenticator(feedClients),
          clock,
          telemetry,
        });
  const post = (serve: Route['serve']): Route => ({ methods: ['POST'], serve });
  const get = (serve: Route['serve']): Route => ({ methods: ['GET', 'HEAD'], serve });
  const routes = new Map<string, Route>([
    [PATHS.token, post(endpoints.token)],
    [PATHS.revoke, post(endpoints.revoke)],
    [PATHS.introspect, post(endpoints.introspect)],
    [PATHS.jwks, get(endpoints.jwks)],
    [PATHS.eventJwks, get(endpoints.eventJwks)],
    [PATHS.metadata, get(endpoints.metadata)],
    [PATHS.openidConfiguration, get(endpoints.openidConfiguration)],
  ]);

  const serve = async (request: PathRequest, { methods, serve: respond }: Route, body: RequestBody) => {
    if (request.method === 'OPTIONS') return { status: 204, headers: { Allow: methods.join(', ') }, body: '' };
    if (!methods.includes(request.method)) throw new RescindError('method_wrong');
    const response = await respond(request, body);
    const headers = { 'Content-Type': 'application/json', ...response.headers };
    return { status: response.status, headers, body: JSON.stringify(response.body) };
  };

  const refuse = (thrown: unknown, path: string, { methods }: Route): Answer => {
    issuer.noteStorageError(thrown);
    const error = asRescindError(thrown);
    if (error.status >= 500)
      telemetry.log('error', 'request_failed', { path, code: error.code, error: String(thrown) });
    const format = path.startsWith('/oauth2/') ? 'oauth' : 'problem';
    const challenge = error.code === 'client_invalid' ? basicChallenge('rescind') : undefined;
    const { status, headers, body } = errorResponse(error, { format, challenge });
    const allow = error.code === 'method_wrong' ? { Allow: methods.join(', ') } : {};
    const own = 'headers' in error ? (error.headers as Readonly<Record<string, string>>) : {};
    return { status, headers: { ...headers, ...allow, ...own }, body };
  };

  return {
    endpoints,
    revocations,
    find(path) {
      const at = below(path);
      if (routes.has(at)) return 'endpoint';
      return revocations !== undefined && LOG_PATHS.has(at) ? 'revocations' : undefined;
    },
    async answer(request, body) {
      const path = below(request.path);
      const route = routes.get(path);
      if (route === undefined) throw new TypeError('the path is none of the issuer: call find before');
      const { method, rawHeaders } = request;
      try {
        const [origin, requestedMethod] = ['origin', 'access-control-request-method'].map((header) =>
          oneHeader(rawHeaders, header),
        );
        const allowed = corsHeaders({ method, origin, requestedMethod }, cors, () => route.methods);
        if (allowed.isPreflight) return { status: 204, headers: allowed.headers, body: '' };
        const answer = await serve(request, route, body).catch((error: unknown) => refuse(error, path, route));
        return { ...answer, headers: { ...allowed.headers, ...answer.headers } };
      } catch (error) {
        return refuse(error, path, route);
      }
    },
    close: () => revocations?.close(),
  };
}

/** An error of the caller with its code; any other is one of the storage or of the issuer. */
export function asRescindError(thrown: unknown): RescindError {
  if (thrown instanceof RescindError) return thrown;
  if (storageFailureOf(thrown) !== undefined) return storageUnavailable(thrown);
  return new RescindError('internal', { cause: thrown });
}
