import type { JsonWebKey } from 'node:crypto';
import { createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { startProcess } from '../../support/process.ts';
import { FEED_SECRET, freePort, openUserManagement } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

export const EXAMPLES = fileURLToPath(new URL('../../../examples/moving-over', import.meta.url));

/** A real user-management with one user, and the applications that move over as processes beside it. */
export async function openTown(more: Record<string, string> = {}) {
  const issuer = await openUserManagement({ AUDIENCE: 'orders' });
  await issuer.register();
  const { access } = await issuer.login({ resource: 'orders' });
  const publicKeyFile = join(issuer.directory, 'public-key.pem');
  const { keys } = (await issuer.send('/.well-known/jwks.json')).body as { keys: [JsonWebKey] };
  const publicKey = createPublicKey({ key: { ...keys[0] }, format: 'jwk' });
  writeFileSync(publicKeyFile, publicKey.export({ type: 'spki', format: 'pem' }));

  /** Starts `before` or `after` of an example, and returns the address of its orders. */
  async function start(name: string, version: string, environment: Record<string, string> = {}): Promise<string> {
    const port = await freePort();
    const service = startProcess(join(EXAMPLES, name, `${version}.ts`), {
      ...{ ISSUER: issuer.url, PORT: String(port), FEED_CLIENT_SECRET: FEED_SECRET, PUBLIC_KEY_FILE: publicKeyFile },
      ...{ DENYLIST_PATH: join(issuer.directory, `${name}-denylist.sqlite`), ...more, ...environment },
    });
    const url = `http://127.0.0.1:${port}/orders`;
    await waitFor(`${name} listens: ${service.output()}`, () => fetch(url), 30_000);
    return url;
  }

  const logout = () => issuer.send('/logout', { method: 'POST', headers: issuer.asBearer(access) });
  return { issuer, access, start, logout };
}

export const ask = async (url: string, token: string) => {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return { status: response.status, body: isJson ? await response.json() : undefined };
};

/** Waits until an application refuses a token, and returns the response. */
export const refusal = (url: string, token: string) =>
  waitFor('the token is refused', async () => {
    const answer = await ask(url, token);
    return answer.status === 401 && answer;
  });

/** Forwards requests to the introspection endpoint of an issuer, and counts them. */
export async function openCounter(issuerUrl: string) {
  let count = 0;
  const server = createServer(async (request, response) => {
    count += 1;
    const headers = {
      authorization: request.headers.authorization ?? '',
      'content-type': request.headers['content-type'] ?? '',
    };
    const answer = await fetch(`${issuerUrl}/oauth2/introspect`, {
      method: 'POST',
      headers,
      body: await text(request),
    });
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, calls: () => count };
}
