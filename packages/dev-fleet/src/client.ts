import { randomBytes } from 'node:crypto';

/** The token response of a login or a refresh (RFC 6749 section 5.1). */
export interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
}

export interface FleetResponse {
  readonly status: number;
  readonly headers: Headers;
  /** The parsed JSON; the text, if it is not JSON. */
  readonly body: unknown;
}

export interface User {
  readonly username: string;
  readonly password: string;
}

/** The HTTP requests that the apps of a user send to the fleet. */
export interface FleetClient {
  /** Registers a user with a random name and password. */
  register(): Promise<User>;
  /** Logs in. @param resource audience of the access token; default: the services */
  login(user: User, deviceName: string, resource?: string): Promise<Tokens>;
  refresh(refreshToken: string): Promise<FleetResponse>;
  /** Refreshes. @throws Error for another status than 200 */
  refreshed(refreshToken: string): Promise<Tokens>;
  logout(accessToken: string): Promise<FleetResponse>;
  /** Logs out everywhere, with an access token for the account endpoints, which it gets by the refresh token. */
  logoutEverywhere(tokens: Pick<Tokens, 'refresh_token'>): Promise<FleetResponse>;
  /** Exchanges a refresh token, which is used up, for an access token for the account endpoints. */
  forAccount(refreshToken: string): Promise<Tokens>;
  /** Revokes a token (RFC 7009). */
  revoke(token: string): Promise<FleetResponse>;
}

/** Sends a request, and returns the response whatever its status. @throws Error without a response */
export async function request(url: string, init: RequestInit = {}): Promise<FleetResponse> {
  const response = await fetch(url, { ...init, redirect: 'error', signal: init.signal ?? AbortSignal.timeout(15_000) });
  const text = await response.text();
  let body: unknown = text;
  if (response.headers.get('content-type')?.includes('json') === true && text !== '') body = JSON.parse(text);
  return { status: response.status, headers: response.headers, body };
}

export const bearer = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } });

/** The `code` of an error response; undefined: it has none. */
export function codeOf({ body }: FleetResponse): string | undefined {
  const code = typeof body === 'object' && body !== null && 'code' in body ? body.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

export function createFleetClient(issuerUrl: string): FleetClient {
  const json = (path: string, body: object) =>
    request(`${issuerUrl}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const form = (path: string, fields: Record<string, string>) =>
    request(`${issuerUrl}${path}`, { method: 'POST', body: new URLSearchParams(fields) });
  const post = (path: string, token: string) => request(`${issuerUrl}${path}`, { method: 'POST', ...bearer(token) });

  const refresh = (refreshToken: string, more: Record<string, string> = {}) =>
    form('/oauth2/token', { grant_type: 'refresh_token', refresh_token: refreshToken, client_id: 'web', ...more });
  const forAccount = async (refreshToken: string) =>
    requireStatus(await refresh(refreshToken, { resource: `${issuerUrl}/account` }), 200, 'refresh').body as Tokens;

  return {
    async register() {
      const user = {
        username: `user-${randomBytes(6).toString('hex')}`,
        password: randomBytes(18).toString('base64url'),
      };
      requireStatus(await json('/register', user), 201, 'register');
      return user;
    },
    async login(user, deviceName, resource) {
      const answer = requireStatus(await json('/login', { ...user, deviceName, resource }), 200, 'login');
      return answer.body as Tokens;
    },
    refresh: (refreshToken) => refresh(refreshToken),
    forAccount,
    refreshed: async (refreshToken) => requireStatus(await refresh(refreshToken), 200, 'refresh').body as Tokens,
    logout: (token) => post('/logout', token),
    logoutEverywhere: async ({ refresh_token }) =>
      post('/logout-everywhere', (await forAccount(refresh_token)).access_token),
    revoke: (token) => form('/oauth2/revoke', { token, client_id: 'web' }),
  };
}

function requireStatus(answer: FleetResponse, status: number, what: string): FleetResponse {
  if (answer.status !== status) {
    throw new Error(`${what} answered ${answer.status} (${codeOf(answer) ?? 'no code'}) instead of ${status}`);
  }
  return answer;
}
