import { setTimeout as delay } from 'node:timers/promises';
import type { Publisher } from '@rescind/feed';
import type { Issuer } from '@rescind/issuer';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { createIssuerSetting, loginAndLogout, Topic } from './issuer-setting.ts';

/** A publisher whose acknowledgements take a given time. */
function slowPublisher(topic: Topic, ackMs: { now: number }): Publisher {
  const publisher = topic.publisher();
  return {
    ...publisher,
    async publish(batch) {
      await delay(ackMs.now);
      await publisher.publish(batch);
    },
  };
}

const relayOf = (issuer: Issuer) => issuer.health().find(({ name }) => name === 'relay');

describe('the issuer', () => {
  test('delivers while nothing is acknowledged, reports that in its health, and stops 10 s later', async () => {
    const topic = new Topic();
    const ackMs = { now: 1 };
    const issuer = await createIssuerSetting().open({ publisher: slowPublisher(topic, ackMs) });
    await loginAndLogout(issuer);
    await waitFor('the event is acknowledged', () => relayOf(issuer)?.sentSeq === 1, 20_000);
    ackMs.now = 2_500;
    await loginAndLogout(issuer);
    await waitFor('the delivery over standby streams begins', () => relayOf(issuer)?.standbyDelivery === true, 20_000);
    expect(relayOf(issuer)?.status).toBe('warn');
    expect(issuer.log.acknowledgements?.overdue()).toMatchObject({ after: 0 });
    ackMs.now = 1;
    await waitFor('the delivery over standby streams ends', () => relayOf(issuer)?.standbyDelivery === false, 40_000);
    expect(relayOf(issuer)?.status).toBe('pass');
  });
});
