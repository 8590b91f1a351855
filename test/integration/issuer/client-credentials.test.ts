import { createIssuerHandler } from '@rescind/issuer/http';
import { openTestIssuer } from '@rescind/issuer/testing';
import { silentTelemetry } from '@rescind/revocation';
import { basicAuthorization } from '@rescind/revocation/http';
import { expect, onTestFinished, test } from 'vitest';

const POLICY = { clientCredentials: true, accessTokenTtlMs: 60_000 };
const ROBOT = { clientId: 'robot', name: 'Robot', authMethod: 'client_secret_basic', policy: POLICY } as const;
const WEB = { clientId: 'web', name: 'Web', authMethod: 'none' } as const;

/** An issuer with a confidential client `robot`, without subjects: its tokens must not depend on one. */
async function open() {
  const kit = await openTestIssuer({ subject: () => undefined, clients: [WEB] });
  onTestFinished(() => kit.close());
  const { issuer } = kit;
  const secret = await issuer.transaction(async (tx) => {
    await tx.clients.put({ ...ROBOT, scope: 'orders:read orders:write', audience: ['orders', 'prices'] });
    return tx.clients.addSecret('robot');
  });
  const { handle } = createIssuerHandler(issuer, { telemetry: silentTelemetry });
  const post = async (body: Readonly<Record<string, string>>, authorization?: string) => {
    const answer = await handle(
      new Request('https://issuer.test/oauth2/token', {
        method: 'POST',
        headers: authorization === undefined ? {} : { authorization },
        body: new URLSearchParams(body),
      }),
    );
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const ask = (more: Readonly<Record<string, string>> = {}, password = secret) =>
    post({ grant_type: 'client_credentials', ...more }, basicAuthorization('robot', password));
  return { ...kit, post, ask };
}

test('issues a token of the client itself, without refresh token and time of a login', async () => {
  const { issuer, ask } = await open();
  const { status, body } = await ask();
  expect([status, body.token_type, body.expires_in, body.scope]).toEqual([
    ...[200, 'Bearer', 60, 'orders:read orders:write'],
  ]);
  expect(body).not.toHaveProperty('refresh_token');
  const { payload } = await issuer.verify(String(body.access_token), { audience: 'prices' });
  expect(payload).toMatchObject({ sub: 'robot', client_id: 'robot', aud: ['orders', 'prices'] });
  expect(payload).not.toHaveProperty('auth_time');
  expect(payload).not.toHaveProperty('amr');
});

test('narrows scope and audience, and never exceeds those of the client', async () => {
  const { issuer, ask } = await open();
  const narrowed = await ask({ scope: 'orders:read', resource: 'orders' });
  expect((await issuer.verify(String(narrowed.body.access_token))).payload).toMatchObject({
    scope: 'orders:read',
    aud: 'orders',
  });
  expect((await ask({ scope: 'admin:users' })).body.error).toBe('invalid_scope');
  expect((await ask({ resource: 'payments' })).body.error).toBe('invalid_target');
});

test('refuses wrong credentials, clients without the policy, and disabled ones', async () => {
  const { issuer, post, ask } = await open();
  const wrong = await ask({}, 'wrong');
  expect([wrong.status, wrong.body.error]).toEqual([401, 'invalid_client']);
  const page = await post({ grant_type: 'client_credentials', client_id: 'web' });
  expect([page.status, page.body.error]).toEqual([400, 'unauthorized_client']);
  await issuer.transaction(async (tx) => {
    const robot = await tx.clients.find('robot');
    if (robot !== undefined) await tx.clients.put({ ...robot, disabled: true });
  });
  expect((await ask()).body.error).toBe('invalid_client');
});

test('revokes by the client, by the session, and by the token alone', async () => {
  const { issuer, ask } = await open();
  const revoked = (token: unknown) =>
    expect(issuer.verify(String(token))).rejects.toMatchObject({ code: 'token_revoked' });
  const first = (await ask()).body;
  await issuer.transaction((tx) => tx.revokeToken({ token: String(first.access_token), clientId: 'robot' }));
  await revoked(first.access_token);
  const second = (await ask()).body;
  await issuer.transaction((tx) => tx.endSession({ sid: String(second.sid), reason: 'ended' }));
  await revoked(second.access_token);
  const third = (await ask()).body;
  await issuer.transaction((tx) => tx.revoke({ claim: 'client_id', value: 'robot', reason: 'stolen' }));
  await revoked(third.access_token);
  const { access_token: token } = (await ask()).body;
  expect((await issuer.verify(String(token))).payload.sub).toBe('robot');
});

test('ends the session with the token, and lets no token renew it', async () => {
  const { issuer, clock, ask } = await open();
  const { access_token: token, sid } = (await ask()).body;
  await expect(issuer.renew({ accessToken: String(token), clientId: 'robot' })).rejects.toMatchObject({
    code: expect.stringMatching(/^grant_/),
  });
  expect(await issuer.sessions.isOpen(String(sid))).toBe(true);
  clock.advance(60_001);
  expect(await issuer.sessions.isOpen(String(sid))).toBe(false);
});

test('refuses to register the grant for a client without authentication or audience', async () => {
  const { issuer } = await open();
  const put = (client: object) =>
    issuer.transaction((tx) => tx.clients.put({ ...ROBOT, audience: ['orders'], ...client } as never));
  await expect(put({ authMethod: 'none' })).rejects.toThrow('policy.clientCredentials must be false');
  await expect(put({ audience: undefined })).rejects.toThrow('policy.clientCredentials must be false');
});
