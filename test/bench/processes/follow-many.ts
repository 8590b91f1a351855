import { join } from 'node:path';
import type { Denylist } from '@rescind/denylist';
import { openDenylist } from '@rescind/denylist';
import type { FeedStore } from '@rescind/feed/follower';
import { openFollower } from '@rescind/feed/follower';
import { kafkaTransport } from '@rescind/feed-kafka';
import { openKeySource } from '@rescind/token';
import { createArrivals, openReaders } from '../material/arrivals.ts';
import { ISSUER } from '../material/rows.ts';

/**
 * Instances that follow one log by Kafka, each with a denylist of its own. Prints `ready`, then when each value was denied by all
 * of them. Ends with its input.
 */
const [brokers = '', topic = '', count = '', issuerUrl = '', directory = ''] = process.argv.slice(2);
const instances = Number(count);
const denied = createArrivals(instances);

/** Notes a denied value in the tick that denies it. */
function noting(denylist: Denylist, instance: number): FeedStore {
  return {
    ...denylist,
    enforce(change) {
      denylist.enforce(change);
      for (const { iss, claim, value } of change.cutoffs) {
        if (denylist.row(iss, claim, value) !== undefined) denied(value, instance);
      }
    },
  };
}

// Keeps the process alive: nothing of a follower does.
process.stdin.resume();
const opened = await openReaders(instances, async (instance) => {
  const denylist = openDenylist({ path: join(directory, `denylist-${instance}.db`) });
  const keys = openKeySource({ url: `${issuerUrl}/event-jwks`, documents: denylist, name: 'event_keys' });
  const feed = { primary: kafkaTransport({ brokers: brokers.split(','), topic, clientId: `instance-${instance}` }) };
  const follower = openFollower({ log: ISSUER, issuers: [ISSUER], feed, store: noting(denylist, instance), keys });
  await follower.ready();
  return { denylist, keys, follower };
});
process.stdout.write('ready\n');
process.stdin.on('end', async () => {
  await Promise.all(opened.map(({ follower }) => follower.close()));
  for (const { keys, denylist } of opened) {
    await keys.close();
    denylist.close();
  }
  process.exit();
});
