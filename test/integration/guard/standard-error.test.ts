import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@rescind/revocation';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { startProcess } from '../../support/process.ts';
import { waitFor } from '../../support/wait.ts';
import type { TestIssuer } from './issuer.ts';
import { openTestIssuer } from './issuer.ts';
import { ask, freshPath } from './setting.ts';

const FILE = fileURLToPath(new URL('./ten-lines.ts', import.meta.url));
const DEADLINE_MS = 30_000;
/** A line that is fields, and no sentence. */
const FIELDS_ALONE = /^rescind: warning: \w+=/m;

function start(issuer: TestIssuer, wrong: Record<string, unknown> = {}) {
  const right = {
    issuer: issuer.url,
    audience: 'prices',
    clientSecret: 'a-secret-of-the-reader',
    denylistPath: freshPath(),
  };
  return startProcess(FILE, {}, [JSON.stringify({ ...right, ...wrong })]);
}

async function url(service: ReturnType<typeof startProcess>): Promise<string> {
  return String((await service.line('listening')).url);
}

const lineWith = (service: ReturnType<typeof startProcess>, ...parts: string[]) =>
  waitFor(
    `a line with ${parts.join(', ')} in ${service.output()}`,
    () =>
      service
        .output()
        .split('\n')
        .find((line) => line.startsWith('rescind: ') && parts.every((part) => line.includes(part))),
    DEADLINE_MS,
  );

describe('the service of ten-lines.ts writes to standard error', () => {
  test('nothing when all is right', async () => {
    const issuer = await openTestIssuer();
    const service = start(issuer);
    const address = await url(service);
    await waitFor(
      'the service is ready',
      async () => (await ask(`${address}/prices`, issuer.token())).status === 200,
      DEADLINE_MS,
    );
    expect(service.output()).not.toContain('rescind:');
  });

  test('a wrong secret, once, and never the secret', async () => {
    const service = start(await openTestIssuer(), { clientSecret: 'mistyped-secret' });
    await lineWith(service, 'clientId (prices)', 'clientSecret', '401');
    await lineWith(service, '[view_not_ready]');
    expect(service.output().match(/\[feed_connection_lost\]/g)).toHaveLength(1);
    expect(service.output()).not.toContain('mistyped-secret');
  });

  test('a port without a listener', async () => {
    const service = start(await openTestIssuer(), { issuer: 'http://127.0.0.1:9' });
    await lineWith(service, 'http://127.0.0.1:9', 'cannot be fetched', 'check issuer');
    await lineWith(service, 'http://127.0.0.1:9/revocations', 'cannot be reached');
    await lineWith(service, 'no longer read by http (unreachable)', '[feed_lost]');
    await lineWith(service, '[metadata_unreachable]');
    expect(service.output()).not.toMatch(FIELDS_ALONE);
  });

  test('another name of the issuer, with both values', async () => {
    const issuer = await openTestIssuer();
    issuer.metadata = { jwks_uri: `${issuer.url}/.well-known/jwks.json` };
    const other = issuer.url.replace('127.0.0.1', 'localhost');
    const service = start(issuer, { issuer: other });
    await lineWith(service, issuer.url, other);
    await lineWith(service, `configured as ${other}`, '[feed_log_differs]');
    expect(service.output()).not.toMatch(FIELDS_ALONE);
  });

  test('another name of the issuer without metadata, at its first token', async () => {
    const issuer = await openTestIssuer();
    const other = issuer.url.replace('127.0.0.1', 'localhost');
    const service = start(issuer, { issuer: other });
    const address = await url(service);
    const found = async () => {
      await ask(`${address}/prices`, issuer.token());
      return service.output().includes('[token_issuer_differs]');
    };
    await waitFor('the difference is logged', found, DEADLINE_MS);
    await lineWith(service, `"${issuer.url}"`, `"${other}"`);
  });

  test('another audience, with both values', async () => {
    const issuer = await openTestIssuer();
    const service = start(issuer, { audience: 'orders' });
    const address = await url(service);
    const found = async () => {
      await ask(`${address}/prices`, issuer.token());
      return service.output().includes('[token_audience_differs]');
    };
    await waitFor('the difference is logged', found, DEADLINE_MS);
    await lineWith(service, '"prices"', '"orders"');
  });

  test.each([
    ['behind', 3_600_000],
    ['ahead of', -3_600_000],
  ])('a clock that is an hour %s that of the issuer', async (word, byMs) => {
    const clock = { ...systemClock, now: () => systemClock.now() + byMs };
    await lineWith(start(await openTestIssuer(clock)), '3600 s', word, '[clock_differs]');
  });

  test('a denylist that cannot be created, with option, path and code', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'file'), '');
    const denylistPath = join(directory, 'file', 'denylist.db');
    const service = start(await openTestIssuer(), { denylistPath });
    expect(await service.exit).toBe(1);
    expect(service.output()).toMatch(new RegExp(`denylistPath ${denylistPath}: (ENOTDIR|EEXIST)`));
  });
});
