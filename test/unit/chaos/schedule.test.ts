import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { MUTANTS } from '../../chaos/mutants.ts';
import { INVARIANTS } from '../../chaos/oracle.ts';
import type { Storm } from '../../chaos/schedule.ts';
import { FAULT_KINDS, planStorm, smallerStorms } from '../../chaos/schedule.ts';

const SETTING = { seed: 7, instances: 4, brokers: 3 };

it('plans the same storm for the same seed and round, and another one for others', () => {
  expect(planStorm(SETTING, 2)).toEqual(planStorm(SETTING, 2));
  expect(planStorm(SETTING, 2)).not.toEqual(planStorm(SETTING, 3));
  expect(planStorm(SETTING, 2)).not.toEqual(planStorm({ ...SETTING, seed: 8 }, 2));
});

it.each([1, 2, 3, 4, 5])('plans each kind of fault within three rounds, for targets that exist (seed %i)', (seed) => {
  const storms = [0, 1, 2].map((round) => planStorm({ ...SETTING, seed }, round));
  const faults = storms.flatMap((storm) => storm.faults);
  expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS));
  for (const { kind, target } of faults) {
    const [least, most] = kind.endsWith('-broker') ? [1, SETTING.brokers] : [0, SETTING.instances];
    expect(target, kind).toBeGreaterThanOrEqual(least);
    expect(target, kind).toBeLessThanOrEqual(most);
  }
  for (const storm of storms) {
    expect([...storm.healing].sort((one, other) => one - other)).toEqual(storm.faults.map((_, index) => index));
  }
});

it.each([1, 2, 3, 4, 5])(
  'lets the view of the first instance become stale in one of three storms (seed %i)',
  (seed) => {
    const isSilent = ({ faults }: Storm) =>
      faults.some(({ kind, target, forMs }) => kind === 'freeze' && target === 0 && forMs > 12_000);
    for (const third of [0, 3, 6]) {
      const storms = [0, 1, 2].map((round) => planStorm({ ...SETTING, seed }, third + round)).filter(isSilent);
      const undisturbed = storms.filter(({ faults }) =>
        faults.every(({ kind, target, at }) => {
          if (kind === 'restore') return at > 14_500;
          const isOfKafka = kind.startsWith('topic') || kind.endsWith('-broker') || kind === 'rubbish';
          return kind === 'freeze' || isOfKafka || target > 1;
        }),
      );
      expect(undisturbed).toHaveLength(1);
    }
  },
);

it('leaves out each half of the faults, then each quarter', () => {
  const storm = planStorm(SETTING, 0);
  for (const pieces of [2, 4]) {
    const smaller = smallerStorms(storm, pieces);
    expect(smaller).toHaveLength(pieces);
    const left = smaller.flatMap(({ faults }) => faults);
    for (const fault of storm.faults) expect(left.filter((one) => one === fault)).toHaveLength(pieces - 1);
  }
});

it('has a mutant for each invariant, whose text its file has once', () => {
  expect(new Set(Object.values(MUTANTS).map(({ invariant }) => invariant))).toEqual(new Set(Object.keys(INVARIANTS)));
  for (const [name, { file, from, to }] of Object.entries(MUTANTS)) {
    const text = readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
    expect(text.split(from), name).toHaveLength(2);
    expect(to, name).not.toBe(from);
  }
});
