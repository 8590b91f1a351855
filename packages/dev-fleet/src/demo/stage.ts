import type { Broker } from '@rescind/dev-kafka';
import type { Fleet } from '../fleet.ts';
import type { Narrator } from './narrator.ts';

export interface Stage {
  readonly fleet: Fleet;
  readonly broker: Broker | undefined;
  readonly narrator: Narrator;
  /** Every time from the answer of a logout to the refusal of an instance, in ms, with everything up. */
  readonly samples: number[];
}
