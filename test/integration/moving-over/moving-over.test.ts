import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorHandler, guard } from '@rescind/guard/express';
import { openTestKit } from '@rescind/guard/testing';
import type { ErrorRequestHandler } from 'express';
import express from 'express';
import { expressjwt } from 'express-jwt';
import jwt from 'jsonwebtoken';
import { expect, test } from 'vitest';
import { either } from '../../../examples/moving-over/either.ts';
import { serve } from '../guard/setting.ts';
import { ask, EXAMPLES, openCounter, openTown, refusal } from './setting.ts';

const PAGE = fileURLToPath(new URL('../../../docs/moving-over.md', import.meta.url));
const VERIFIERS = ['express-jwt', 'passport-jwt', 'express-oauth2-jwt-bearer'];
const NAMES = [...VERIFIERS, 'redis-denylist', 'introspection'];

test.each(VERIFIERS)('%s accepts a logged-out token before the move, and refuses it afterwards', async (name) => {
  const { access, start, logout } = await openTown();
  const [before, after] = [await start(name, 'before'), await start(name, 'after')];
  const accepted = await ask(before, access);
  expect(accepted).toMatchObject({ status: 200, body: { for: expect.any(String) } });
  expect(await ask(after, access)).toEqual(accepted);

  await logout();
  expect(await refusal(after, access)).toMatchObject({ body: { code: 'token_revoked' } });
  expect(await ask(before, access)).toEqual(accepted);
  for (const url of [before, after]) expect((await ask(url, 'none')).status).toBe(401);
});

test('introspection costs a call for each request before the move, and none afterwards', async () => {
  const { issuer, access, start, logout } = await openTown();
  const counter = await openCounter(issuer.url);
  const environment = { INTROSPECTION_URL: counter.url };
  const [before, after] = [
    await start('introspection', 'before', environment),
    await start('introspection', 'after', environment),
  ];
  const calls = async (url: string) => {
    const earlier = counter.calls();
    for (let times = 0; times < 5; times += 1) expect((await ask(url, access)).status).toBe(200);
    return counter.calls() - earlier;
  };
  expect([await calls(before), await calls(after)]).toEqual([5, 0]);

  await logout();
  expect((await ask(before, access)).status).toBe(401);
  const earlier = counter.calls();
  expect(await refusal(after, access)).toMatchObject({ body: { code: 'token_revoked' } });
  expect(counter.calls()).toBe(earlier);
});

test('a service accepts tokens of the former login service and of the issuer at the same time', async () => {
  await using kit = openTestKit({ audience: 'orders' });
  const secret = 'the shared secret of the former login service';
  const token = kit.token();
  const issuer = String(jwt.decode(token, { json: true })?.iss);
  const app = express();
  app.use(either(issuer, guard(kit.guard), expressjwt({ secret, algorithms: ['HS256'] })));
  app.get('/orders', (_request, response) => void response.json([]));
  const otherErrors: ErrorRequestHandler = (error, _request, response, _next) => {
    response.status(error.status).json({ code: error.code });
  };
  app.use(errorHandler(), otherErrors);
  const url = `${await serve(app)}/orders`;
  const former = jwt.sign({ sub: 'ada', iss: 'https://former.example' }, secret);
  expect([await ask(url, former), await ask(url, token)]).toMatchObject([{ status: 200 }, { status: 200 }]);

  // Each verifier accepts its own tokens only.
  expect((await ask(url, jwt.sign({ sub: 'ada', iss: issuer }, secret))).status).toBe(401);
  expect((await ask(url, jwt.sign({ sub: 'ada' }, 'another secret'))).status).toBe(401);
  kit.revoke({ claim: 'sid', value: 'session-1' });
  expect(await ask(url, token)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
  expect((await ask(url, former)).status).toBe(200);
});

/** The files that a diff on the page compares. */
function filesOf(section: string): { before: string; after: string } {
  const [, diff = ''] = /```diff\n(.*?)```/s.exec(section) ?? [];
  const lines = diff.split('\n').slice(0, -1);
  const without = (sign: string) => lines.filter((line) => !line.startsWith(sign)).map((line) => `${line.slice(1)}\n`);
  return { before: without('+').join(''), after: without('-').join('') };
}

test.each(NAMES)('docs/moving-over.md has the diff of %s', (name) => {
  const [, section = ''] = readFileSync(PAGE, 'utf8').split(`\nThe diff of \`examples/moving-over/${name}\``);
  const read = (version: string) => readFileSync(join(EXAMPLES, name, `${version}.ts`), 'utf8');
  expect(filesOf(section)).toEqual({ before: read('before'), after: read('after') });
});

test('docs/moving-over.md has either.ts', () => {
  expect(readFileSync(PAGE, 'utf8')).toContain(readFileSync(join(EXAMPLES, 'either.ts'), 'utf8').trim());
});

test.each(['before', 'after'])(
  'the examples %s the move compile, as those of a project with skipLibCheck',
  (version) => {
    const compiler = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url));
    const project = join(EXAMPLES, `tsconfig.${version}.json`);
    const { status, stdout } = spawnSync(process.execPath, [compiler, '--noEmit', '-p', project], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([0, '']);
  },
);
