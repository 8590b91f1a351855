import { styleText } from 'node:util';
import { round } from './measure.ts';

interface Step {
  readonly name: string;
  readonly ok: boolean;
  /** The time that the step measures, in ms; absent: it measures none. */
  readonly ms?: number;
}

/** Prints the steps of the demo, and records their results. */
export interface Narrator {
  readonly steps: readonly Step[];
  chapter(title: string): void;
  /** Prints a remark between steps. */
  note(text: string): void;
  /**
   * Runs a step and prints its result. `work` returns a detail for the line, and the measured time. If it throws, the step has failed,
   * and the demo continues. Resolves with whether it succeeded.
   */
  step(name: string, work: () => Promise<{ readonly detail?: string; readonly ms?: number }>): Promise<boolean>;
}

/** @param write prints a line; undefined: nothing is printed (`--json`) */
export function createNarrator(write: ((line: string) => void) | undefined, startedAt: number): Narrator {
  const steps: Step[] = [];
  const print = write ?? (() => undefined);
  const clock = () => styleText('dim', `${((performance.now() - startedAt) / 1000).toFixed(2).padStart(6)} s`);
  return {
    steps,
    chapter: (title) => print(`\n${styleText('bold', title)}`),
    note: (text) => print(`${clock()}    ${styleText('dim', text)}`),
    async step(name, work) {
      try {
        const { detail, ms } = await work();
        steps.push(ms === undefined ? { name, ok: true } : { name, ok: true, ms: round(ms) });
        print(
          `${clock()}  ${styleText('green', '✓')} ${name}${detail === undefined ? '' : styleText('cyan', `  ${detail}`)}`,
        );
        return true;
      } catch (error) {
        steps.push({ name, ok: false });
        const why = error instanceof Error ? error.message : String(error);
        print(`${clock()}  ${styleText('red', '✗')} ${name}  ${styleText('red', why)}`);
        return false;
      }
    },
  };
}
