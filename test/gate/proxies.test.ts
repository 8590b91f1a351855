import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ask, bearer, openGate } from '../integration/gate/setting.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { waitFor } from '../support/wait.ts';
import type { StartProxy } from './programs.ts';
import { EXAMPLE, requireProgram, start, startEnvoy, startNginx, startTraefik } from './programs.ts';

// The examples of docs/gate.md as they are: real proxies, and a service in Python behind them.

interface Proxy {
  readonly name: string;
  readonly start: StartProxy;
  /** The status of a request while the gate is away. */
  readonly away: number;
}

const proxies: readonly Proxy[] = [
  { name: 'nginx', start: startNginx, away: 503 },
  { name: 'Traefik', start: startTraefik, away: 500 },
  { name: 'Envoy', start: startEnvoy, away: 503 },
];

const payloadOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

describe.each(proxies)('a service behind $name', ({ name, start: startProxy, away }) => {
  async function open() {
    requireProgram('python3', '--version', 'install Python 3.8 or later');
    const gateSocket = join(temporaryDirectory(), 'gate.sock');
    const fleet = await openGate({ SOCKET_PATH: gateSocket });
    const line = await start('python3', [join(EXAMPLE, 'orders.py'), '0'], /^listening/, 10_000);
    const { address } = fleet.gate;
    const gatePort = 'port' in address ? address.port : '';
    const port = await startProxy({ gateSocket, gatePort, ordersPort: Number(line.split(' ')[1]) });
    return { ...fleet, proxy: { port } };
  }

  it('receives requests with an accepted token, with its identity', async () => {
    const { proxy, access } = await open();
    const answer = await ask(proxy, '/orders/7?scope=none', bearer(access));
    expect(answer).toMatchObject({
      status: 200,
      body: {
        path: '/orders/7?scope=none',
        subject: payloadOf(access).sub,
        scopes: expect.arrayContaining(['orders:read']),
      },
    });
    expect((await ask(proxy, '/orders/cancel', bearer(access), { method: 'POST', body: '{}' })).status).toBe(200);
  });

  it('receives no request without a token, without the scope, with a revoked token', async () => {
    const { issuer, proxy, access, login } = await open();
    const none = await ask(proxy, '/orders');
    expect([none.status, none.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    expect((await ask(proxy, '/orders', [], { method: 'OPTIONS' })).status).toBe(401);

    const { access: narrow } = await login('orders:read');
    expect((await ask(proxy, '/orders', bearer(narrow))).status).toBe(200);
    const insufficient = await ask(proxy, '/orders/cancel?scope=orders:read', bearer(narrow), { method: 'POST' });
    expect(insufficient.status).toBe(403);
    expect(insufficient.headers['www-authenticate']).toContain('scope="orders:write"');

    await issuer.send('/logout', { method: 'POST', headers: issuer.asBearer(access) });
    const revoked = await waitFor('the refusal', async () => {
      const answer = await ask(proxy, '/orders', bearer(access));
      return answer.status === 401 && answer;
    });
    expect(revoked.headers['www-authenticate']).toContain('error="invalid_token"');
  });

  it('receives no request for another spelling of a path with the scope of another route alone', async () => {
    const { proxy, login } = await open();
    const { access: narrow } = await login('orders:read');
    for (const path of ['//cancel', '/./cancel', '/x/../cancel', '%2Fcancel', '/%63ancel']) {
      const answer = await ask(proxy, `/orders${path}`, bearer(narrow), { method: 'POST' });
      // Either the proxy refuses it, or the service sees that it is not its own `/orders/cancel`.
      if (answer.status === 200) expect(answer.body.path).not.toBe('/orders/cancel');
      else expect(answer.status).toBeGreaterThanOrEqual(400);
    }
  });

  it('receives no identity that a client has written', async () => {
    const { proxy, access } = await open();
    const subject = payloadOf(access).sub;
    for (const forged of ['Rescind-Subject', 'rescind-SUBJECT', 'Rescind_Subject']) {
      const { status, body } = await ask(proxy, '/orders', [...bearer(access), [forged, 'admin']]);
      // nginx drops names with an underscore; every other name is refused by the gate.
      expect([forged, status, body.subject]).toEqual(
        name === 'nginx' && forged.includes('_') ? [forged, 200, subject] : [forged, 400, undefined],
      );
    }
    const removed = await ask(proxy, '/orders', [...bearer(access), ['Connection', 'close, Rescind-Subject']]);
    if (removed.status === 200) expect(removed.body.subject).toBe(subject);
    else expect(removed.status).toBeGreaterThanOrEqual(400);
    expect((await ask(proxy, '/orders', [...bearer(access), ...bearer(access)])).status).toBeGreaterThanOrEqual(400);
    if (name === 'nginx') expect((await ask(proxy, '/_gate/read', bearer(access))).status).toBe(404);
  });

  it('receives nothing while the gate is away', async () => {
    const { gate, proxy, access } = await open();
    gate.kill('SIGKILL');
    await gate.exit;
    expect((await ask(proxy, '/orders', bearer(access))).status).toBe(away);
  });
});
