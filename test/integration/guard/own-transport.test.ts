import { createGuard } from '@rescind/guard';
import { createTelemetry } from '@rescind/service';
import { expect, it, onTestFinished } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { lineTransport, serveLines } from '../feed/line-transport.ts';
import { AUDIENCE, openTestIssuer } from './issuer.ts';
import { freshPath } from './setting.ts';

const SECRET = 'a-secret-of-the-line';

/** The metrics are those of a real process. */
function createRealTelemetry() {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  return { ...createTelemetry({ service: 'test', metrics: ['guard'], destination }), lines };
}

async function openOver(fallback: boolean) {
  const issuer = await openTestIssuer();
  const server = await serveLines(issuer.source(), SECRET);
  const { telemetry, metrics, lines } = createRealTelemetry();
  const lineFeed = lineTransport({ port: server.port, secret: SECRET });
  const feed = fallback ? { primary: lineFeed, fallback: issuer.transport() } : { primary: lineFeed };
  const options = { issuer: issuer.url, audience: AUDIENCE, denylistPath: freshPath(), telemetry };
  const guard = createGuard({ ...options, feed });
  onTestFinished(() => guard.close());
  const series = async () => (await metrics.text()).split('\n').filter((line) => line.startsWith('rescind_'));
  return { issuer, server, guard, series, lines };
}

const check = ({ guard }: Awaited<ReturnType<typeof openOver>>, name: string) =>
  guard.health().find((one) => one.name === name);

it('a guard works over a transport with a name of its own', async () => {
  const opened = await openOver(false);
  const { issuer, guard, server, series, lines } = opened;
  // The series of this transport are exposed from the start, and none of other transports.
  expect(await series()).toContain('rescind_feed_restarts_total{transport="lines",reason="stalled"} 0');
  expect((await series()).filter((line) => /="kafka"/.test(line))).toEqual([]);
  await guard.ready(AbortSignal.timeout(20_000));
  const token = issuer.token({ sid: 'gone' });
  expect(guard.decide(token).accepted).toBe(true);

  issuer.revoke({ claim: 'sid', value: 'gone' });
  await waitFor('the revocation', () => !guard.decide(token).accepted);
  expect(guard.decide(token)).toMatchObject({ error: { code: 'token_revoked' } });
  expect(guard.view()).toMatchObject({ complete: true, transport: 'lines', seq: 1 });
  expect(check(opened, 'feed')).toMatchObject({ status: 'pass', transport: 'lines' });
  expect(check(opened, 'transport_lines')).toMatchObject({
    status: 'pass',
    state: 'connected',
    address: `127.0.0.1:${server.port}`,
  });
  expect(await series()).toContain('rescind_transport_connected{transport="lines"} 1');

  await server.interrupt();
  issuer.revoke({ claim: 'sid', value: 'other' });
  await waitFor('the missed event is applied', () => guard.view().seq === 2 && guard.view().complete);
  expect(check(opened, 'transport_lines')).toMatchObject({ status: 'pass', lastError: 'ended' });
  expect(await series()).toContain('rescind_metric_errors_total 0');
  expect(JSON.stringify([guard.health(), lines])).not.toContain(SECRET);
});

it('and reads the fallback while that transport is down', async () => {
  const opened = await openOver(true);
  const { issuer, guard, server } = opened;
  await guard.ready(AbortSignal.timeout(20_000));
  await waitFor('the standby stream', () => check(opened, 'transport_http')?.state === 'standby');
  server.close();
  await server.interrupt();
  await waitFor(
    'a complete view by the fallback transport',
    () => guard.view().transport === 'http' && guard.view().complete,
    20_000,
  );
  issuer.revoke({ claim: 'sid', value: 'gone' });
  await waitFor('the revocation', () => !guard.decide(issuer.token({ sid: 'gone' })).accepted);
  expect(check(opened, 'transport_lines')).toMatchObject({ status: 'warn', state: 'disconnected' });
});
