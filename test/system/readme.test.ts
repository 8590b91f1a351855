import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bearer, codeOf, request } from '@rescind/dev-fleet';
import { expect, it, onTestFinished } from 'vitest';
import { temporaryDirectory } from '../support/directory.ts';
import { fleetOf } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

const ROOT = join(import.meta.dirname, '../..');

/** The block as a user would paste it, with the address of the fleet, on any free port. */
function tenLines(issuer: string, clientSecret: string): string {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const [, block] = /## Ten lines to guard a service\s+```ts\n(.*?)```/s.exec(readme) ?? [];
  if (block === undefined) throw new Error('README.md has no such block');
  const adapted = block.replace("'http://localhost:3000'", JSON.stringify(issuer));
  if (adapted === block) throw new Error('the block names no issuer to replace');
  return [
    `process.env.FEED_CLIENT_SECRET = ${JSON.stringify(clientSecret)};`,
    adapted.replace('app.listen(8000);', ''),
    "const server = app.listen(0, '127.0.0.1', () => console.log(JSON.stringify(server.address())));",
  ].join('\n');
}

it('the ten lines of the README guard a service', async () => {
  const { client, issuer, directory } = await fleetOf({ prices: 0, orders: 0 });
  const here = temporaryDirectory();
  symlinkSync(join(ROOT, 'node_modules'), join(here, 'node_modules'));
  writeFileSync(join(here, 'package.json'), '{"type":"module"}');
  const secret = readFileSync(join(directory, 'prices', 'feed-client-secret'), 'utf8');
  writeFileSync(join(here, 'service.ts'), tenLines(issuer.url, secret));

  const child = spawn(process.execPath, ['service.ts'], { cwd: here, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const url = `http://127.0.0.1:${JSON.parse(line).port}`;
  const responseTo = (path: string, token?: string) => request(url + path, token === undefined ? {} : bearer(token));

  expect((await responseTo('/livez')).status).toBe(200);
  expect((await responseTo('/prices')).status).toBe(401);
  const tokens = await client.login(await client.register(), 'laptop');
  await waitFor(
    'the service has caught up',
    async () => (await responseTo('/prices', tokens.access_token)).status === 200,
  );
  expect((await responseTo('/readyz')).status).toBe(200);
  const premium = await responseTo('/prices/premium', tokens.access_token);
  expect([premium.status, codeOf(premium)]).toEqual([403, 'scope_insufficient']);
  await client.logout(tokens.access_token);
  await waitFor('the token is refused', async () => {
    const response = await responseTo('/prices', tokens.access_token);
    return response.status === 401 && codeOf(response) === 'token_revoked';
  });
});
