import type { CliHost } from './host.ts';
import type { Output } from './output.ts';

/** Shows how far something long has come, on standard error. */
export interface Progress {
  /** @param of the whole; undefined: not known */
  to(done: number, of: number | undefined): void;
  end(): void;
}

const WIDTH = 30;
/** Between two changes of the bar on a terminal, and between two lines elsewhere, in ms. */
const DRAW_MS = 100;
const LINE_MS = 10_000;

/** A bar on a terminal; elsewhere a line each 10 s. What takes less than 10 s is silent there. */
export function createProgress({ stderr }: CliHost, { note }: Pick<Output, 'note'>, what: string): Progress {
  const isTerminal = stderr.isTTY === true;
  let shownAt = isTerminal ? 0 : performance.now();
  const describe = (done: number, of: number | undefined) => `${done}${of === undefined ? '' : ` of ${of}`} ${what}`;
  const bar = (done: number, of: number | undefined) => {
    const filled = of === undefined || of <= 0 ? 0 : Math.min(WIDTH, Math.round((done / of) * WIDTH));
    return `\r\u001b[K[${'#'.repeat(filled)}${' '.repeat(WIDTH - filled)}] ${describe(done, of)}`;
  };
  return {
    to(done, of) {
      if (performance.now() - shownAt < (isTerminal ? DRAW_MS : LINE_MS)) return;
      shownAt = performance.now();
      if (isTerminal) stderr.write(bar(done, of));
      else note(describe(done, of));
    },
    end: () => void (isTerminal && stderr.write('\r\u001b[K')),
  };
}
