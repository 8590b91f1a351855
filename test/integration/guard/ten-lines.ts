import type { AddressInfo } from 'node:net';
import type { Transport } from '@rescind/feed';
import { httpTransport } from '@rescind/feed';
import type { KafkaConnection } from '@rescind/feed-kafka';
import { errorHandler, guard } from '@rescind/guard/express';
import express from 'express';

/**
 * The ten lines of the README as a process; its options are the first argument, as JSON. With `kafka` it reads the log from there, and by
 * HTTP where that fails. SIGTERM closes the server, and nothing else; SIGINT the guard after it.
 */
const { issuer, audience, clientSecret, denylistPath, kafka } = JSON.parse(process.argv[2] ?? '{}');
const byHttp = httpTransport({ issuer, clientId: 'prices', clientSecret });
const feed =
  kafka === undefined ? { primary: byHttp } : { primary: await createKafkaTransport(kafka), fallback: byHttp };
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
process.once('SIGINT', () => server.close(() => void signedIn.close()));

async function createKafkaTransport(connection: KafkaConnection): Promise<Transport> {
  const { kafkaTransport } = await import('@rescind/feed-kafka');
  return kafkaTransport(connection);
}
