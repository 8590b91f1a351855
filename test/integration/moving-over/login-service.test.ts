import { join } from 'node:path';
import { errorHandler } from '@rescind/guard/express';
import { guardStrategy } from '@rescind/guard/passport';
import { openTestKit } from '@rescind/guard/testing';
import { openIssuer } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { silentTelemetry } from '@rescind/revocation';
import express from 'express';
import jwt from 'jsonwebtoken';
import passport from 'passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { expect, onTestFinished, test } from 'vitest';
import { either } from '../../../examples/moving-over/either.ts';
import { exchange, FORMER_TABLE, hashOf } from '../../../examples/moving-over/exchange.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { serve } from '../guard/setting.ts';
import { ask } from './setting.ts';

/** An issuer in the database of a former login service, with refresh tokens of ada and of bob, who is suspended. */
async function openMovedLogin() {
  const directory = temporaryDirectory();
  const store = sqliteStore({ path: join(directory, 'login.sqlite'), schema: [FORMER_TABLE] });
  const issuer = await openIssuer({
    issuer: 'https://login.example',
    store,
    keysPath: join(directory, 'keys'),
    telemetry: silentTelemetry,
    resources: () => [{ audience: 'orders' }],
    subject: (_from, sub) => ({ claims: {}, credentialVersion: 1, active: sub !== 'bob' }),
  });
  onTestFinished(() => issuer.close());
  const add = (token: string, user: string, lifetimeMs: number) =>
    issuer.transaction((tx) => {
      const text = 'INSERT INTO former_refresh_tokens (hash, user_id, expires_at) VALUES (?, ?, ?)';
      tx.sql.prepare(text).run(hashOf(token), user, Date.now() + lifetimeMs);
    });
  await add('of ada', 'ada', 60_000);
  await add('of bob', 'bob', 60_000);
  await add('expired', 'ada', -1);
  const isUsed = (token: string) =>
    store.sql.prepare('SELECT used FROM former_refresh_tokens WHERE hash = ?').pluck().get(hashOf(token));
  return { issuer, isUsed };
}

test('a refresh token of the former login service becomes one session, however often it is sent', async () => {
  const { issuer } = await openMovedLogin();
  const answers = await Promise.all(['of ada', 'of ada', 'of ada'].map((token) => exchange(issuer, token)));
  const [tokens, ...others] = answers.filter((answer) => answer !== undefined);
  expect(others).toEqual([]);
  expect((await issuer.verify(tokens?.access_token ?? '')).payload).toMatchObject({ sub: 'ada' });
  expect((await issuer.sessions.list({ sub: 'ada' })).items).toHaveLength(1);
  expect([await exchange(issuer, 'expired'), await exchange(issuer, 'unknown')]).toEqual([undefined, undefined]);
});

test('a refresh token of the former login service is not used up by a session that the issuer refuses', async () => {
  const { issuer, isUsed } = await openMovedLogin();
  await expect(exchange(issuer, 'of bob')).rejects.toMatchObject({ code: 'subject_inactive' });
  expect(isUsed('of bob')).toBe(0);
});

test('Passport accepts both kinds of tokens, and former ones after the login service has gone back', async () => {
  await using kit = openTestKit({ audience: 'orders' });
  const secret = 'the shared secret of the former login service';
  const token = kit.token({ sub: 'ada' });
  const issuer = String(jwt.decode(token, { json: true })?.iss);
  const authenticator = new passport.Passport();
  const jwtFromRequest = ExtractJwt.fromAuthHeaderAsBearerToken();
  authenticator.use(
    new Strategy({ jwtFromRequest, secretOrKey: secret, algorithms: ['HS256'] }, (payload, done) =>
      done(null, { id: payload.sub }),
    ),
  );
  authenticator.use(guardStrategy(kit.guard, { name: 'guard', findUser: ({ payload }) => ({ id: payload.sub }) }));
  const by = (name: string) => authenticator.authenticate(name, { session: false });
  const app = express();
  app.get('/orders', either(issuer, by('guard'), by('jwt')), ({ user }, response) => void response.json({ user }));
  app.use(errorHandler());
  const url = `${await serve(app)}/orders`;
  const former = () => jwt.sign({ sub: 'ada', iss: 'https://former.example' }, secret, { expiresIn: 60 });
  const accepted = { status: 200, body: { user: { id: 'ada' } } };
  expect([await ask(url, former()), await ask(url, token)]).toEqual([accepted, accepted]);

  kit.revoke({ claim: 'sub', value: 'ada' });
  expect((await ask(url, token)).status).toBe(401);
  // The login service mints the former tokens again: the services need no change.
  expect(await ask(url, former())).toEqual(accepted);
  expect((await ask(url, jwt.sign({ sub: 'ada', iss: issuer }, secret))).status).toBe(401);
});
