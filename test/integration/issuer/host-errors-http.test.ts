import { once } from 'node:events';
import type { SubjectRecord } from '@rescind/issuer';
import { silentTelemetry } from '@rescind/revocation';
import type { Service } from '@rescind/service';
import { openService } from '@rescind/service';
import { processSettings, readConfiguration } from '@rescind/service/configuration';
import { mountOperations, operation } from '@rescind/service/http';
import express from 'express';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { openLoginService } from '../../../examples/own-login/login-service.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { createIssuerSetting } from './issuer-setting.ts';

const SECRET = 'hunter2hunter2hunter2';
const good: SubjectRecord = { claims: { scope: 'a' }, credentialVersion: 1, active: true };
const BROKEN: readonly (readonly [kind: string, subject: () => unknown, message: string])[] = [
  ['throws', () => JSON.parse('no directory'), 'is not valid JSON'],
  ['returns a promise that rejects', () => Promise.reject(new Error('away')), 'away'],
  ['returns a promise of text', () => Promise.resolve('ada'), 'subject must return'],
  ['returns text', () => 'ada', 'subject must return'],
  ['returns a version that is text', () => ({ ...good, credentialVersion: '1' }), 'subject must return'],
];

const settings = z.object(processSettings({ public: 0, management: 0 }));

/** A service of a host: a login and a renewal over an issuer whose `subject` is given. */
async function openHost(subject: () => unknown) {
  const issuer = await createIssuerSetting().open({ subject: () => subject() as SubjectRecord });
  const app = express();
  const responses = { 200: { description: 'Tokens', schema: z.unknown() } };
  const more = { method: 'post', summary: 'Tokens', tag: 'tokens', responses, errors: [] } as const;
  const begin = { sub: 'ada', clientId: 'web', audience: 'prices', credentialVersion: 1 };
  mountOperations(app, [
    operation({
      id: 'login',
      path: '/login',
      ...more,
      handle: async (_, response) => void response.json(await issuer.transaction((tx) => tx.beginSession(begin))),
    }),
    operation({
      id: 'refresh',
      path: '/refresh/{token}',
      ...more,
      params: z.object({ token: z.string() }),
      async handle(_request, response, { params }) {
        response.json(await issuer.refresh({ refreshToken: params.token, clientId: 'web' }));
      },
    }),
  ]);
  const host: Service<z.output<typeof settings>> = {
    name: 'host',
    version: '1.0.0',
    configure: (environment) => readConfiguration(settings, environment),
    open: () => ({ app, ready: Promise.resolve(), health: () => issuer.health() }),
  };
  const lines: string[] = [];
  const environment = { PORT: '0', MANAGEMENT_PORT: '0' };
  const { url, close } = await openService(host, environment, { write: (line: string) => void lines.push(line) });
  onTestFinished(() => close());
  return {
    post: (path: string) => fetch(url + path, { method: 'POST' }),
    events: () => lines.map((line) => JSON.parse(line)),
  };
}

test.each(BROKEN)(
  'a subject that %s is 500 internal at a login and a renewal, and is logged',
  async (_, broken, message) => {
    let subject: () => unknown = () => good;
    const { post, events } = await openHost(() => subject());
    const tokens = (await (await post('/login')).json()) as { refresh_token: string };
    subject = broken;
    for (const path of ['/login', `/refresh/${tokens.refresh_token}`]) {
      const answer = await post(path);
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([500, null]);
      const text = await answer.text();
      expect(JSON.parse(text)).toMatchObject({ status: 500, code: 'internal' });
      expect(text).not.toContain(message);
    }
    const failed = events().filter(({ event }) => event === 'request_failed');
    expect(failed.map(({ level }) => level)).toEqual(['error', 'error']);
    for (const line of failed) expect(line.message).toContain(message);
    // The failed renewal did not use the token up.
    subject = () => good;
    expect((await post(`/refresh/${tokens.refresh_token}`)).status).toBe(200);
  },
);

test('the example answers 500 for a users table that it cannot read, and writes why', async () => {
  const directory = temporaryDirectory();
  const written: unknown[] = [];
  const service = await openLoginService({
    url: 'https://login.example',
    databasePath: `${directory}/login.sqlite`,
    keysPath: `${directory}/keys`,
    feedClients: {},
    telemetry: {
      ...silentTelemetry,
      log: (_level, event, fields) => void (event === 'request_failed' && written.push(fields?.error)),
    },
  });
  onTestFinished(() => service.close());
  await service.users.add('ada@example.com', SECRET);
  const server = service.app.listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const logIn = () =>
    fetch(`http://127.0.0.1:${port}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'ada@example.com', password: SECRET }),
    });
  expect((await logIn()).status).toBe(200);
  const { byId } = service.users;
  for (const [, broken, message] of BROKEN.filter(([kind]) => !kind.includes('rejects'))) {
    Object.assign(service.users, { byId: broken });
    const answer = await logIn();
    expect([answer.status, await answer.json()]).toMatchObject([500, { code: 'internal' }]);
    expect(String(written.at(-1))).toContain(message);
  }
  expect(String(written)).not.toContain(SECRET);
  Object.assign(service.users, { byId });
  expect((await logIn()).status).toBe(200);
  expect(written).toHaveLength(4);
});
