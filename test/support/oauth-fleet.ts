import type { Fleet, FleetOptions, FleetResponse, Tokens, User } from '@rescind/dev-fleet';
import { bearer, openFleet, request } from '@rescind/dev-fleet';
import { afterAll, beforeAll } from 'vitest';
import type { ProvingClient } from './oauth-clients.ts';
import { proofOf, provingClients } from './oauth-clients.ts';

/** Requests to the endpoints of a running user-management. */
export interface OauthDriver {
  readonly fleet: Fleet;
  readonly url: string;
  readonly user: User;
  readonly clients: readonly ProvingClient[];
  client(clientId: string): ProvingClient;
  /** The client that authenticates by HTTP Basic, and its header. */
  readonly basic: { readonly clientId: string; readonly authorization: string };
  login(more?: object, headers?: Record<string, string>): Promise<Tokens & { readonly sid: string }>;
  /** Logs in by a client that authenticates. */
  loginOf(client: ProvingClient): Promise<Tokens & { readonly sid: string }>;
  form(path: string, fields: Record<string, string>, headers?: Record<string, string>): Promise<FleetResponse>;
  json(path: string, body: object, headers?: Record<string, string>): Promise<FleetResponse>;
  refresh(token: string, more?: Record<string, string>, headers?: Record<string, string>): Promise<FleetResponse>;
  /** Introspects by the client of HTTP Basic, which may introspect tokens of all clients. */
  introspect(token: string): Promise<FleetResponse>;
  /** The `aud` of tokens for the account endpoints. */
  readonly accountAudience: string;
  /** The response to a token for accounts of a request that changes nothing: 200, or the error code. */
  accepts(token: string): Promise<FleetResponse>;
}

/** RFC 6749 section 2.3.1. */
export function basicHeader(clientId: string, secret: string): string {
  const encode = (text: string) => new URLSearchParams({ text }).toString().slice('text='.length);
  return `Basic ${Buffer.from(`${encode(clientId)}:${encode(secret)}`).toString('base64')}`;
}

/** One fleet for all tests of a file, with a client for each authentication method. */
export function oauthFleet(options: FleetOptions): () => OauthDriver {
  let driver: OauthDriver | undefined;
  beforeAll(async () => {
    const { clients, file } = await provingClients();
    const basic = clients.find(({ method }) => method === 'client_secret_basic');
    if (basic === undefined) throw new Error('no client by HTTP Basic');
    file[basic.clientId] = { ...file[basic.clientId], mayIntrospect: true };
    const fleet = await openFleet({ ...options, clients: { ...file, ...options.clients } });
    const authorization = basicHeader(basic.clientId, basic.secret);
    driver = driverOf(fleet, await fleet.client.register(), clients, { clientId: basic.clientId, authorization });
  });
  afterAll(() => driver?.fleet.close());
  return () => {
    if (driver === undefined) throw new Error('the fleet has not been started');
    return driver;
  };
}

function driverOf(
  fleet: Fleet,
  user: User,
  clients: readonly ProvingClient[],
  basic: OauthDriver['basic'],
): OauthDriver {
  const { url } = fleet.issuer;
  const post = (path: string, body: string | URLSearchParams, headers: Record<string, string>) =>
    request(url + path, { method: 'POST', body, headers });
  const json = (path: string, body: object, headers: Record<string, string> = {}) =>
    post(path, JSON.stringify(body), { 'content-type': 'application/json', ...headers });
  const form = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    post(path, new URLSearchParams(fields), headers);
  const driver: OauthDriver = {
    fleet,
    url,
    user,
    clients,
    client(clientId) {
      const found = clients.find((client) => client.clientId === clientId);
      if (found === undefined) throw new Error(`no client ${clientId}`);
      return found;
    },
    basic,
    accountAudience: `${url}/account`,
    json,
    form,
    async login(more = {}, headers = {}) {
      const answer = await json('/login', { ...user, ...more }, headers);
      if (answer.status !== 200) throw new Error(`login answered ${answer.status}: ${JSON.stringify(answer.body)}`);
      return answer.body as Tokens & { readonly sid: string };
    },
    loginOf: async (client) => {
      const { clientId, method, secret } = client;
      const headers = method === 'client_secret_basic' ? { authorization: basicHeader(clientId, secret) } : {};
      return driver.login(await proofOf(client, url), headers);
    },
    refresh: (token, more = {}, headers = {}) =>
      form('/oauth2/token', { grant_type: 'refresh_token', refresh_token: token, client_id: 'web', ...more }, headers),
    introspect: (token) => form('/oauth2/introspect', { token }, { authorization: basic.authorization }),
    accepts: (token) => request(`${url}/sessions`, bearer(token)),
  };
  return driver;
}
