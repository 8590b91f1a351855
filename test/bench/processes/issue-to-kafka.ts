import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openPublisher } from '@rescind/feed-kafka';
import { openIssuer } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { clockMs } from '../material/arrivals.ts';
import { ISSUER } from '../material/rows.ts';

/**
 * An issuer that publishes to Kafka. Prints its port, where the keys of its events are; then, for each line it gets, revokes the
 * session of that id, and prints when it began and when it answered. Ends with its input.
 */
const [brokers = '', topic = '', directory = ''] = process.argv.slice(2);
const publisher = openPublisher({
  brokers: brokers.split(','),
  topic,
  clientId: 'issuer',
  log: ISSUER,
  minRetentionMs: 3_600_000,
  createTopic: true,
});
const issuer = await openIssuer({
  issuer: ISSUER,
  store: sqliteStore({ path: join(directory, 'issuer.db') }),
  keysPath: join(directory, 'keys'),
  subject: () => ({ claims: {}, credentialVersion: 1, active: true }),
  publisher,
  eventRetentionMs: 3_600_000,
});
const server = createServer((_request, response) => {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(issuer.eventJwks()));
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
for await (const sid of createInterface(process.stdin)) {
  const began = clockMs();
  await issuer.transaction((tx) => tx.revoke({ claim: 'sid', value: sid, reason: 'logout' }));
  process.stdout.write(`${JSON.stringify({ began, answered: clockMs() })}\n`);
}
server.close();
server.closeAllConnections();
await issuer.close();
