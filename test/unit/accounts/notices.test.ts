import { randomBytes } from 'node:crypto';
import { retryDelay, webhookHeaders } from '@rescind/accounts';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';

describe('notices', () => {
  const secret = randomBytes(32);
  const body = JSON.stringify({ type: 'login.new_device', data: { device_name: 'Ada’s ☎' } });

  test('are verified by Standard Webhooks’ own library, and nothing else is', () => {
    const receiver = new Webhook(`whsec_${secret.toString('base64')}`);
    const headers = webhookHeaders(secret, 'msg_1', body, Date.now());
    expect(receiver.verify(body, headers)).toMatchObject({ type: 'login.new_device' });
    expect(() => receiver.verify(`${body} `, headers)).toThrow();
    expect(() => receiver.verify(body, { ...headers, 'webhook-id': 'msg_2' })).toThrow();
    expect(() => receiver.verify(body, webhookHeaders(randomBytes(32), 'msg_1', body, Date.now()))).toThrow();
    expect(() => receiver.verify(body, webhookHeaders(secret, 'msg_1', body, Date.now() - 3_600_000))).toThrow();
  });

  test('are tried again after waits that double, with jitter, up to six hours', () => {
    const waits = (random: number) => [1, 2, 3, 12, 40].map((attempts) => retryDelay(attempts, 5_000, () => random));
    expect(waits(0)).toEqual([2_500, 5_000, 10_000, 5_120_000, 10_800_000]);
    expect(waits(1)).toEqual([5_000, 10_000, 20_000, 10_240_000, 21_600_000]);
  });
});
