import type { Receipt } from '../src/frames.ts';
import { msText } from './text.ts';

/** The most missing instances that are named; the others are counted. */
const NAMED = 8;

/** `prices-7 (lost), orders-3 (behind) and 4 more` */
export function namesOf(instances: readonly { readonly instance: string; readonly state: string }[]): string {
  const names = instances.slice(0, NAMED).map(({ instance, state }) => `${instance} (${state})`);
  const more = instances.length > NAMED ? ` and ${instances.length - NAMED} more` : '';
  return `${names.join(', ')}${more}`;
}

/** `98 of 100 deny it after 61 ms; missing prices-7 (lost)`. */
export function sentenceOfReceipt({ of, reached, left, lastMs, missing }: Receipt): string {
  if (of === 0) return 'No instance reported when it was committed.';
  return [
    `${reached} of ${of} deny it${lastMs === null ? '' : `, after ${msText(lastMs)}`}`,
    ...(left > 0 ? [`${left} left before`] : []),
    ...(missing.length > 0 ? [`missing ${namesOf(missing)}`] : []),
  ].join('; ');
}

/** The times of a receipt, which is replaced and never changed: a page asks for those of a hundred receipts at each update. */
const known = new WeakMap<Receipt, readonly number[]>();

/** The times of all members that have one, in ms, ascending. */
export function timesOf(receipt: Receipt): readonly number[] {
  const times =
    known.get(receipt) ?? receipt.members.flatMap(({ ms }) => (ms === null ? [] : [ms])).sort((a, b) => a - b);
  known.set(receipt, times);
  return times;
}
