import { httpTransport } from '@rescind/feed';
import { createGuard } from '@rescind/guard';
import { errorHandler } from '@rescind/guard/express';
import { guardStrategy } from '@rescind/guard/passport';
import express from 'express';
import passport from 'passport';

const { ISSUER: issuer = '', PORT = '8000' } = process.env;
const { FEED_CLIENT_SECRET: clientSecret = '', DENYLIST_PATH: denylistPath = '' } = process.env;
const feed = { primary: httpTransport({ issuer, clientId: 'orders', clientSecret }) };
const guard = createGuard({ issuer, audience: 'orders', feed, denylistPath });
passport.use(guardStrategy(guard, { findUser: ({ payload }) => ({ id: payload.sub }) }));

const app = express();
app.get('/orders', passport.authenticate('jwt', { session: false }), ({ user }, response) => {
  response.json({ for: user !== undefined && 'id' in user ? user.id : null });
});
app.use(errorHandler());
await guard.ready();
app.listen(Number(PORT), '127.0.0.1');
