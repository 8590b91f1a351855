import { once } from 'node:events';
import type { IncomingHttpHeaders, RequestOptions } from 'node:http';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../../support/directory.ts';
import type { ServiceProcess } from '../../support/process.ts';
import { startProcess } from '../../support/process.ts';
import { FEED_SECRET, openUserManagement } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

const MAIN = fileURLToPath(new URL('../../../services/gate/src/main.js', import.meta.url));

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

/** Where a gate listens. */
export type Address = { readonly port: string } | { readonly socketPath: string };

/** Sends the headers as they are, also two of one name. */
export async function ask(
  to: Address,
  path: string,
  headers: readonly (readonly [string, string])[] = [],
  { method = 'GET', body }: { readonly method?: string; readonly body?: string } = {},
): Promise<Answer> {
  const raw = [['Host', 'gate'], ...headers].flat();
  const options: RequestOptions = { ...to, host: '127.0.0.1', path, method, headers: raw, agent: false };
  const sent = request(options);
  sent.end(body);
  const [response] = await once(sent, 'response');
  const received = await text(response);
  const isJson = received !== '' && /json/.test(response.headers['content-type'] ?? '');
  return { status: response.statusCode, headers: response.headers, body: isJson ? JSON.parse(received) : {} };
}

export const bearer = (token: string) => [['Authorization', `Bearer ${token}`]] as const;

export interface GateProcess extends ServiceProcess {
  readonly address: Address;
  readonly managementUrl: string;
}

/** A gate as a process, which may fail to start. */
export function launchGate(issuer: string, more: Record<string, string> = {}): ServiceProcess {
  return startProcess(MAIN, {
    ISSUER: issuer,
    PORT: '0',
    MANAGEMENT_PORT: '0',
    AUDIENCE: 'prices,orders',
    FEED_CLIENT_ID: 'prices',
    FEED_CLIENT_SECRET: FEED_SECRET,
    DENYLIST_PATH: join(temporaryDirectory(), 'denylist.sqlite'),
    ...more,
  });
}

/** A gate as a process, listening. */
export async function startGate(issuer: string, more: Record<string, string> = {}): Promise<GateProcess> {
  const process = launchGate(issuer, more);
  const line = await process.line('listening');
  const { port } = new URL(String(line.url));
  return { ...process, address: { port }, managementUrl: String(line.managementUrl) };
}

export async function untilReady({ managementUrl }: GateProcess): Promise<void> {
  await waitFor('the gate is ready', async () => (await fetch(`${managementUrl}/readyz`)).status === 200, 30_000);
}

/** A gate with its issuer, and a token for the services. */
export async function openGate(more: Record<string, string> = {}) {
  const issuer = await openUserManagement({ DEFAULT_SCOPES: 'prices:read,orders:read,orders:write' });
  const gate = await startGate(issuer.url, more);
  await untilReady(gate);
  await issuer.register();
  const login = (scope?: string) => issuer.login({ resource: undefined, ...(scope !== undefined && { scope }) });
  return { issuer, gate, login, ...(await login()) };
}
