import type { FollowerCore, FollowerState } from '@rescind/feed/core';
import type { DecodedRecord } from '@rescind/feed/event';
import type { Mutants } from './model/setting.ts';

/** A core that is shown every record alone, and as `change` would have it. */
export function shown(change: (record: DecodedRecord, state: FollowerState) => DecodedRecord | null): Mutants {
  const wrap = (core: FollowerCore): FollowerCore => ({
    ...core,
    step(before, input) {
      if (input.kind !== 'records') return core.step(before, input);
      let state = before;
      const records: DecodedRecord[] = [];
      // The state the record would meet, found out by taking those before it.
      for (const record of input.records) {
        const changed = change(record, state);
        if (changed === null) continue;
        records.push(changed);
        state = core.step(state, { ...input, records: [changed] }).state;
      }
      return core.step(before, { ...input, records });
    },
  });
  return { wrap };
}

/** A core whose state is bent after each step. */
export function bent(bend: (state: FollowerState) => FollowerState): Mutants {
  return {
    wrap: (core) => ({
      ...core,
      step(state, input) {
        const step = core.step(state, input);
        return { ...step, state: bend(step.state) };
      },
    }),
  };
}
