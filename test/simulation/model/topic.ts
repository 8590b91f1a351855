import type { MemoryLog } from '@rescind/feed/testing';
import { createMemoryLog } from '@rescind/feed/testing';
import type { Random } from './random.ts';

/** A Kafka topic with one partition, as bad as it may get. */
export interface Topic {
  /** Its records; whether it answers. */
  readonly log: MemoryLog;
  hasLost: boolean;
  /** Until then it neither acknowledges nor delivers: it elects a leader. */
  stalledUntil: number;
  /** Sends that time out here may still arrive, whenever. */
  readonly late: { readonly batch: readonly string[]; readonly due: number }[];
}

export const newTopic = (): Topic => ({ log: createMemoryLog('topic'), hasLost: false, stalledUntil: 0, late: [] });

/** Lets arrive what is late, and forgets what is older than the retention. */
export function passTime({ log, late }: Topic, now: number, retentionMs: number): void {
  for (let i = late.length - 1; i >= 0; i -= 1) {
    const one = late[i];
    if (one === undefined || one.due > now || !log.isUp) continue;
    late.splice(i, 1);
    log.append(one.batch, now);
  }
  let gone = 0;
  while ((log.records[gone]?.at ?? now) < now - retentionMs) gone += 1;
  if (gone > 0) log.removeOldest(gone);
}

/** Unclean elections, deleted topics: all that must not happen, and does. */
export function lose(topic: Topic, random: Random): void {
  const { log } = topic;
  topic.hasLost = true;
  // Made anew, and a hint does not show it.
  if (random.chance(0.3)) log.recreate(log.id);
  else if (random.chance(0.5)) log.removeNewest(1 + random.below(6));
  else log.removeOldest(random.below(log.records.length + 1));
}
