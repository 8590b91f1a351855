/** One measurement: a line of the table of promises, or one that explains such a line. */
export interface Case {
  readonly id: string;
  readonly what: string;
  /** False: it starts processes of its own and decides where they run. */
  readonly pinned?: boolean;
  /** Makes files in the directory of the setting, in a process of its own: the one that measures has a fresh heap. */
  prepare?(setting: Setting): Promise<void>;
  run(setting: Setting): Promise<Outcome>;
}

export interface Setting {
  /** Whether the run is smaller and shorter: its figures must not be quoted. */
  readonly quick: boolean;
  /** Empty at first, removed afterwards. */
  readonly directory: string;
  /** Prints a line about the progress. */
  say(line: string): void;
}

export interface Bar {
  readonly what: string;
  readonly figure: number;
  /** The promise: at least or at most this figure. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** The figures of one contestant, over all rounds. */
export interface Spread {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly unit: string;
}

export interface Outcome {
  /** The first one represents the case in summaries. Empty: the case explains another one, and promises nothing. */
  readonly bars: readonly Bar[];
  readonly measured: readonly Spread[];
  /** Every setting that affects the figures: sizes, algorithm, synchronous, … */
  readonly settings: Readonly<Record<string, string | number>>;
}

export interface Finished extends Outcome {
  readonly id: string;
  readonly what: string;
  readonly quick: boolean;
  readonly failed?: string;
}

export function isMet({ figure, atLeast, atMost }: Bar): boolean {
  return (atLeast === undefined || figure >= atLeast) && (atMost === undefined || figure <= atMost);
}

export function spell({ atLeast, atMost }: Bar): string {
  return atLeast !== undefined ? `≥ ${atLeast}` : `≤ ${atMost}`;
}
