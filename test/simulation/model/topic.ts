import type { Random } from './random.ts';

/** A Kafka topic with one partition, as bad as it may get. */
export interface Topic {
  up: boolean;
  hasLost: boolean;
  /** Until then it neither acknowledges nor delivers: it elects a leader. */
  stalledUntil: number;
  /** The offset of the first record that is still there. */
  base: number;
  records: { readonly jws: string; readonly at: number }[];
  /** Sends that time out here may still arrive, whenever. */
  readonly late: { readonly batch: readonly string[]; readonly due: number }[];
}

export const newTopic = (): Topic => ({ up: true, hasLost: false, stalledUntil: 0, base: 0, records: [], late: [] });

export const endOf = (topic: Topic): number => topic.base + topic.records.length;

export function append(topic: Topic, batch: readonly string[], now: number): void {
  for (const jws of batch) topic.records.push({ jws, at: now });
}

/** Lets arrive what is late, and forgets what is older than the retention. */
export function passTime(topic: Topic, now: number, retentionMs: number): void {
  for (let i = topic.late.length - 1; i >= 0; i -= 1) {
    const late = topic.late[i];
    if (late === undefined || late.due > now || !topic.up) continue;
    topic.late.splice(i, 1);
    append(topic, late.batch, now);
  }
  let gone = 0;
  while ((topic.records[gone]?.at ?? now) < now - retentionMs) gone += 1;
  if (gone > 0) forgetBottom(topic, gone);
}

export function forgetBottom(topic: Topic, records: number): void {
  topic.records.splice(0, records);
  topic.base += records;
}

/** Unclean elections, deleted topics: all that must not happen, and does. */
export function lose(topic: Topic, random: Random): void {
  topic.hasLost = true;
  if (random.chance(0.3)) {
    topic.records = [];
    topic.base = 0;
  } else if (random.chance(0.5)) {
    topic.records.splice(Math.max(0, topic.records.length - 1 - random.below(6)));
  } else forgetBottom(topic, random.below(topic.records.length + 1));
}
