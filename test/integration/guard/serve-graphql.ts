import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { httpTransport } from '@rescind/feed';
import { createGuard } from '@rescind/guard';

/**
 * Serves the example of GraphQL Yoga. A process of its own, because Vitest resolves `graphql` to another file than Node.js does, and GraphQL Yoga
 * takes errors of another copy for internal ones.
 */
const { example, issuer, clientSecret, denylistPath } = JSON.parse(process.argv[2] ?? '{}');
const feed = { primary: httpTransport({ issuer, clientId: 'prices', clientSecret }) };
const guard = createGuard({ issuer, audience: 'prices', feed, denylistPath });
await guard.ready();
const { createApp } = (await import(example)) as { createApp(created: typeof guard): RequestListener };
const server = createServer(createApp(guard)).listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ event: 'listening', level: 'info', url: `http://127.0.0.1:${port}` })}\n`);
});
