import type { FollowerCore, FollowerState } from '@rescind/feed/core';
import type { DecodedRecord } from '@rescind/feed/event';
import type { Mutants } from './model/setting.ts';

/** A core that receives every record as `change` returns it; null drops the record. */
export function shown(change: (record: DecodedRecord, state: FollowerState) => DecodedRecord | null): Mutants {
  const wrap = (core: FollowerCore): FollowerCore => ({
    ...core,
    step(before, input) {
      if (input.kind !== 'records') return core.step(before, input);
      let state = before;
      const records: DecodedRecord[] = [];
      // `change` gets the state after the earlier records, which is computed by steps of one record each.
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

/** A core whose state `bend` changes after each step. */
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
