import { randomBytes } from 'node:crypto';

/** What the issuer answers to a login or a refresh: RFC 6749 section 5.1. */
export interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON, or the text when it is none. */
  readonly body: unknown;
}

export interface User {
  readonly username: string;
  readonly password: string;
}

/** What a person's programs do to the fleet over HTTP. Every call is a request that is made. */
export interface FleetClient {
  /** A new user with a random name and password. */
  register(): Promise<User>;
  /** @param resource audience of the access token; default: the services */
  login(user: User, deviceName: string, resource?: string): Promise<Tokens>;
  refresh(refreshToken: string): Promise<Answer>;
  /** A refresh that has to work. */
  refreshed(refreshToken: string): Promise<Tokens>;
  logout(accessToken: string): Promise<Answer>;
  /** Exchanges the refresh token for an access token for accounts, and logs out everywhere with that. */
  logoutEverywhere(tokens: Pick<Tokens, 'refresh_token'>): Promise<Answer>;
  /** An access token for the account endpoints, by a refresh token, which is spent. */
  forAccount(refreshToken: string): Promise<Tokens>;
  /** RFC 7009. */
  revoke(token: string): Promise<Answer>;
}

/** One request; never throws for a status. @throws Error when there is no answer */
export async function request(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { ...init, redirect: 'error', signal: init.signal ?? AbortSignal.timeout(15_000) });
  const text = await response.text();
  let body: unknown = text;
  if (response.headers.get('content-type')?.includes('json') === true && text !== '') body = JSON.parse(text);
  return { status: response.status, headers: response.headers, body };
}

export const bearer = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } });

/** The machine-readable `code` of an error answer. */
export function codeOf({ body }: Answer): string | undefined {
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
    demand(await refresh(refreshToken, { resource: `${issuerUrl}/account` }), 200, 'refresh').body as Tokens;

  return {
    async register() {
      const user = {
        username: `user-${randomBytes(6).toString('hex')}`,
        password: randomBytes(18).toString('base64url'),
      };
      demand(await json('/register', user), 201, 'register');
      return user;
    },
    async login(user, deviceName, resource) {
      const answer = demand(await json('/login', { ...user, deviceName, resource }), 200, 'login');
      return answer.body as Tokens;
    },
    refresh: (refreshToken) => refresh(refreshToken),
    forAccount,
    refreshed: async (refreshToken) => demand(await refresh(refreshToken), 200, 'refresh').body as Tokens,
    logout: (token) => post('/logout', token),
    logoutEverywhere: async ({ refresh_token }) =>
      post('/logout-everywhere', (await forAccount(refresh_token)).access_token),
    revoke: (token) => form('/oauth2/revoke', { token, client_id: 'web' }),
  };
}

function demand(answer: Answer, status: number, what: string): Answer {
  if (answer.status !== status) {
    throw new Error(`${what} answered ${answer.status} (${codeOf(answer) ?? 'no code'}) instead of ${status}`);
  }
  return answer;
}
