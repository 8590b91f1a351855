import { readFileSync } from 'node:fs';
import express from 'express';
import passport from 'passport';
import { ExtractJwt, Strategy } from 'passport-jwt';

const { ISSUER: issuer = '', PUBLIC_KEY_FILE = '', PORT = '8000' } = process.env;
passport.use(
  new Strategy(
    {
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKey: readFileSync(PUBLIC_KEY_FILE, 'utf8'),
      algorithms: ['RS256'],
      issuer,
      audience: 'orders',
    },
    (payload, done) => done(null, { id: payload.sub }),
  ),
);

const app = express();
app.get('/orders', passport.authenticate('jwt', { session: false }), ({ user }, response) => {
  response.json({ for: user !== undefined && 'id' in user ? user.id : null });
});
app.listen(Number(PORT), '127.0.0.1');
