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

/** Cuts a text to a number of characters; the last one is then `…`. */
export function cut(text: string, maxLength: number): string {
  const characters = [...text];
  return characters.length <= maxLength ? text : `${characters.slice(0, Math.max(0, maxLength - 1)).join('')}…`;
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

/** Local time with the distance from `now`: `2026-11-27 08:15:02 (12 s ago)`. */
export function localTime(at: number, now: number): string {
  const date = new Date(at);
  const twoDigits = (part: number) => String(part).padStart(2, '0');
  const day = `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())}`;
  const time = `${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}:${twoDigits(date.getSeconds())}`;
  const distance = at > now ? `in ${duration(at - now)}` : `${duration(now - at)} ago`;
  return `${day} ${time} (${distance})`;
}
