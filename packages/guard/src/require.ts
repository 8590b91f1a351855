import type { DurationMs } from '@rescind/revocation';

/** What options are checked with. Each throws a TypeError that names the option and what would be right. */

export function requireUrl(name: string, value: string): void {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError(`${name} must be an http or https URL without credentials, query and fragment`);
  }
}

export function requireDuration(name: string, value: DurationMs): DurationMs {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw new TypeError(`${name} must be a number of milliseconds above 0, got ${value}`);
}

/** Whole, and at least `least`. */
export function requireCount(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new TypeError(`${name} must be a whole number, ${least} or more, got ${value}`);
}

export function requireText(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new TypeError(`${name} must be text that is not empty`);
}
