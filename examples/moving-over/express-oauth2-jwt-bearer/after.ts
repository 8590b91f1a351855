import { httpTransport } from '@rescind/feed';
import { errorHandler, guard, requiredScopes } from '@rescind/guard/express';
import express from 'express';

const { ISSUER: issuer = '', PORT = '8000' } = process.env;
const { FEED_CLIENT_SECRET: clientSecret = '', DENYLIST_PATH: denylistPath = '' } = process.env;
const feed = { primary: httpTransport({ issuer, clientId: 'orders', clientSecret }) };
const signedIn = guard({ issuer, audience: 'orders', feed, denylistPath });

const app = express();
app.get('/orders', signedIn, requiredScopes('orders:read'), (request, response) => {
  response.json({ for: request.auth?.payload.sub });
});
app.use(errorHandler());
await signedIn.ready();
app.listen(Number(PORT), '127.0.0.1');
