import { createId } from '../session/mint.ts';

/** Enough for a restore each second of 300 years. */
const DIGITS = 10;
const SHAPE = /^(\d{10})-/;

/** Sorts, as text, above every epoch with a lower counter; the randomness keeps two restores of one backup apart. */
export function toEpoch(counter: number): string {
  return `${String(counter).padStart(DIGITS, '0')}-${createId()}`;
}

/** 0 for what is no epoch of ours. */
export function counterOf(epoch: string): number {
  return Number(SHAPE.exec(epoch)?.[1] ?? 0);
}

/** Of a database that was lost as a whole: below every epoch there was. */
export const LOST_EPOCH_COUNTER = 0;
export const FIRST_EPOCH_COUNTER = 1;
