import { openTestKit } from '@rescind/guard/testing';
import { createTelemetry, issuerProbe } from '@rescind/issuer/http';
import { openTestIssuer } from '@rescind/issuer/testing';
import { standardErrorTelemetry } from '@rescind/revocation';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';

test('createTelemetry without parts keeps metrics in memory, which the probe exposes with the checks of the host', async () => {
  const telemetry = createTelemetry({ openTelemetry: undefined });
  const { issuer, close } = await openTestIssuer({ telemetry });
  onTestFinished(close);
  let state: 'pass' | 'fail' = 'pass';
  const probe = issuerProbe(issuer, { telemetry, checks: () => [{ name: 'kafka', status: state }] });
  await issuer.ready;

  expect(await probe('/livez')).toMatchObject({ status: 200 });
  expect(await probe('/readyz')).toMatchObject({ status: 200, body: expect.stringContaining('"kafka"') });
  expect(await probe('/metrics')).toMatchObject({
    body: expect.stringMatching(/rescind_health_check\{name="kafka",status="pass"\} 1\n/),
  });
  expect(probe('/login')).toBeUndefined();
  state = 'fail';
  expect(JSON.parse((await probe('/readyz'))?.body ?? '')).toMatchObject({ status: 'fail' });
});

test('a guard and an issuer of one process share a logger and a registry', async () => {
  const registry = new Registry();
  const lines: string[] = [];
  const parts = { logger: pino({ level: 'debug' }, { write: (line) => void lines.push(line) }), registry };
  const kit = openTestKit({ audience: 'prices', telemetry: parts });
  onTestFinished(() => kit.close());
  const telemetry = createTelemetry(parts);
  telemetry.log('info', 'started');
  const text = await registry.metrics();
  expect(text).toContain('rescind_decisions_total{result="accepted"} 0');
  expect(text).toContain('rescind_relay_lag_events 0');
  expect(await telemetry.metrics?.text()).toContain('rescind_decisions_total');
  expect(lines.map((line) => JSON.parse(line))).toContainEqual(expect.objectContaining({ event: 'started' }));
});

test('a telemetry of the host has metrics of its own: /metrics is no probe', async () => {
  const { issuer, close } = await openTestIssuer();
  onTestFinished(close);
  expect(issuerProbe(issuer, { telemetry: standardErrorTelemetry })('/metrics')).toBeUndefined();
  expect(issuerProbe(issuer)('/metrics')).toBeUndefined();
});

test.each([{ log: () => undefined }, { registry: {} }, 'pino'])('createTelemetry refuses %o', (wrong) => {
  expect(() => createTelemetry(wrong as never)).toThrow(/^telemetry must be a pino logger, a registry/);
});
