import type { DurationMs } from '@rescind/revocation';

/** A server whose clock or cache is wrong must not be asked without pause. */
const LEAST_MS: DurationMs = 1_000;

/**
 * For how long an answer may be used, if its server says so with `max-age` and `must-revalidate`: not a moment longer (RFC
 * 9111 section 5.2.2.2). One that says `max-age` alone leaves it to us. Undefined: to be kept as long as we like.
 */
export function mustRevalidateAfter(headers: Headers): DurationMs | undefined {
  const directives = (headers.get('cache-control') ?? '').toLowerCase().split(',');
  const words = directives.map((directive) => directive.trim());
  const age = words.map((word) => /^max-age="?(\d{1,9})"?$/.exec(word)?.[1]).find((value) => value !== undefined);
  if (age === undefined || !words.includes('must-revalidate')) return undefined;
  const spent = /^\d{1,9}$/.exec(headers.get('age') ?? '')?.[0] ?? '0';
  return Math.max(LEAST_MS, (Number(age) - Number(spent)) * 1000);
}
