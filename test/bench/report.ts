import type { Bar, Finished } from './case.ts';
import { isMet, spell } from './case.ts';

/** Rounds to three significant digits, without an exponent. */
export function round(figure: number): number {
  if (!Number.isFinite(figure) || figure === 0) return figure;
  return Math.abs(figure) >= 100 ? Math.round(figure) : Number(figure.toPrecision(3));
}

/** What `--json` prints of one case. */
export function toJson({ id, what, quick, bars, measured, settings, failed }: Finished) {
  const [first] = bars;
  return {
    id,
    what,
    figure: first === undefined ? null : round(first.figure),
    bar: first === undefined ? null : spell(first),
    met: verdict(bars),
    bars: bars.map((bar) => ({ what: bar.what, figure: round(bar.figure), bar: spell(bar), met: isMet(bar) })),
    rivals: measured.map(({ name, median, min, max, unit }) => {
      return { name, median: round(median), min: round(min), max: round(max), unit };
    }),
    settings,
    quick,
    ...(failed !== undefined && { failed }),
  };
}

/** Whether all bars were reached; null: nothing was promised. */
function verdict(bars: readonly Bar[]): boolean | null {
  return bars.length === 0 ? null : bars.every(isMet);
}

/** The report of a case for a terminal. */
export function toText({ id, what, bars, measured, settings, failed }: Finished): string {
  const lines = [`${id}  ${what}`];
  if (failed !== undefined) lines.push(`  FAILED: ${failed}`);
  for (const bar of bars) {
    lines.push(`  ${isMet(bar) ? 'met   ' : 'MISSED'}  ${bar.what}: ${round(bar.figure)} (${spell(bar)})`);
  }
  for (const { name, median, min, max, unit } of measured) {
    lines.push(`  ${name.padEnd(44)} ${round(median)} ${unit}  (${round(min)} – ${round(max)})`);
  }
  lines.push(
    `  ${Object.entries(settings)
      .map(([name, value]) => `${name} ${value}`)
      .join(' · ')}`,
  );
  return lines.join('\n');
}
