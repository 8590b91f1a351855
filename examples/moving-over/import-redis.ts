import type { Issuer } from '@rescind/issuer';
import type { Redis } from 'ioredis';

/**
 * Ends each session that a Redis denylist names, so that its revocation is in the log. Safe to repeat: a session that has ended stays so.
 * @returns the number of keys
 */
export async function importRedis(redis: Redis, issuer: Issuer): Promise<number> {
  let count = 0;
  for await (const keys of redis.scanStream({ match: 'denied:*' }) as AsyncIterable<string[]>) {
    for (const key of keys) {
      const sid = key.slice('denied:'.length);
      await issuer.transaction((tx) => tx.endSession({ sid, reason: 'logout' }));
      count += 1;
    }
  }
  return count;
}
