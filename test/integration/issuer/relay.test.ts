import type { Issuer } from '@rescind/issuer';
import type { Telemetry } from '@rescind/revocation';
import { silentTelemetry } from '@rescind/revocation';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { marksOf } from './backup.ts';
import { createIssuerSetting, decoderOf, loginAndLogout, payloadOf, Topic } from './issuer-setting.ts';

const DEADLINE = 20_000;

function seqsOf(topic: Topic): unknown[] {
  return topic.records.map((jws) => payloadOf(jws).seq).filter((seq) => seq !== undefined);
}

async function everythingIsThere(issuer: Issuer, topic: Topic): Promise<void> {
  const { head } = issuer.log.snapshot();
  await waitFor(`event ${head} in the topic`, () => seqsOf(topic).includes(head), DEADLINE);
}

describe('the relay', () => {
  test('publishes an event before the high-water mark is written, and the caller gets the response after it', async () => {
    const setting = createIssuerSetting();
    const topic = new Topic();
    const publisher = topic.publisher();
    const headOfMark = () => marksOf(setting).at(-1)?.head;
    const heads: unknown[] = [];
    const issuer = await setting.open({
      publisher: {
        ...publisher,
        publish(records) {
          if (records.some((jws) => payloadOf(jws).seq === 2)) heads.push(headOfMark());
          return publisher.publish(records);
        },
      },
    });
    await issuer.ready;
    await loginAndLogout(issuer);
    await waitFor('the first event is acknowledged', () => issuer.health().some(({ sentSeq }) => sentSeq === 1));
    await loginAndLogout(issuer);
    expect([heads, headOfMark()]).toEqual([[1], 2]);
  });

  test('publishes each event in order, and a heartbeat each second whose head has been sent before it', async () => {
    const topic = new Topic();
    const counted: string[] = [];
    const telemetry: Telemetry = {
      ...silentTelemetry,
      count: (metric: string, labels?: { readonly type?: string }, by = 1) => {
        if (metric === 'rescind_events_published_total')
          for (let n = 0; n < by; n += 1) counted.push(String(labels?.type));
      },
    };
    const issuer = await createIssuerSetting().open({ publisher: topic.publisher(), telemetry });
    for (let turn = 0; turn < 5; turn += 1) await loginAndLogout(issuer);
    const isBeat = (jws: string) => payloadOf(jws).seq === undefined;
    await waitFor('two heartbeats', () => topic.records.filter(isBeat).length >= 2, DEADLINE);
    expect(seqsOf(topic)).toEqual([1, 2, 3, 4, 5]);
    const decoder = decoderOf(issuer);
    let sent = 0;
    for (const jws of topic.records) {
      const record = decoder.decode(jws);
      if (record.kind === 'event') sent = record.seq;
      else if (record.kind === 'heartbeat') expect(record.head).toBeLessThanOrEqual(sent);
      else expect.unreachable(record.kind);
    }
    expect(counted.filter((type) => type === 'session-revoked')).toHaveLength(5);
    expect(counted.filter((type) => type === 'heartbeat').length).toBeGreaterThan(0);
  });

  test('neither a commit nor a publication fails when the tracer throws', async () => {
    const topic = new Topic();
    const lines: string[] = [];
    const counted = new Set<string>();
    const telemetry: Telemetry = {
      ...silentTelemetry,
      count: (metric) => void counted.add(metric),
      log: (_level, event) => void lines.push(event),
      step() {
        throw new Error('the exporter is broken');
      },
    };
    const issuer = await createIssuerSetting().open({ publisher: topic.publisher(), telemetry });
    for (let turn = 0; turn < 3; turn += 1) await loginAndLogout(issuer);
    await everythingIsThere(issuer, topic);
    await waitFor('the acknowledgement', () => issuer.health().some(({ lagEvents }) => lagEvents === 0), DEADLINE);
    const isBeat = (jws: string) => payloadOf(jws).seq === undefined;
    await waitFor('a heartbeat', () => topic.records.some(isBeat), DEADLINE);
    expect(seqsOf(topic)).toEqual([1, 2, 3]);
    expect(counted).not.toContain('rescind_publish_failures_total');
    expect(lines.filter((line) => line === 'trace_failed')).toHaveLength(1);
  });

  test('accepts logouts while the publisher is unreachable, and publishes them afterwards', async () => {
    const topic = new Topic();
    topic.isDown = true;
    const issuer = await createIssuerSetting().open({ publisher: topic.publisher() });
    for (let turn = 0; turn < 3; turn += 1) await loginAndLogout(issuer);
    const relay = await waitFor(
      'a failure',
      () => issuer.health().find(({ lastError }) => lastError === 'nobody answers'),
      DEADLINE,
    );
    expect(relay).toMatchObject({ name: 'relay', status: 'warn', lagEvents: 3 });
    topic.isDown = false;
    await everythingIsThere(issuer, topic);
    expect(seqsOf(topic)).toEqual([1, 2, 3]);
    await waitFor('health passes', () => issuer.health().every(({ status }) => status === 'pass'), DEADLINE);
  });

  test('continues after a restart at the last acknowledged event or a little before', async () => {
    const topic = new Topic();
    const setting = createIssuerSetting();
    const first = await setting.open({ publisher: topic.publisher() });
    await loginAndLogout(first);
    await everythingIsThere(first, topic);
    await first.close();
    const second = await setting.open({ publisher: topic.publisher() });
    await loginAndLogout(second);
    await everythingIsThere(second, topic);
    expect([...new Set(seqsOf(topic))]).toEqual([1, 2]);
  });

  test('publishes every event that still denies again to a topic that was lost', async () => {
    const topic = new Topic();
    const issuer = await createIssuerSetting().open({ publisher: topic.publisher() });
    for (let turn = 0; turn < 3; turn += 1) await loginAndLogout(issuer);
    await everythingIsThere(issuer, topic);
    topic.isDown = true;
    await waitFor('a failure', () => issuer.health().some(({ lastError }) => lastError === 'nobody answers'), DEADLINE);
    topic.records = [];
    topic.isDown = false;
    await everythingIsThere(issuer, topic);
    expect(seqsOf(topic)).toEqual([1, 2, 3]);
  });

  test('keeps the log without a publisher', async () => {
    const issuer = await createIssuerSetting().open();
    await loginAndLogout(issuer);
    expect(issuer.log.read(0, 10)).toHaveLength(1);
    expect(issuer.health().map(({ name }) => name)).not.toContain('relay');
  });
});
