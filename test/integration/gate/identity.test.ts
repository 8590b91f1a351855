import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createApp } from '@rescind/gate';
import type { Claims } from '@rescind/guard';
import { openTestKit } from '@rescind/guard/testing';
import { silentTelemetry } from '@rescind/revocation';
import { expect, it, onTestFinished } from 'vitest';
import { ask, bearer } from './setting.ts';

async function identityOf(claims: Claims, headers = ['Rescind-Subject=sub', 'Rescind-Scope=scope', 'X-Roles=roles']) {
  const kit = openTestKit();
  const configuration = { IDENTITY_HEADERS: headers, REQUIRED_SCOPES: undefined };
  const server = createApp({ guard: kit.guard, configuration, telemetry: silentTelemetry }).listen(0, '127.0.0.1');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await kit.close();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const answer = await ask({ port: String(port) }, '/auth', bearer(kit.token(claims)));
  expect(answer.status).toBe(200);
  return answer.headers;
}

it.each([
  ['auth0|12', 'auth0|12'],
  [' admin ', '%20admin%20'],
  ['100%', '100%25'],
  ['%20admin', '%2520admin'],
  ['Zoë', 'Zo%C3%AB'],
  ['a\r\nX-Admin: 1', 'a%0D%0AX-Admin:%201'],
  ['\u0000', '%00'],
])('writes the subject %j as %j', async (sub, header) => {
  expect((await identityOf({ sub }))['rescind-subject']).toBe(header);
  expect(decodeURIComponent(header)).toBe(sub);
});

it('writes scopes and lists with spaces between their values', async () => {
  const headers = await identityOf({ scope: 'a  b ', roles: ['x y', 'z', 7, true, { no: 1 }, null] });
  expect(headers).toMatchObject({ 'rescind-scope': 'a b', 'x-roles': 'x%20y z 7 true' });
});

it('writes an empty header for a claim that is absent, or an object', async () => {
  expect(await identityOf({ scope: undefined, roles: { admin: true } })).toMatchObject({
    'rescind-scope': '',
    'x-roles': '',
  });
  expect(await identityOf({}, ['X-Own=constructor'])).toMatchObject({ 'x-own': '' });
});

it('refuses two headers of one name', async () => {
  await expect(identityOf({}, ['X-User=sub', 'x-user=sid'])).rejects.toMatchObject({ code: 'configuration_invalid' });
  await expect(identityOf({}, ['X-A-B=sub', 'X-A-B=sid'])).rejects.toMatchObject({ code: 'configuration_invalid' });
});
