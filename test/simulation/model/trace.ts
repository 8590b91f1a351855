import type { FollowerEffect, FollowerInput, FollowerState } from '@rescind/feed/core';
import type { Follower } from './follower.ts';

/** Describes one step in one line, to find the cause of a violation. */
export function tellStep(
  { name }: Follower,
  input: FollowerInput,
  { logState, heartbeat }: FollowerState,
  effects: readonly FollowerEffect[],
): string {
  const { epoch, seq, id, head, floor, wholeAt, logTime, logTimeEpoch, timeSince, suspect } = logState;
  const transport = 'transport' in input ? ` ${input.transport}` : '';
  const records = input.kind === 'records' ? ` ${input.records.map(tellRecord).join(' ')}` : '';
  const done = effects.flatMap((effect) => (SAID.has(effect.kind) ? [JSON.stringify(effect)] : [])).join(' ');
  const { savedAt, savedAgeMs } = logState;
  const state = JSON.stringify({
    epoch,
    seq,
    id,
    head,
    floor,
    wholeAt,
    logTime,
    logTimeEpoch,
    timeSince,
    suspect,
    savedAt,
    savedAgeMs,
    beat: heartbeat,
  });
  return `${name}: ${input.kind}${transport}${records} => ${state} ${done}`;
}

const SAID = new Set(['open', 'close', 'restart', 'submitEvidence', 'ready']);

type Told = Extract<FollowerInput, { kind: 'records' }>['records'][number];

function tellRecord(record: Told): string {
  const live = record.live ? '' : ' (old)';
  if (record.kind === 'heartbeat') {
    const { epoch, head, headId, lowWatermark, at } = record;
    return `[heartbeat ${epoch} head ${head} ${headId} floor ${lowWatermark} at ${at}${live}]`;
  }
  if (record.kind === 'bad' || record.kind === 'skipped') return `[${record.kind}${live}]`;
  const { kind, epoch, seq, id, prev } = record;
  return `[${kind} ${epoch} ${seq} ${id} after ${prev}${live}]`;
}
