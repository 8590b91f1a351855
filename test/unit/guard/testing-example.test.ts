import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Guard } from '@rescind/guard';
import { errorHandler, guard } from '@rescind/guard/express';
import { openTestKit } from '@rescind/guard/testing';
import express from 'express';
import { expect, test } from 'vitest';

/** The service under test takes its guard as a parameter. */
function createApp(opened: Guard) {
  const app = express();
  app.get('/prices', guard(opened, { scopes: ['prices:read'] }), (request, response) => {
    response.json({ for: request.auth?.payload.sub });
  });
  return app.use(errorHandler());
}

test('refuses the token of a session that has logged out', async () => {
  await using kit = openTestKit({ audience: 'prices' });
  const server = createApp(kit.guard).listen(0);
  await once(server, 'listening');
  const ask = async (token: string) => {
    const { port } = server.address() as AddressInfo;
    const answer = await fetch(`http://localhost:${port}/prices`, { headers: { authorization: `Bearer ${token}` } });
    return { status: answer.status, body: await answer.json() };
  };

  const token = kit.token({ sub: 'ada', sid: 'laptop', scope: 'prices:read' });
  expect(await ask(token)).toEqual({ status: 200, body: { for: 'ada' } });

  kit.revoke({ claim: 'sid', value: 'laptop' });
  expect(await ask(token)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
  expect(await ask(kit.token({ scope: 'other' }))).toMatchObject({ status: 403 });

  kit.makeStale();
  const another = kit.token({ sid: 'phone', scope: 'prices:read' });
  expect(await ask(another)).toMatchObject({ status: 503, body: { code: 'view_stale' } });
  server.close();
});
