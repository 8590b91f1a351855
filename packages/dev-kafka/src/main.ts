import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { openBroker } from './open.ts';

/** `npm run kafka -- --brokers 3` runs a Kafka until Ctrl-C. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { brokers: { type: 'string', default: '1' }, prefer: { type: 'string' } },
  });
  const { brokers, prefer } = values;
  if (brokers !== '1' && brokers !== '3') throw new TypeError('--brokers must be 1 or 3');
  if (prefer !== undefined && prefer !== 'java' && prefer !== 'docker') {
    throw new TypeError('--prefer must be java or docker');
  }
  const ended = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  await using broker = await openBroker({
    brokers: brokers === '3' ? 3 : 1,
    own: true,
    ...(prefer === undefined ? {} : { prefer }),
    log: (line) => console.error(line),
  });
  console.log(`Kafka (${broker.kind}) listens. In another terminal: export KAFKA_BROKERS=${broker.brokers.join()}`);
  // Keeps the process alive: the broker's process does not.
  const keepAlive = setInterval(() => undefined, 60_000);
  await ended;
  clearInterval(keepAlive);
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
