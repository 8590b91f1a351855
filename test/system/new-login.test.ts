import { request } from '@rescind/dev-fleet';
import { decodeJwt } from 'jose';
import { expect, it } from 'vitest';
import { fleetOf, untilAll } from '../support/fleet.ts';
import { freePort } from '../support/user-management.ts';
import { waitFor } from '../support/wait.ts';
import { webhookReceiver } from '../support/webhook-receiver.ts';

it('the owner is notified of a login from a new device despite failures, and "not me" ends every session', async () => {
  const receiver = await webhookReceiver(await freePort(), false);
  const fleet = await fleetOf({
    prices: 1,
    orders: 1,
    issuerEnvironment: { ...receiver.environment, WEBHOOK_ATTEMPTS: '100' },
  });
  const { issuer, instances, client } = fleet;
  const tell = (path: string, body: object) =>
    request(`${issuer.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const user = await client.register();
  const owner = await client.login(user, 'laptop');
  const thief = await client.login(user, 'a place where nobody was before');
  for (const { access_token: token } of [owner, thief]) await untilAll(instances, token, '200');

  // The receiver is down, and the issuer is killed: the notice was committed with the login.
  const notices = async () => (await issuer.health()).body.checks?.find(({ name }) => name === 'notices');
  await waitFor('an attempt has failed', async () => (await notices())?.lastError === 'not reached');
  await issuer.stop('SIGKILL');
  await issuer.start();
  await issuer.ready();
  expect(await notices()).toMatchObject({ waiting: 1, dead: 0 });
  await receiver.listen();
  const { data } = await receiver.notice('login.new_device');
  expect(data).toMatchObject({
    username: user.username,
    sid: decodeJwt(thief.access_token).sid,
    device_name: 'a place where nobody was before',
  });
  await waitFor('no notice waits', async () => (await notices())?.waiting === 0);

  expect((await tell('/not-me', { token: data.not_me })).status).toBe(204);
  for (const { access_token: token, refresh_token: refresh } of [owner, thief]) {
    await untilAll(instances, token, 'token_revoked');
    expect((await client.refresh(refresh)).status).toBe(400);
  }
  await expect(client.login(user, 'the thief again')).rejects.toThrow('403');
  const reset = await receiver.notice('account.password_reset');
  const password = 'a password that nobody else knows';
  expect((await tell('/password/reset', { resetToken: reset.data.reset_token, newPassword: password })).status).toBe(
    204,
  );
  await expect(client.login(user, 'the thief again')).rejects.toThrow('401');
  await untilAll(instances, (await client.login({ ...user, password }, 'laptop')).access_token, '200');

  // The log of revocations has no personal data of the login, and no log file has a secret.
  const lines = [issuer, ...instances].flatMap((process) => process.lines).join('\n');
  for (const secret of [data.not_me, reset.data.reset_token, receiver.secret, user.password, password, user.username]) {
    expect(lines).not.toContain(String(secret));
  }
});
