import type { DurationMs } from '@rescind/revocation';

/** Something took longer than anybody should wait for it. */
class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** @throws NoAnswer when the work takes longer; the work itself goes on unheard */
export async function within<T>(limitMs: DurationMs, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new NoAnswer(`no answer within ${limitMs} ms`)), limitMs);
  work.catch(() => undefined);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
