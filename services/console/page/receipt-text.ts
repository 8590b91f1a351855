import type { Receipt } from '../src/frames.ts';
import { msText } from './text.ts';

/** The most missing instances that are named; the others are counted. */
const NAMED = 8;

/** `98 of 100 deny it after 61 ms; missing prices-7 (lost)`. */
export function sentenceOfReceipt({ of, reached, left, lastMs, missing }: Receipt): string {
  if (of === 0) return 'No instance reported when it was committed.';
  const names = missing.slice(0, NAMED).map(({ instance, state }) => `${instance} (${state})`);
  const more = missing.length > NAMED ? ` and ${missing.length - NAMED} more` : '';
  return [
    `${reached} of ${of} deny it${lastMs === null ? '' : `, after ${msText(lastMs)}`}`,
    ...(left > 0 ? [`${left} left before`] : []),
    ...(missing.length > 0 ? [`missing ${names.join(', ')}${more}`] : []),
  ].join('; ');
}

/** The times of all members that have one, in ms, ascending. */
export const timesOf = (receipt: Receipt): readonly number[] =>
  receipt.members.flatMap(({ ms }) => (ms === null ? [] : [ms])).toSorted((a, b) => a - b);
