import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { fleetOf } from '../support/fleet.ts';

/** Wraps curl: it also writes the status of each response to standard error. */
const PRINTING_STATUS = `curl() { command curl -w '%{stderr}%{http_code}\\n' "$@"; }\n`;

it('every curl command of docs/http.md gets the status that the page states', async () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/http.md'), 'utf8');
  const [, block = ''] = /### Examples with curl.*?```sh\n(.*?)```/s.exec(page) ?? [];
  const { issuer, directory } = await fleetOf({
    prices: 1,
    orders: 0,
    issuerEnvironment: { PUBLISH_OPENAPI: 'true' },
  });
  const SECRET = readFileSync(join(directory, 'prices', 'feed-client-secret'), 'utf8');
  const shell = spawn('bash', ['-c', PRINTING_STATUS + block], {
    env: { PATH: process.env.PATH, URL: issuer.url, SECRET },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [printed] = await Promise.all([text(shell.stderr), once(shell, 'exit')]);
  const calls = block.split('\n').filter((line) => line.includes('curl -s'));
  const statuses = printed.trim().split('\n');
  expect(calls.map((call, index) => call.replace(/ # \d{3}$/, ` # ${statuses[index]}`))).toEqual(calls);
  expect(statuses).toHaveLength(calls.length);
});
