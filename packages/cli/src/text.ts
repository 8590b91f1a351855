/**
 * Makes a text of unknown origin, such as a device name, harmless on a terminal: control characters, line ends, bidirectional marks and
 * invisible characters become `?`.
 */
export function visible(text: string): string {
  return text.toWellFormed().replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
}

/** As `visible`, for a text of several lines. */
export const visibleLines = (text: string): string => text.split('\n').map(visible).join('\n');

const ESCAPED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const escapeUnit = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
const escapeAll = (character: string) => character.split('').map(escapeUnit).join('');

/** JSON in one line, equal to that of `JSON.stringify`, in which such characters are escaped: a terminal may show it too. */
export function toJsonLine(value: object): string {
  return `${JSON.stringify(value).replaceAll(ESCAPED, escapeAll)}\n`;
}

/** Characters that a terminal shows in two cells: those wide or fullwidth in Unicode TR 11, by their blocks, and emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f1e6}-\u{1f1ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const ASCII = /^[ -~]*$/;
const MARKS = /\p{M}/gu;
const clusters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

const cellsOf = (cluster: string): number => (cluster.replace(MARKS, '') === '' ? 0 : WIDE.test(cluster) ? 2 : 1);

/** The number of cells of a terminal that a text takes. */
export function cells(text: string): number {
  if (ASCII.test(text)) return text.length;
  let count = 0;
  for (const { segment } of clusters.segment(text)) count += cellsOf(segment);
  return count;
}

/** Cuts a text to a number of cells, or appends spaces up to it; the last character of a text that was cut is `…`. */
export function fit(text: string, width: number): string {
  const own = cells(text);
  if (own <= width) return text + ' '.repeat(width - own);
  let kept = '';
  let left = Math.max(0, width - 1);
  for (const { segment } of clusters.segment(text)) {
    left -= cellsOf(segment);
    if (left < 0) break;
    kept += segment;
  }
  return fit(`${kept}…`, Math.max(1, width));
}

const UNITS: readonly (readonly [name: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
];

/** A length of time in its greatest unit: `12 s`, `3 d`. */
export function duration(ms: number): string {
  const [name, size] = UNITS.find(([, unit]) => Math.abs(ms) >= unit) ?? ['ms', 1];
  return `${Math.floor(Math.abs(ms) / size)} ${name}`;
}

/** The distance of a time from `now`: `12 s ago`, `in 3 d`. */
export const relativeTime = (at: number, now: number): string =>
  at > now ? `in ${duration(at - now)}` : `${duration(now - at)} ago`;

/** Local time with the distance from `now`: `2026-11-27 08:15:02 (12 s ago)`. */
export function localTime(at: number, now: number): string {
  const date = new Date(at);
  const twoDigits = (part: number) => String(part).padStart(2, '0');
  const day = `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())}`;
  const time = `${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}:${twoDigits(date.getSeconds())}`;
  return `${day} ${time} (${relativeTime(at, now)})`;
}
