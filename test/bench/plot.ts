import type { Bar, Finished } from './case.ts';
import { isMet, spell } from './case.ts';
import { round } from './report.ts';

interface Row {
  readonly label: string;
  readonly bar: Bar;
  /** The figure relative to its bar: 1 is the bar itself, 2 twice as good. */
  readonly reach: number;
}

/** The length of the axis, and the space on its right, in px. */
const AXIS = 340;
const RIGHT = 150;
const LINE = 24;
const TOP = 34;
/** The axis goes from a sixteenth of the bar to sixteen times it, by powers of two. */
const POWERS = 4;

/** Draws one line for each promise, with the figure relative to its bar. Right of the middle is better than promised. */
export function toSvg(finished: readonly Finished[]): string {
  const rows: Row[] = finished.flatMap(({ id, bars }) =>
    bars.map((bar) => ({ label: `${id}: ${bar.what}`, bar, reach: reachOf(bar) })),
  );
  const left = Math.max(0, ...rows.map(({ label }) => textWidth(label))) + 16;
  const width = left + AXIS + RIGHT;
  const height = TOP + rows.length * LINE + 10;
  const middle = left + x(1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...Array.from({ length: POWERS * 2 + 1 }, (_, at) => tick(at - POWERS, left, height)),
    ...rows.map((row, at) => line(row, left, TOP + at * LINE)),
    `<line x1="${middle}" x2="${middle}" y1="${TOP - 8}" y2="${height - 6}" stroke="#222" stroke-width="1.5"/>`,
    '</svg>',
    '',
  ].join('\n');
}

const reachOf = ({ figure, atLeast, atMost }: Bar) =>
  atLeast !== undefined ? figure / atLeast : (atMost ?? 1) / figure;

/** From the left end of the axis. */
function x(reach: number): number {
  const power = Math.max(-POWERS, Math.min(POWERS, Math.log2(reach)));
  return Math.round(((power + POWERS) / (POWERS * 2)) * AXIS);
}

function tick(power: number, left: number, height: number): string {
  const at = left + x(2 ** power);
  const name = power === 0 ? 'bar' : power > 0 ? `${2 ** power} ×` : `1/${2 ** -power}`;
  return (
    `<line x1="${at}" x2="${at}" y1="${TOP - 8}" y2="${height - 6}" stroke="#ddd"/>` +
    `<text x="${at}" y="${TOP - 14}" text-anchor="middle" fill="#666">${name}</text>`
  );
}

function line({ label, bar, reach }: Row, left: number, y: number): string {
  const from = left + Math.min(x(1), x(reach));
  const width = Math.abs(x(reach) - x(1));
  const colour = isMet(bar) ? '#2a7f4f' : '#b3382c';
  return (
    `<text x="${left - 8}" y="${y + 13}" text-anchor="end" fill="#222">${escapeText(label)}</text>` +
    `<rect x="${from}" y="${y + 3}" width="${Math.max(width, 1)}" height="${LINE - 10}" fill="${colour}"/>` +
    `<text x="${left + AXIS + 8}" y="${y + 13}" fill="#222">${round(bar.figure)} (${escapeText(spell(bar))})</text>`
  );
}

/** The most px that a text of 12 px takes in the fonts that browsers use for `sans-serif`. */
export const textWidth = (text: string) => Math.ceil(text.length * 7);

export const escapeText = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
