import { createRandom } from '../simulation/model/random.ts';

/** The faults that the driver injects. docs/chaos.md describes each. */
export const FAULT_KINDS = [
  'kill',
  'freeze',
  'cut',
  'silence',
  'slow',
  'disk-full',
  'read-only',
  'clock',
  'topic-deleted',
  'topic-truncated',
  'restore',
  'rubbish',
  'kill-broker',
  'freeze-broker',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** Ms after the start of the storm. */
  readonly at: number;
  /** How long it lasts, ms; a killed process is started again after this time. */
  readonly forMs: number;
  /** 0: the issuer; 1, 2, …: an instance; of a broker fault the broker, from 1 on. */
  readonly target: number;
  /**
   * The delay of `slow` and the offset of `clock`, in ms; the number of records of `rubbish`. A `kill` with 1 hits a process that
   * starts, too; any other fault of a process waits until it listens.
   */
  readonly amount: number;
}

export interface Storm {
  readonly forMs: number;
  /** By their time. */
  readonly faults: readonly Fault[];
  /** The order in which faults that still last are ended: positions in `faults`. */
  readonly healing: readonly number[];
}

export interface Setting {
  readonly seed: number;
  readonly instances: number;
  readonly brokers: number;
}

const STORM_MS = 16_000;
/** The greatest offset of the issuer's clock. Further ahead it mints tokens that services do not accept yet, and it never goes back. */
const ISSUER_CLOCK_MS = 8_000;
const INSTANCE_CLOCK_MS = 3_600_000;
const KILLS_PER_STORM = 32;
/** Longer than MAX_STALENESS: views become stale. */
const LONG_MS = 13_000;
/** How many faults a storm has beside its kills and its kinds in turn. */
const OTHERS_PER_STORM = 5;

/** The storm of a round, by the seed alone. Each kind of fault comes at least once in three rounds. */
export function planStorm({ seed, instances, brokers }: Setting, round: number): Storm {
  const random = createRandom(seed * 1_000 + round);
  const between = (min: number, max: number) => min + random.below(max - min + 1);
  /** The issuer with this probability, else an instance. */
  const anyProcess = (issuerShare = 0.25) => (random.chance(issuerShare) ? 0 : between(1, instances));
  const draw: Record<FaultKind, () => Pick<Fault, 'forMs' | 'target' | 'amount'>> = {
    kill: () => ({
      target: random.chance(0.12) ? 0 : between(1, instances),
      forMs: random.chance(0.6) ? 0 : between(50, 2_500),
      amount: random.chance(0.2) ? 1 : 0,
    }),
    freeze: () => ({ target: anyProcess(), forMs: random.chance(0.3) ? LONG_MS : between(300, 4_000), amount: 0 }),
    cut: () => ({ target: anyProcess(), forMs: random.chance(0.3) ? LONG_MS : between(300, 5_000), amount: 0 }),
    silence: () => ({ target: anyProcess(), forMs: random.chance(0.3) ? LONG_MS : between(300, 5_000), amount: 0 }),
    slow: () => ({ target: anyProcess(), forMs: between(2_000, 8_000), amount: between(20, 800) }),
    'disk-full': () => ({ target: anyProcess(0.5), forMs: between(2_000, 7_000), amount: 0 }),
    'read-only': () => ({ target: anyProcess(0.5), forMs: between(2_000, 7_000), amount: 0 }),
    clock: () => {
      const target = anyProcess();
      const maxOffsetMs = target === 0 ? ISSUER_CLOCK_MS : INSTANCE_CLOCK_MS;
      return { target, forMs: between(1_000, 9_000), amount: between(-maxOffsetMs, maxOffsetMs) };
    },
    'topic-deleted': () => ({ target: 0, forMs: 0, amount: 0 }),
    'topic-truncated': () => ({ target: 0, forMs: 0, amount: 0 }),
    restore: () => ({ target: 0, forMs: 0, amount: 0 }),
    rubbish: () => ({ target: 0, forMs: 0, amount: between(10, 200) }),
    'kill-broker': () => ({ target: between(1, brokers), forMs: between(500, 6_000), amount: 0 }),
    'freeze-broker': () => ({ target: between(1, brokers), forMs: between(1_000, 8_000), amount: 0 }),
  };
  const special = shuffled(
    FAULT_KINDS.filter((kind) => kind !== 'kill'),
    createRandom(seed + Math.floor(round / 3)),
  );
  const third = Math.ceil(special.length / 3);
  const drawn = special.slice((round % 3) * third, (round % 3) * third + third);
  const isSilent = drawn.includes('freeze');
  const kinds: FaultKind[] = [
    ...drawn,
    ...Array.from(
      { length: OTHERS_PER_STORM },
      () => random.pick(['freeze', 'cut', 'silence', 'slow', 'clock'] as const) ?? 'cut',
    ),
    ...Array.from({ length: KILLS_PER_STORM }, () => 'kill' as const),
  ];
  const faults = kinds
    .map((kind): Fault => ({ kind, at: between(0, STORM_MS - 1_000), ...draw[kind]() }))
    .map((fault, index) => (isSilent ? silencing(fault, index, instances) : fault))
    .sort((one, other) => one.at - other.at);
  return {
    forMs: STORM_MS,
    faults,
    healing: shuffled(
      faults.map((_, index) => index),
      random,
    ),
  };
}

/** When a freeze of the issuer begins. */
const SILENCE_AT_MS = 1_500;
/** The faults of Kafka, and a restore, for which `target` names no process to spare. */
const WITHOUT_PROCESS: readonly FaultKind[] = [
  'topic-deleted',
  'topic-truncated',
  'rubbish',
  'kill-broker',
  'freeze-broker',
];

/**
 * Makes each freeze a long one of the issuer. Nothing else hits the issuer, or the first instance, whose view becomes stale: one that
 * starts meanwhile is not ready. A restore comes afterwards: it leaves no token of which the driver knows that it is valid.
 */
function silencing(fault: Fault, index: number, instances: number): Fault {
  const { kind, target } = fault;
  if (kind === 'freeze') return { ...fault, at: SILENCE_AT_MS, forMs: LONG_MS, target: 0 };
  if (kind === 'restore') return { ...fault, at: SILENCE_AT_MS + LONG_MS + 200 };
  if (target > 1 || WITHOUT_PROCESS.includes(kind)) return fault;
  return { ...fault, target: instances === 1 ? 1 : 2 + (index % (instances - 1)) };
}

/** Storms that have some of the faults of one: halves, then what is left without each piece, for delta debugging. */
export function smallerStorms(storm: Storm, pieces: number): Storm[] {
  const size = Math.ceil(storm.faults.length / pieces);
  if (storm.faults.length < 2) return [];
  return Array.from({ length: pieces }, (_, piece) => {
    const faults = storm.faults.filter((_, index) => Math.floor(index / size) !== piece);
    return { ...storm, faults, healing: faults.map((_, index) => index) };
  }).filter(({ faults }) => faults.length < storm.faults.length);
}

function shuffled<T>(items: readonly T[], random: { below(n: number): number }): T[] {
  const rest = [...items];
  return items.flatMap(() => rest.splice(random.below(rest.length), 1));
}
