import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ask, bearer, openGate } from '../integration/gate/setting.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { waitFor } from '../support/wait.ts';
import { EXAMPLE, requireProgram, start } from './programs.ts';

it('a service in Go asks the gate by its socket: it accepts a token, and refuses it once it is revoked', {
  timeout: 180_000,
}, async () => {
  requireProgram('go', 'version', 'install Go 1.21 or later');
  const socketPath = join(temporaryDirectory(), 'gate.sock');
  const { issuer, gate, access, login } = await openGate({ SOCKET_PATH: socketPath });
  const args = ['run', join(EXAMPLE, 'prices.go'), '127.0.0.1:0', socketPath];
  const line = await start('go', args, /^listening/, 120_000);
  const prices = { port: line.split(':').at(-1) ?? '' };
  expect(await ask(prices, '/prices', bearer(access))).toMatchObject({
    status: 200,
    body: { subject: expect.any(String) },
  });
  expect((await ask(prices, '/prices')).status).toBe(401);
  const { access: narrow } = await login('orders:read');
  const insufficient = await ask(prices, '/prices', bearer(narrow));
  expect([insufficient.status, insufficient.body.code]).toEqual([403, 'scope_insufficient']);

  await issuer.send('/logout', { method: 'POST', headers: issuer.asBearer(access) });
  const revoked = await waitFor('the refusal', async () => {
    const answer = await ask(prices, '/prices', bearer(access));
    return answer.status === 401 && answer;
  });
  expect(revoked.body.code).toBe('token_revoked');
  gate.kill('SIGKILL');
  await gate.exit;
  expect((await ask(prices, '/prices', bearer(narrow))).status).toBe(503);
});
