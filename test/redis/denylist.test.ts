import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openTestIssuer } from '@rescind/issuer/testing';
import { Redis } from 'ioredis';
import jwt from 'jsonwebtoken';
import { expect, onTestFinished, test } from 'vitest';
import { importRedis } from '../../examples/moving-over/import-redis.ts';
import { ask, openTown, refusal } from '../integration/moving-over/setting.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { waitFor } from '../support/wait.ts';

/** A redis-server of this test alone. */
async function openRedis() {
  const install = 'install it, such as `apt-get install redis-server` on Debian';
  const { error } = spawnSync('redis-server', ['--version']);
  if (error !== undefined) throw new Error(`npm run test:redis needs redis-server: ${install}`, { cause: error });
  const directory = temporaryDirectory();
  const socket = join(directory, 'redis.sock');
  const options = ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', directory];
  const server = spawn('redis-server', options, { stdio: 'ignore' });
  const ended = once(server, 'exit');
  await waitFor('redis-server listens', () => existsSync(socket));
  const redis = new Redis({ path: socket });
  /** The number of look-ups by clients. */
  const lookUps = async () => Number(/cmdstat_exists:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
  onTestFinished(async () => {
    redis.disconnect();
    server.kill();
    await ended;
  });
  return { redis, socket, lookUps };
}

test('a Redis denylist costs a look-up for each request before the move, and none afterwards', async () => {
  const { redis, socket, lookUps } = await openRedis();
  const { access, start, logout } = await openTown({ REDIS_SOCKET: socket });
  const [before, after] = [await start('redis-denylist', 'before'), await start('redis-denylist', 'after')];
  const calls = async (url: string) => {
    const earlier = await lookUps();
    for (let times = 0; times < 5; times += 1) expect((await ask(url, access)).status).toBe(200);
    return (await lookUps()) - earlier;
  };
  expect([await calls(before), await calls(after)]).toEqual([5, 0]);

  // During the move the login service writes both: the key in Redis for the former services, the revocation for the guards.
  await logout();
  expect(await refusal(after, access)).toMatchObject({ body: { code: 'token_revoked' } });
  expect((await ask(before, access)).status).toBe(200);
  await redis.set(`denied:${jwt.decode(access, { json: true })?.sid}`, '1', 'EX', 900);
  expect((await ask(before, access)).status).toBe(401);
});

test('the keys of a Redis denylist become revocations of the issuer', async () => {
  const { redis } = await openRedis();
  await using kit = await openTestIssuer();
  const logIn = () =>
    kit.issuer.transaction((tx) =>
      tx.beginSession({ sub: 'ada', clientId: 'web', audience: 'shop', credentialVersion: 1 }),
    );
  const [phone, laptop] = [await logIn(), await logIn()];
  await redis.set(`denied:${phone.sid}`, '1', 'EX', 900);
  await redis.set('denied:a session that the issuer does not know', '1', 'EX', 900);

  expect([await importRedis(redis, kit.issuer), await importRedis(redis, kit.issuer)]).toEqual([2, 2]);
  await expect(kit.issuer.verify(phone.access_token)).rejects.toMatchObject({ code: 'token_revoked' });
  expect((await kit.issuer.verify(laptop.access_token)).payload).toMatchObject({ sid: laptop.sid });
});
