import type { DurationMs, Telemetry } from '@rescind/revocation';
import { RescindError, standardErrorTelemetry } from '@rescind/revocation';
import { scopeToken } from '@rescind/revocation/http';
import type { OptionShape } from '@rescind/revocation/options';
import { option, optionsOf } from '@rescind/revocation/options';
import type { Issuer } from '../issuer.ts';
import type { ClientProof, RegisteredClient } from '../issuer-clients.ts';
import type { AccessAnswer, RecoveredSession, TokenAnswer } from '../issuer-sessions.ts';
import {
  authorizationServerMetadata,
  keysCacheControl,
  METADATA_CACHE_CONTROL,
  openidConfiguration,
  RENEWAL_GRANT,
} from './documents.ts';
import type { ClientForm, Form, IssuerRequest, RequestBody } from './form.ts';
import { PARAMETERS, readClientProof, readForm, refused } from './form.ts';
import { clearedEndedCookies, clearedRefreshCookie, readRefreshCookie, refreshCookie } from './refresh-cookie.ts';

/** A response with a JSON body. */
export interface IssuerResponse {
  /** The HTTP status. */
  readonly status: number;
  /** The values by the names of the headers; a list is sent as one header per value. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** To be sent as JSON. */
  readonly body: object;
}

/** A client that could not be authenticated. */
export interface RefusedClient {
  /** As the request named it; empty: its credentials could not be parsed. */
  readonly clientId: string;
  /** How it tried to authenticate. */
  readonly method: ClientProof['method'] | 'unreadable';
}

/** The options of `createIssuerEndpoints`. */
export interface EndpointOptions {
  /** `scopes_supported` of the metadata. Default: the metadata do not name any. */
  readonly scopes?: readonly string[] | undefined;
  /** `keyRotation.publishBeforeMs` of the issuer: keys are cached for at most a quarter of it. In ms. Default 600 000. */
  readonly publishBeforeMs?: DurationMs | undefined;
  /** The client of requests that name none. Default: such a request is refused (`request_invalid`). */
  readonly defaultClientId?: string | undefined;
  /**
   * Called when a client could not be authenticated, before the response: for a limit. It may throw RescindError `rate_limited`, which is
   * the response then. Default: nothing.
   */
  readonly onClientRefused?: ((request: IssuerRequest, refused: RefusedClient) => void) | undefined;
  /**
   * Called when a refresh token that was used before got its successor again after the grace: the owner may want to know. Default: nothing.
   */
  readonly onRecovered?: ((request: IssuerRequest, recovered: RecoveredSession) => void) | undefined;
  /** Default: warnings and errors are written to standard error. */
  readonly telemetry?: Telemetry | undefined;
}

export const endpointShape: OptionShape<EndpointOptions> = {
  scopes: option.list(option.text('a scope (RFC 6749 section 3.3)', scopeToken())),
  publishBeforeMs: option.duration(),
  defaultClientId: option.text(),
  onClientRefused: option.callable<NonNullable<EndpointOptions['onClientRefused']>>(),
  onRecovered: option.callable<NonNullable<EndpointOptions['onRecovered']>>(),
  telemetry: option.telemetry,
};

type Endpoint = (request: IssuerRequest, body: RequestBody) => Promise<IssuerResponse>;

/** The endpoints of an issuer, for a host with a framework of its own. Each throws RescindError for a request that it refuses. */
export interface IssuerEndpoints {
  /** `POST /oauth2/token`: RFC 6749 sections 4.4 and 6, and the renewal of an access token. */
  readonly token: Endpoint;
  /** `POST /oauth2/revoke`: RFC 7009. */
  readonly revoke: Endpoint;
  /** `POST /oauth2/introspect`: RFC 7662. */
  readonly introspect: Endpoint;
  /** `GET /.well-known/oauth-authorization-server`: RFC 8414. */
  metadata(): IssuerResponse;
  /** `GET /.well-known/openid-configuration`. */
  openidConfiguration(): IssuerResponse;
  /** `GET /.well-known/jwks.json`: keys of access tokens (RFC 7517). */
  jwks(): IssuerResponse;
  /** `GET /.well-known/event-jwks.json`: keys of the log's events. */
  eventJwks(): IssuerResponse;
  /**
   * The response to a login: the tokens of a session. If its refresh token belongs into a cookie, it is set there and is not in the body.
   * @param more members of the body beside the tokens
   */
  tokens(tokens: TokenAnswer | AccessAnswer, more?: object): Promise<IssuerResponse>;
  /** Authenticates the client of a request. @throws RescindError `client_invalid`, `request_invalid` */
  authenticate(request: IssuerRequest, form: ClientForm): Promise<RegisteredClient>;
}

const checkOptions = optionsOf<EndpointOptions>('createIssuerEndpoints', endpointShape);

const NO_STORE = { 'Cache-Control': 'no-store', Pragma: 'no-cache' } as const;

/** Creates the endpoints of an issuer without a web framework. @throws TypeError for an option that is unknown or wrong */
export function createIssuerEndpoints(issuer: Issuer, given: EndpointOptions = {}): IssuerEndpoints {
  const options = checkOptions(given);
  const { scopes = [], publishBeforeMs = 600_000, defaultClientId, onClientRefused } = options;
  const { telemetry = standardErrorTelemetry } = options;
  const about = { name: issuer.log.log, scopes };
  const keys = (body: object) => document(body, keysCacheControl(publishBeforeMs));

  const authenticate: IssuerEndpoints['authenticate'] = async (request, form) => {
    let proof: ClientProof | undefined;
    try {
      proof = readClientProof(request, form, defaultClientId);
      return await issuer.clients.authenticate(proof);
    } catch (error) {
      if (error instanceof RescindError && error.code === 'client_invalid') {
        const method = proof?.method ?? 'unreadable';
        onClientRefused?.(request, { clientId: proof?.clientId ?? '', method });
        telemetry.log('warn', 'authn_client_fail', { method });
      }
      throw error;
    }
  };

  const tokens: IssuerEndpoints['tokens'] = async (answer, more = {}) => {
    const session = 'refresh_token' in answer ? await issuer.sessions.find(answer.sid) : undefined;
    if (!('refresh_token' in answer) || session?.storage !== 'cookie') {
      return { status: 200, headers: NO_STORE, body: { ...answer, ...more } };
    }
    const { refresh_token: refreshToken, ...rest } = answer;
    const headers = { ...NO_STORE, 'Set-Cookie': [refreshCookie(session, refreshToken)] };
    return { status: 200, headers, body: { ...rest, ...more } };
  };

  const grants = createGrants(issuer, options.onRecovered);

  return {
    authenticate,
    tokens,

    async token(request, body) {
      const form = await readForm(request, body, PARAMETERS.token);
      const { grant_type: grantType } = form;
      if (grantType === undefined) throw refused('grant_type', 'must be given');
      const { clientId } = await authenticate(request, form);
      const grant = grants.get(grantType);
      if (grant === undefined) throw new RescindError('grant_unsupported');
      const answer = await grant(request, form, clientId);
      telemetry.log('info', 'authn_token_created', { sid: answer.sid, clientId });
      return tokens(answer);
    },

    async revoke(request, body) {
      const form = await readForm(request, body, PARAMETERS.revoke);
      const { clientId } = await authenticate(request, form);
      const token = form.token ?? readRefreshCookie(request, clientId);
      if (token === undefined) throw refused('token', 'must be given');
      const revoked = await issuer.transaction((tx) => tx.revokeToken({ token, clientId }));
      if (revoked !== undefined) telemetry.log('info', 'authn_token_revoked', { clientId });
      const session = await issuer.sessions.findByRefreshToken(token);
      const isUnknownCookie = form.token === undefined && session === undefined;
      const cookies = [
        ...(isUnknownCookie ? [clearedRefreshCookie(clientId)] : []),
        ...(await clearedEndedCookies(request, issuer.sessions, session)),
      ];
      const headers = { 'Cache-Control': 'no-store', ...(cookies.length === 0 ? {} : { 'Set-Cookie': cookies }) };
      // RFC 7009 section 2.2 gives the body no meaning, and clients read JSON.
      return { status: 200, headers, body: {} };
    },

    async introspect(request, body) {
      const form = await readForm(request, body, PARAMETERS.introspect);
      if (form.token === undefined) throw refused('token', 'must be given');
      const { clientId, authMethod } = await authenticate(request, form);
      // RFC 7662 section 2.1: without authentication any client could probe tokens.
      if (authMethod === 'none') throw new RescindError('client_invalid');
      const answer = await issuer.introspect(form.token, { clientId });
      return { status: 200, headers: { 'Cache-Control': 'no-store' }, body: answer };
    },

    metadata: () => document(authorizationServerMetadata(about), METADATA_CACHE_CONTROL),
    openidConfiguration: () => document(openidConfiguration(about, issuer), METADATA_CACHE_CONTROL),
    jwks: () => keys(issuer.jwks()),
    eventJwks: () => keys(issuer.eventJwks()),
  };
}

function document(body: object, cacheControl: string): IssuerResponse {
  return { status: 200, headers: { 'Cache-Control': cacheControl }, body };
}

type Grant = (request: IssuerRequest, form: Form, clientId: string) => Promise<TokenAnswer | AccessAnswer>;

/** The grants of the token endpoint, by `grant_type`. */
function createGrants(issuer: Issuer, onRecovered: EndpointOptions['onRecovered']): ReadonlyMap<string, Grant> {
  const isContinuing = async (refreshToken: string) => {
    const session = await issuer.sessions.findByRefreshToken(refreshToken);
    return session !== undefined && (await issuer.sessions.isOpen(session.sid));
  };

  /** RFC 6749 section 6. The refresh token is in the form, or else in the cookie. */
  const refresh: Grant = async (request, form, clientId) => {
    const inForm = form.refresh_token;
    const refreshToken = inForm ?? readRefreshCookie(request, clientId);
    if (refreshToken === undefined) throw refused('refresh_token', 'must be given');
    const via = inForm === undefined ? 'cookie' : 'body';
    try {
      return await issuer.refresh({
        ...{ refreshToken, clientId, via, ...narrowingOf(form) },
        onRecovered: (session) => onRecovered?.(request, session),
      });
    } catch (error) {
      if (via === 'body' || !(error instanceof RescindError) || error.oauth !== 'invalid_grant') throw error;
      throw (await isContinuing(refreshToken)) ? error : withCookie(error, clearedRefreshCookie(clientId));
    }
  };

  /** An error of the token is one of the grant: a 401 would be about the client (RFC 6749 section 5.2). */
  const renew: Grant = async (_request, form, clientId) => {
    if (form.subject_token === undefined) throw refused('subject_token', 'must be given');
    try {
      return await issuer.renew({ accessToken: form.subject_token, clientId, ...narrowingOf(form) });
    } catch (error) {
      const isOfToken = error instanceof RescindError && error.code.startsWith('token_');
      throw isOfToken ? new RescindError('grant_invalid', { cause: error }) : error;
    }
  };

  /** RFC 6749 section 4.4. */
  const issueToClient: Grant = (_request, form, clientId) =>
    issuer.transaction((tx) => tx.issueClientToken({ clientId, ...narrowingOf(form) }));

  return new Map([
    ['refresh_token', refresh],
    ['client_credentials', issueToClient],
    [RENEWAL_GRANT, renew],
  ]);
}

const narrowingOf = ({ scope, resource }: Form) => ({
  ...(scope === undefined ? {} : { scope }),
  ...(resource === undefined ? {} : { resource }),
});

/** An error whose response sets a cookie. */
function withCookie(error: RescindError, cookie: string): RescindError {
  return Object.assign(error, { headers: { 'Set-Cookie': cookie } });
}
