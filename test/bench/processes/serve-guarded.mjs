import { readFileSync } from 'node:fs';
import express from 'express';

/** The ten lines of README.md, with the packages that `npm run build` makes. Says when it listens, as a service does. */
const built = (path) => import(new URL(`../../../build/packages/${path}`, import.meta.url).href);
const { httpTransport } = await built('feed/dist/index.js');
const { guard } = await built('guard/dist/express/index.js');

const { ISSUER: issuer, AUDIENCE: audience, PORT, DENYLIST_PATH: denylistPath } = process.env;
const clientSecret = readFileSync(process.env.FEED_CLIENT_SECRET_FILE ?? '', 'utf8');
const feed = { primary: httpTransport({ issuer, clientId: process.env.FEED_CLIENT_ID, clientSecret }) };
const app = express();
app.use(guard({ issuer, audience, feed, denylistPath }));
app.get('/prices', (request, response) => response.json({ for: request.auth.payload.sub }));
app.listen(Number(PORT), '127.0.0.1', () => process.stdout.write('{"event":"listening"}\n'));
