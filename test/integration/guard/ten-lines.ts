import type { AddressInfo } from 'node:net';
import { httpTransport } from '@rescind/feed';
import { errorHandler, guard } from '@rescind/guard/express';
import express from 'express';

/** The ten lines of the README as a process; its options are the first argument, as JSON. SIGTERM closes the server, and nothing else. */
const { issuer, audience, clientSecret, denylistPath } = JSON.parse(process.argv[2] ?? '{}');
const feed = { primary: httpTransport({ issuer, clientId: 'prices', clientSecret }) };
const app = express();
const signedIn = guard({ issuer, audience, feed, denylistPath });
app.use(signedIn.router());
app.get('/prices', signedIn, (request, response) => response.json({ for: request.auth?.payload.sub }));
app.use(errorHandler());
const server = app.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ event: 'listening', level: 'info', url: `http://127.0.0.1:${port}` })}\n`);
});
process.once('SIGTERM', () => server.close());
