import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '@rescind/dev-kafka';
import { openService } from '@rescind/service';
import { userManagement } from '@rescind/user-management';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from './directory.ts';

export const FEED_SECRET = 'feed-secret-of-a-test-0123456789';
export const USER = { username: 'ada', password: 'correct horse battery' };

/** A port that was free a moment ago, and that no outgoing connection takes: an issuer must know its address before it listens. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

/** The environment of a user-management with its files in `directory`. */
export function issuerEnvironment(directory: string, port: number): Record<string, string> {
  const clients = join(directory, 'feed-clients.json');
  writeFileSync(clients, JSON.stringify({ prices: FEED_SECRET, orders: FEED_SECRET }), { mode: 0o600 });
  return {
    ISSUER: `http://127.0.0.1:${port}`,
    PORT: String(port),
    MANAGEMENT_PORT: '0',
    ADMIN_PORT: '0',
    DATABASE_PATH: join(directory, 'user-management.sqlite'),
    KEYS_PATH: join(directory, 'keys'),
    FEED_CLIENTS_FILE: clients,
  };
}

/** A user-management in this process, on real files; closed when the test has finished. */
export async function openUserManagement(environment: Record<string, string> = {}, directory = temporaryDirectory()) {
  const lines: string[] = [];
  const settings = { ...issuerEnvironment(directory, await freePort()), ...environment };
  const running = await openService(userManagement, settings, { write: (line: string) => void lines.push(line) });
  onTestFinished(() => running.close());
  return { ...running, ...createClient(running.url, settings.ISSUER), lines, directory };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

export function createClient(url: string, issuer = url) {
  const accountAudience = `${issuer.replace(/\/$/, '')}/account`;
  const send = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const response = await fetch(url + path, init);
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true && text !== '';
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : {} };
  };
  const post = (path: string, body: object, headers: Record<string, string> = {}) =>
    send(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  const form = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    send(path, { method: 'POST', headers, body: new URLSearchParams(fields) });
  const asBearer = (token: string) => ({ Authorization: `Bearer ${token}` });
  const tokensOf = ({ status, body, text }: Answer) => {
    if (status !== 200) throw new Error(`answered ${status}: ${text}`);
    return { access: String(body.access_token), refresh: String(body.refresh_token), answer: body };
  };
  return {
    send,
    post,
    form,
    asBearer,
    tokensOf,
    /** The `aud` of tokens for the account endpoints. */
    accountAudience,
    /** For the account endpoints, unless `more` has another `resource`; undefined: for the services. */
    login: async (more: object = {}) => tokensOf(await post('/login', { ...USER, resource: accountAudience, ...more })),
    register: (user: object = USER) => post('/register', user),
    refresh: (token: string, more: Record<string, string> = {}) =>
      form('/oauth2/token', { grant_type: 'refresh_token', refresh_token: token, ...more }),
    /** The status of a request with the token that changes nothing: 401 if the token is refused. */
    accepts: async (token: string) => (await post('/password', { nonsense: true }, asBearer(token))).status,
  };
}
