import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { bearer, codeOf, createFleetClient, request } from '@rescind/dev-fleet';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '../support/wait.ts';

const PROJECT = `rescind-test-${randomBytes(3).toString('hex')}`;
const ISSUER = 'http://127.0.0.1:3000';
const PROTECTED = [
  'http://127.0.0.1:3010/prices',
  'http://127.0.0.1:3012/prices',
  'http://127.0.0.1:3020/orders',
  'http://127.0.0.1:3022/orders',
];

function compose(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('docker', ['compose', '-p', PROJECT, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`docker compose ${args.join(' ')} ended with ${status}:\n${stderr.slice(-4_000)}`);
  return stdout;
}

beforeAll(() => {
  try {
    compose('up', '--build', '--wait', '--wait-timeout', '240');
  } catch (error) {
    console.error(compose('logs', '--tail', '30'));
    throw error;
  }
});
afterAll(() => {
  compose('down', '--volumes', '--timeout', '5');
});

it('ends with everything healthy', () => {
  const services = compose('ps', '--all', '--format', 'json')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { Service: string; State: string; Health: string; ExitCode: number });
  const state = Object.fromEntries(services.map(({ Service, State, Health }) => [Service, Health || State]));
  expect(state).toEqual({
    kafka: 'healthy',
    'user-management': 'healthy',
    'prices-1': 'healthy',
    'prices-2': 'healthy',
    'orders-1': 'healthy',
    'orders-2': 'healthy',
    web: 'healthy',
    console: 'healthy',
    'game-1': 'healthy',
    'game-2': 'healthy',
    secrets: 'exited',
  });
});

it('the command of operators runs in the container of user-management', () => {
  expect(compose('exec', '-T', 'user-management', 'rescind', 'status')).toMatch(/user-management/);
});

it('a logout reaches every container, and a restart of all of them makes no revoked token valid', async () => {
  const client = createFleetClient(ISSUER);
  const user = await client.register();
  const [laptop, phone] = [await client.login(user, 'laptop'), await client.login(user, 'phone')];
  const ask = (token: string) =>
    Promise.all(
      PROTECTED.map(async (url) => {
        const answer = await request(url, bearer(token));
        return answer.status === 200 ? '200' : codeOf(answer);
      }),
    );
  expect(await ask(laptop.access_token)).toEqual(['200', '200', '200', '200']);
  expect((await client.logout(laptop.access_token)).status).toBe(204);
  const refused = (verdicts: unknown[]) => verdicts.every((verdict) => verdict === 'token_revoked');
  await waitFor('every container refuses', async () => refused(await ask(laptop.access_token)), 20_000);

  compose('restart', 'user-management', 'prices-1', 'prices-2', 'orders-1', 'orders-2', 'kafka');
  compose('up', '--wait', '--wait-timeout', '240');
  // The first request may use a kept-alive connection to a container that was replaced.
  const first = await waitFor('every service answers', () => ask(laptop.access_token));
  expect(first).toEqual(Array(4).fill('token_revoked'));
  expect(await ask(phone.access_token)).toEqual(['200', '200', '200', '200']);
});

it.each(['user-management', 'prices-1', 'orders-2'])(
  '%s runs as an unprivileged user, on a read-only file system, with no secret in its image',
  (service) => {
    expect(compose('exec', '-T', service, 'id', '-un').trim()).toBe('node');
    expect(() => compose('exec', '-T', service, 'touch', '/app/x')).toThrow(/Read-only/);
    const found = compose(
      'exec',
      '-T',
      service,
      'sh',
      '-c',
      'find /app -not -path "*/node_modules/*" \\( -name "*.pem" -o -name feed-clients.json -o -name feed-client-secret \\) | wc -l',
    );
    expect(found.trim()).toBe('0');
    const environment = compose('exec', '-T', service, 'env');
    expect(environment).not.toMatch(/SECRET=|PASSWORD=/);
  },
);
