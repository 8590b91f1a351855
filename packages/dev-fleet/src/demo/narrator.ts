import { styleText } from 'node:util';
import { round } from './measure.ts';

interface Step {
  readonly name: string;
  readonly ok: boolean;
  /** How long what the step is about took; absent where no time matters. */
  readonly ms?: number;
}

/** Tells the story as it happens, and keeps what happened. */
export interface Narrator {
  readonly steps: readonly Step[];
  chapter(title: string): void;
  /** A remark between steps. */
  say(text: string): void;
  /**
   * Does a step and tells how it went. `work` gives what to add to the line, and the time that matters; what it throws
   * makes the step fail, and the story goes on.
   */
  step(name: string, work: () => Promise<{ readonly detail?: string; readonly ms?: number }>): Promise<boolean>;
}

/** @param write where lines go; absent: nowhere (`--json`) */
export function createNarrator(write: ((line: string) => void) | undefined, startedAt: number): Narrator {
  const steps: Step[] = [];
  const print = write ?? (() => undefined);
  const clock = () => styleText('dim', `${((performance.now() - startedAt) / 1000).toFixed(2).padStart(6)} s`);
  return {
    steps,
    chapter: (title) => print(`\n${styleText('bold', title)}`),
    say: (text) => print(`${clock()}    ${styleText('dim', text)}`),
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
