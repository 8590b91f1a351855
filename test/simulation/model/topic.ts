import type { MemoryLog } from '@rescind/feed/testing';
import { createMemoryLog } from '@rescind/feed/testing';
import type { Random } from './random.ts';

/** A Kafka topic with one partition, with all faults of a broker. */
export interface Topic {
  /** Its records, and whether it can be reached. */
  readonly log: MemoryLog;
  hasLost: boolean;
  /** It elects a leader until then, and neither acknowledges nor delivers. */
  stalledUntil: number;
  /** Sends that have timed out and arrive later. */
  readonly late: { readonly batch: readonly string[]; readonly due: number }[];
}

export const newTopic = (): Topic => ({ log: createMemoryLog('topic'), hasLost: false, stalledUntil: 0, late: [] });

/** Appends late sends that are due, and removes records older than the retention. */
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

/** Loses records by an unclean election, a deletion or a new creation of the topic. */
export function lose(topic: Topic, random: Random): void {
  const { log } = topic;
  topic.hasLost = true;
  // Created again with the same id, so that hints do not show it.
  if (random.chance(0.3)) log.recreate(log.id);
  else if (random.chance(0.5)) log.removeNewest(1 + random.below(6));
  else log.removeOldest(random.below(log.records.length + 1));
}
