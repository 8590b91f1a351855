import { describe, expect, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';
import { createAuthenticator } from '../../support/authenticator.ts';
import { USER } from '../../support/user-management.ts';
import { webhookReceiver } from '../../support/webhook-receiver.ts';

const AT_ONCE = 16;
const times = <T>(count: number, work: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_none, index) => work(index)));

async function started() {
  const receiver = await webhookReceiver(0);
  const service = await openAdministered({
    ...receiver.environment,
    LOGINS_PER_MINUTE: '10000',
    LOGIN_FAILURES: '1000',
  });
  const sub = await service.subOf();
  /** The tokens of these responses that are still accepted. */
  const alive = async (answers: readonly { body: Record<string, unknown> }[]) => {
    const tokens = answers.flatMap(({ body }) => (body.access_token === undefined ? [] : [body]));
    const verdicts = await Promise.all(
      tokens.map(async ({ access_token, refresh_token }) => [
        await service.accepts(String(access_token)),
        (await service.refresh(String(refresh_token))).status,
      ]),
    );
    return verdicts.filter(([access, refresh]) => access !== 401 || refresh !== 400);
  };
  return { ...service, receiver, sub, alive };
}

describe('at the same moment', () => {
  test.each([
    ['suspend', 'suspended'],
    ['delete', undefined],
    ['reset-password', 'password_reset'],
  ])('%s: no token of a concurrent login or refresh is accepted afterwards', async (act, reason) => {
    const service = await started();
    const before = await times(5, () => service.login());
    const [acted, ...answers] = await Promise.all([
      service.ada.post(`/admin/users/${service.sub}/${act}`, { why: 'a race' }),
      ...Array.from({ length: AT_ONCE }, () => service.post('/login', USER)),
      ...before.map(({ refresh }) => service.refresh(refresh)),
    ]);
    expect(acted?.status).toBe(200);
    expect(await service.alive([...answers, ...before.map(({ answer }) => ({ body: answer }))])).toEqual([]);
    for (const { status, body } of answers) expect([200, 400, 401, 403], JSON.stringify(body)).toContain(status);
    const after = await service.post('/login', USER);
    expect([after.status, after.body.reason]).toEqual([reason === undefined ? 401 : 403, reason]);
  });

  test('accepts one "not me" and one use of a reset', async () => {
    const service = await started();
    await service.login({ deviceId: 'a-laptop-of-ada-0001' });
    const { answer } = await service.login({ deviceId: 'a-laptop-of-eve-0001' });
    const { data } = await service.receiver.notice('login.new_device');
    const said = await times(AT_ONCE, () => service.post('/not-me', { token: data.not_me }));
    expect(
      said
        .map(({ status }) => status)
        .sort()
        .slice(0, 2),
    ).toEqual([204, 400]);
    expect(await service.alive([{ body: answer }])).toEqual([]);
    const { data: reset } = await service.receiver.notice('account.password_reset');
    const set = await times(6, (index) =>
      service.post('/password/reset', { resetToken: reset.reset_token, newPassword: `password of mine ${index}` }),
    );
    expect(set.filter(({ status }) => status === 204)).toHaveLength(1);
    const winner = set.findIndex(({ status }) => status === 204);
    expect((await service.post('/login', { ...USER, password: `password of mine ${winner}` })).status).toBe(200);
  });

  test('confirms a second factor once, and accepts a recovery code once', async () => {
    const service = await started();
    const { access } = await service.login();
    const { body } = await service.post('/totp', { password: USER.password }, service.asBearer(access));
    const totp = createAuthenticator(String(body.uri)).code();
    const proof = { password: USER.password, totp };
    const confirmed = await times(8, () => service.post('/totp/confirm', proof, service.asBearer(access)));
    const right = confirmed.filter(({ status }) => status === 200);
    expect(right).toHaveLength(1);
    const [recoveryCode] = (right[0]?.body.recoveryCodes ?? []) as string[];
    const logins = await times(AT_ONCE, () => service.post('/login', { ...USER, recoveryCode }));
    expect(logins.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test('loses no change of claims', async () => {
    const service = await started();
    const { refresh } = await service.login();
    const set = (claims: object) => service.ada.patch(`/admin/users/${service.sub}/claims`, { claims, why: 'a race' });
    const answers = await times(12, (index) => set({ [`c${index}`]: index }));
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200));
    const account = (await service.ada.get(`/admin/users/${service.sub}`)).body as { claims: object };
    expect(Object.keys(account.claims)).toHaveLength(12);
    expect((await service.refresh(refresh)).status).toBe(200);
  });
});
