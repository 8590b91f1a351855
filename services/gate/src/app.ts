import type { Decision, Guard, RoutePolicy } from '@rescind/guard';
import { readBearerToken, toRequestError } from '@rescind/guard/express';
import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { readJson } from '@rescind/service/http';
import type { Express, Request, Response } from 'express';
import express from 'express';
import { z } from 'zod';
import type { Configuration } from './config.ts';
import { createIdentity } from './identity.ts';
import type { Requirements } from './requirements.ts';
import { readRequirements, toPolicy } from './requirements.ts';

export interface GateContext {
  readonly guard: Guard;
  readonly configuration: Pick<Configuration, 'REQUIRED_SCOPES' | 'IDENTITY_HEADERS'>;
  readonly telemetry: Telemetry;
}

const ENVOY = '/envoy/';
/** In place of requirements, in the path of Envoy. */
const NO_REQUIREMENTS = '-';

const textList = z
  .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be visible ASCII without " and \\'))
  .min(1);
const checkBody = z.strictObject({
  token: z.string().min(1),
  scopes: textList.optional(),
  audiences: textList.optional(),
  acrValues: textList.optional(),
  maxAuthAgeSeconds: z.int().min(0).max(999_999_999).optional(),
});

/**
 * The checks. No path is a route of Express, so nothing but this function responds with a success: a proxy takes every success for an
 * accepted token, the response to OPTIONS included.
 * @throws RescindError `configuration_invalid`
 */
export function createApp({ guard, configuration, telemetry }: GateContext): Express {
  const identity = createIdentity(configuration.IDENTITY_HEADERS);
  const policies = createPolicies(configuration.REQUIRED_SCOPES ?? [], guard, telemetry);

  /** A check by a proxy: the token is in the headers of the client's request, what it must have in the URL of the proxy. */
  async function checkRequest(request: Request, response: Response, query: string): Promise<void> {
    const policy = policies.ofQuery(query);
    identity.requireAbsent(request);
    const token = readBearerToken(request);
    if (token === undefined) throw toRequestError(new RescindError('token_missing'));
    const claims = requireAccepted(await guard.decideOnline(token, policy), policy);
    response.status(200).set(identity.headersOf(claims)).set('Cache-Control', 'no-store').end();
  }

  /** A check by a service itself. */
  async function checkToken(request: Request, response: Response): Promise<void> {
    if (request.method !== 'POST') {
      response.set('Allow', 'POST');
      throw new RescindError('method_wrong');
    }
    const { token, ...requirements } = await readJson(request, checkBody);
    const policy = policies.of(requirements);
    const claims = requireAccepted(await guard.decideOnline(token, policy), policy);
    response.status(200).set('Cache-Control', 'no-store').json({ claims });
  }

  async function answer(request: Request, response: Response): Promise<boolean> {
    const end = request.url.indexOf('?');
    const [path, query] = end === -1 ? [request.url, ''] : [request.url.slice(0, end), request.url.slice(end + 1)];
    if (path === '/auth') await checkRequest(request, response, query);
    else if (path === '/check') await checkToken(request, response);
    else if (path.startsWith(ENVOY)) {
      // Behind the second slash, and in the query, is the client's own URL.
      const [segment = ''] = path.slice(ENVOY.length).split('/', 1);
      await checkRequest(request, response, segment === NO_REQUIREMENTS ? '' : requireText(segment));
    } else return false;
    return true;
  }

  const app = express();
  app.use((request, response, next) => {
    answer(request, response).then((isAnswered) => {
      if (!isAnswered) next();
    }, next);
  });
  return app;
}

function requireText(segment: string): string {
  if (segment !== '') return segment;
  throw new RescindError('configuration_invalid', { detail: 'the path prefix must be /envoy/- or /envoy/scope=…' });
}

/** The claims of an accepted token. @throws RequestError the refusal, with its headers */
function requireAccepted(decision: Decision, policy: RoutePolicy): Readonly<Record<string, unknown>> {
  if (decision.accepted) return decision.token.payload;
  throw toRequestError(decision.error, policy);
}

/** Most policies that are kept: a proxy has one for each route. */
const MAX_POLICIES = 256;

interface Policies {
  /** @throws RescindError `configuration_invalid` */
  ofQuery(query: string): RoutePolicy;
  of(requirements: Requirements): RoutePolicy;
}

/** The guard checks a policy once, by its identity, so the same requirements give the same object. */
function createPolicies(always: readonly string[], guard: Guard, telemetry: Telemetry): Policies {
  const cached = new Map<string, RoutePolicy | RescindError>();
  const keep = <T extends RoutePolicy | RescindError>(key: string, value: T): T => {
    if (cached.size < MAX_POLICIES) cached.set(key, value);
    return value;
  };
  const create = (requirements: Requirements): RoutePolicy => {
    const policy = toPolicy(requirements, always);
    guard.checkRoute(policy);
    return policy;
  };
  const find = (key: string, make: () => Requirements): RoutePolicy => {
    const found = cached.get(key);
    if (found instanceof RescindError) throw found;
    if (found !== undefined) return found;
    try {
      return keep(key, create(make()));
    } catch (error) {
      if (!(error instanceof RescindError)) throw error;
      telemetry.log('error', 'check_url_invalid', { detail: error.detail });
      throw keep(key, error);
    }
  };
  return {
    ofQuery: (query) => find(`?${query}`, () => readRequirements(query)),
    of: (requirements) => find(JSON.stringify(requirements), () => requirements),
  };
}
