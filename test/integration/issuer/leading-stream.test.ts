import { createRevocationsHandler } from '@rescind/feed';
import type { Issuer } from '@rescind/issuer';
import { createManualClock, silentTelemetry } from '@rescind/revocation';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openServer } from '../feed/server.ts';
import { createIssuerSetting, fileOf, login, payloadOf } from './issuer-setting.ts';

const START = Date.parse('2026-06-01T12:00:00Z');

/** An issuer whose wall clock was a minute ahead, and has been corrected. */
async function leading(): Promise<Issuer> {
  const setting = createIssuerSetting();
  const ahead = await setting.open({ clock: createManualClock(START + 60_000) });
  await login(ahead);
  await ahead.close();
  return setting.open({ clock: createManualClock(START) });
}

async function serve(issuer: Issuer, authenticate: () => string | undefined): Promise<string> {
  const handler = createRevocationsHandler({ source: issuer.log, authenticate, telemetry: silentTelemetry });
  onTestFinished(() => handler.close());
  const { url } = await openServer(handler.handle);
  return `${url}/revocations`;
}

/** The records of a stream, until there are so many. */
async function read(response: Response, count: number): Promise<{ kind: string; claims: Record<string, unknown> }[]> {
  const records: { kind: string; claims: Record<string, unknown> }[] = [];
  let text = '';
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece;
    const parts = text.split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) {
      const [, kind = '', jws = ''] = /event: (\w+)\ndata: (\S+)/.exec(part) ?? [];
      records.push({ kind, claims: payloadOf(jws) });
    }
    if (records.length >= count) break;
  }
  return records;
}

describe('while the clock of the issuer leads, a stream', () => {
  test('opens by a heartbeat whose time is durable, and each later one names a head that has been sent', async () => {
    const issuer = await leading();
    const response = await fetch(await serve(issuer, () => 'prices'));
    await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
    const records = await read(response, 4);
    const floor = Number(fileOf(issuer).prepare('SELECT clock_floor FROM rescind_meta').pluck().get());
    let sent = 0;
    expect(records[0]?.kind).toBe('heartbeat');
    for (const { kind, claims } of records.slice(1)) {
      if (kind === 'heartbeat') expect(claims.head).toBeLessThanOrEqual(sent);
      else sent = Number(claims.seq);
    }
    expect(sent).toBe(1);
    for (const { kind, claims } of records) if (kind === 'heartbeat') expect(claims.iat_ms).toBeLessThanOrEqual(floor);
  });

  test('is refused to a reader whose secret is gone by the time that its first heartbeat is durable', async () => {
    const issuer = await leading();
    let asked = 0;
    const url = await serve(issuer, () => {
      asked += 1;
      return asked === 1 ? 'prices' : undefined;
    });
    const { status } = await fetch(url);
    expect([status, asked]).toEqual([401, 2]);
  });
});
